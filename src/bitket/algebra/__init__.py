"""Exact and fast algebra on bits: Pauli operators, linear algebra over GF(2), the Walsh-Hadamard transform."""

from bitket.algebra.gf2 import BitMatrix, Echelon
from bitket.algebra.grouping import group_terms, shared_basis
from bitket.algebra.pauli import PauliError, PauliString
from bitket.algebra.pauli_sum import PauliSum
from bitket.algebra.walsh import walsh_hadamard

__all__ = [
    "BitMatrix",
    "Echelon",
    "PauliError",
    "PauliString",
    "PauliSum",
    "group_terms",
    "shared_basis",
    "walsh_hadamard",
]
