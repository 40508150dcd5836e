"""Observables and Hamiltonians: Pauli sums, spin models, fermions and their mappings to qubits, molecules."""

from bitket.algebra import PauliSum
from bitket.quantum.operators.electronic import ConvergenceError, MolecularProblem, molecular_hamiltonian
from bitket.quantum.operators.fermions import FermionHamiltonian, annihilation
from bitket.quantum.operators.mappings import (
    Mapping,
    decode,
    encode,
    encode_occupation,
    mapping_matrix,
    parity_symmetries,
    reduce_two_qubits,
    taper,
    taper_symmetries,
)
from bitket.quantum.operators.molecules import GEOMETRIES, Molecule
from bitket.quantum.operators.spin import (
    heisenberg_xxz,
    max_cut_hamiltonian,
    parity_operator,
    transverse_field_ising,
)
from bitket.quantum.operators.stored import STORED, stored_hamiltonian

__all__ = [
    "GEOMETRIES",
    "STORED",
    "ConvergenceError",
    "FermionHamiltonian",
    "Mapping",
    "MolecularProblem",
    "Molecule",
    "PauliSum",
    "annihilation",
    "decode",
    "encode",
    "encode_occupation",
    "heisenberg_xxz",
    "mapping_matrix",
    "max_cut_hamiltonian",
    "molecular_hamiltonian",
    "parity_operator",
    "parity_symmetries",
    "reduce_two_qubits",
    "stored_hamiltonian",
    "taper",
    "taper_symmetries",
    "transverse_field_ising",
]
