"""Quantum digital signatures by one-time universal hashing (Li et al. 2023, arXiv:2301.01132): keys, hashes, three parties."""
