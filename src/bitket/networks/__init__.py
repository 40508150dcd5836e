"""Quantum networks: event simulation, schedules with quality of service, signatures."""
