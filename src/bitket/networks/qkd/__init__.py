"""Quantum key distribution: keys from photons (BB84), made equal (Cascade), made secret (privacy amplification)."""
