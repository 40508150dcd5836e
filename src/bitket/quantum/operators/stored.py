"""Small molecular Hamiltonians that come with the package, so that no quantum chemistry program is needed for them.

They are those of an architecture search (Patel et al. 2024, arXiv:2402.03500): STO-3G, energies in hartree, nuclear repulsion and frozen
electrons included. `molecular_hamiltonian` gives the same operators for any other molecule.

>>> hydrogen = stored_hamiltonian("H2-2")
>>> hydrogen.num_qubits, round(hydrogen.ground_energy(), 6)
(2, -1.13727)
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.operators.electronic import molecular_hamiltonian
from bitket.quantum.operators.mappings import Encoding, Mapping, mapping_matrix, taper
from bitket.quantum.operators.sectors import ElectronSector

__all__ = ["STORED", "computed_hamiltonian", "stored_hamiltonian", "stored_sector"]

STORED = {
    "H2-2": "H2, 0.7414 ångström, parity mapping, two qubits fewer",
    "H2-3": "H2, 0.7414 ångström, parity mapping, one qubit fewer",
    "LiH-4": "LiH, 3.4 ångström, core frozen, two orbitals removed, parity mapping, two qubits fewer",
    "LiH-6": "LiH, 2.2 ångström, core frozen, two orbitals removed, Jordan-Wigner",
    "H2O-8": "H2O, four electrons in four orbitals, Jordan-Wigner",
}
"""Names, which end in the number of qubits."""
_SECTORS: dict[str, tuple[Mapping, int, int, dict[int, int]]] = {
    "H2-2": ("parity", 2, 1, {1: 1, 3: 0}),
    "H2-3": ("parity", 2, 1, {3: 0}),
    "LiH-4": ("parity", 3, 1, {2: 1, 5: 0}),
    "LiH-6": ("jordan_wigner", 3, 1, {}),
    "H2O-8": ("jordan_wigner", 4, 2, {}),
}
"""Mapping, orbitals, electrons of each spin, and the parities that no qubit holds."""
_BOHR = 0.529177210903


def stored_sector(name: str) -> ElectronSector:
    """The electrons of one of the operators of `STORED`: its eigenstates with them are those of the molecule.

    >>> water = stored_sector("H2O-8").eigenstates(stored_hamiltonian("H2O-8"), 2)
    >>> [(round(state.energy, 4), round(state.spin_square, 6)) for state in water]           # a singlet, a triplet
    [(-73.2941, 0.0), (-72.3313, 2.0)]

    Raises
    ------
    InvalidInput
        The name is not known.
    """
    if name not in STORED:
        raise InvalidInput(f"operator {name!r}: {', '.join(STORED)} are stored")
    mapping, orbitals, pairs, known = _SECTORS[name]
    return ElectronSector(Encoding(mapping_matrix(mapping, 2 * orbitals), known), (pairs, pairs))


def stored_hamiltonian(name: str) -> PauliSum:
    """One of the operators of `STORED`.

    Raises
    ------
    InvalidInput
        The name is not known.
    """
    if name not in STORED:
        raise InvalidInput(f"operator {name!r}: {', '.join(STORED)} are stored")
    text = files("bitket.quantum.operators").joinpath("stored.json").read_text(encoding="utf-8")
    return PauliSum.from_dict(json.loads(text)[name])


def computed_hamiltonian(name: str) -> PauliSum:
    """The operator of `stored_hamiltonian`, computed anew; the file was made so.

    Raises
    ------
    InvalidInput
        The name is not known.
    MissingExtra
        pyscf is not installed.
    """
    smaller: dict[str, Any] = {"frozen_core": True, "removed_orbitals": (-3, -2)}
    match name:
        case "H2-2":
            return molecular_hamiltonian("H 0 0 0; H 0 0 0.7414", "parity", two_qubit_reduction=True).hamiltonian
        case "H2-3":
            return taper(molecular_hamiltonian("H 0 0 0; H 0 0 0.7414", "parity").hamiltonian, {3: 1})
        case "LiH-4":
            return molecular_hamiltonian(
                "Li 0 0 0; H 0 0 3.4", "parity", two_qubit_reduction=True, **smaller
            ).hamiltonian
        case "LiH-6":
            return molecular_hamiltonian("Li 0 0 0; H 0 0 2.2", **smaller).hamiltonian
        case "H2O-8":
            atoms = (("H", -0.021, -0.002), ("O", 0.835, 0.452), ("H", 1.477, -0.273))  # in bohr
            geometry = "; ".join(f"{element} {x * _BOHR} {y * _BOHR} 0" for element, x, y in atoms)
            return molecular_hamiltonian(geometry, active_space=(4, 4)).hamiltonian
    raise InvalidInput(f"operator {name!r}: {', '.join(STORED)} are stored")
