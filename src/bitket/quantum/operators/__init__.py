"""Observables and Hamiltonians: Pauli sums, spin models, fermions and their mappings to qubits, molecules."""

from bitket.algebra import PauliSum
from bitket.quantum.operators.electronic import (
    CHEMICAL_ACCURACY,
    ConvergenceError,
    MolecularProblem,
    chemically_accurate,
    molecular_hamiltonian,
)
from bitket.quantum.operators.fermions import FermionHamiltonian, annihilation
from bitket.quantum.operators.mappings import (
    Encoding,
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
from bitket.quantum.operators.sectors import ElectronicState, ElectronSector, StateReport
from bitket.quantum.operators.spin import (
    heisenberg_xxz,
    max_cut_hamiltonian,
    parity_operator,
    transverse_field_ising,
)
from bitket.quantum.operators.stored import STORED, stored_hamiltonian, stored_sector

__all__ = [
    "CHEMICAL_ACCURACY",
    "GEOMETRIES",
    "STORED",
    "ConvergenceError",
    "ElectronSector",
    "ElectronicState",
    "Encoding",
    "FermionHamiltonian",
    "Mapping",
    "MolecularProblem",
    "Molecule",
    "PauliSum",
    "StateReport",
    "annihilation",
    "chemically_accurate",
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
    "stored_sector",
    "taper",
    "taper_symmetries",
    "transverse_field_ising",
]
