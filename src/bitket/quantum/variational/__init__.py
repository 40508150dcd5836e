"""Variational algorithms and what makes them work on noisy machines."""
