"""Compiled kernels of the algebra; every one has a twin in Python where it is used."""
