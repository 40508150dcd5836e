"""From a molecule to the qubit Hamiltonian of its electrons.

A restricted Hartree-Fock calculation (pyscf) gives orbitals; some are frozen (doubly occupied, their energy and field folded into
the constant and into h), some removed (left empty), and the integrals over the others,

    H = constant + sum_pq,s h_pq a†_ps a_qs + 1/2 sum_pqrs,st (ps|qr) a†_ps a†_qt a_rt a_ss      (Szabo and Ostlund 1989, chapter 2),

are mapped to qubits. Spin orbitals are in blocks, all alpha and then all beta; `FermionHamiltonian.interleaved` reorders them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import BitketError, InvalidInput, MissingExtra
from bitket.quantum.operators.fermions import FermionHamiltonian
from bitket.quantum.operators.mappings import Encoding, Mapping, mapping_matrix
from bitket.quantum.operators.molecules import Molecule
from bitket.quantum.operators.sectors import ElectronicState, ElectronSector

__all__ = ["CHEMICAL_ACCURACY", "ConvergenceError", "MolecularProblem", "chemically_accurate", "molecular_hamiltonian"]

CHEMICAL_ACCURACY = 1.6e-3
"""One kilocalorie a mole, in hartree."""


def chemically_accurate(value: float, exact: float, standard_error: float = 0.0, bias: float = 0.0) -> bool:
    """Whether a value is within `CHEMICAL_ACCURACY` of the exact one, and its error bar as well.

    The farther end of the bar counts: ``|value - exact| + 2 standard_error + bias``, where two standard errors are an interval of 95 %
    and ``bias`` bounds an error that no shot shows, such as ``uncovered_weight`` of an estimate. A value that is not finite is not
    accurate.
    """
    return bool(abs(value - exact) + 2 * standard_error + bias <= CHEMICAL_ACCURACY)


class ConvergenceError(BitketError, RuntimeError):
    """A self-consistent field calculation that did not converge."""


@dataclass(frozen=True, eq=False)
class MolecularProblem:
    """The electrons of a molecule on qubits; energies in hartree.

    Attributes
    ----------
    molecule, mapping, two_qubit_reduction, tapered
        What was asked for.
    constant
        Nuclear repulsion plus the energy of the frozen electrons; it is part of the Hamiltonian's identity term.
    one_body
        ``[orbitals, orbitals]``: kinetic energy, nuclei and the field of the frozen electrons.
    two_body
        Coulomb integrals ``(pq|rs)``, ``[orbitals, orbitals, orbitals, orbitals]``.
    num_electrons
        Numbers of alpha and of beta electrons that are not frozen.
    hf_energy
        Total Hartree-Fock energy.
    """

    molecule: Molecule
    mapping: Mapping
    two_qubit_reduction: bool
    tapered: bool
    constant: float
    one_body: NDArray[np.float64]
    two_body: NDArray[np.float64]
    num_electrons: tuple[int, int]
    hf_energy: float

    @property
    def num_orbitals(self) -> int:
        """Number of spatial orbitals that are neither frozen nor removed."""
        return len(self.one_body)

    @property
    def num_qubits(self) -> int:
        """Number of qubits of the Hamiltonian."""
        return self.hamiltonian.num_qubits

    @cached_property
    def fermions(self) -> FermionHamiltonian:
        """The Hamiltonian over spin orbitals in blocks."""
        return FermionHamiltonian.from_spatial(self.constant, self.one_body, self.two_body)

    @cached_property
    def sector(self) -> ElectronSector:
        """The basis states of the qubits that encode determinants with these numbers of electrons (tapered: and this symmetry)."""
        (alpha, beta), n = self.num_electrons, self.num_orbitals
        known = {n - 1: alpha % 2, 2 * n - 1: (alpha + beta) % 2} if self.two_qubit_reduction else {}
        encoding = Encoding(mapping_matrix(self.mapping, 2 * n), known)
        if self.tapered:
            filled = [int(p < k) for k in self.num_electrons for p in range(n)]
            encoding = encoding.tapered(self._jordan_wigner, filled)
        return ElectronSector(encoding, self.num_electrons)

    @cached_property
    def _jordan_wigner(self) -> PauliSum:
        return self.fermions.to_paulis()

    @cached_property
    def hamiltonian(self) -> PauliSum:
        """The qubit Hamiltonian, constant included.

        Its lowest eigenvalue over all basis states may be that of an ion with other numbers of electrons: see `ground_state`.
        """
        return self.sector.encoding.operator(self._jordan_wigner)

    @property
    def hf_bitstring(self) -> str:
        """The Hartree-Fock determinant as a basis state of the qubits, qubit 0 rightmost."""
        return self.sector.reference

    def bitstring(self, occupation: Sequence[int]) -> str:
        """A determinant (occupation of each spin orbital, in blocks) as a basis state of the qubits, qubit 0 rightmost.

        Raises
        ------
        InvalidInput
            The occupation has the wrong length, other numbers of electrons, or, where symmetries are tapered, another symmetry than
            the Hartree-Fock determinant.
        """
        return self.sector.bitstring(occupation)

    def ground_state(self, mapping: Mapping | None = None) -> ElectronicState:
        """The lowest eigenstate with these numbers of electrons; where symmetries are tapered, of the symmetry that is kept.

        Parameters
        ----------
        mapping
            In the qubits of another mapping, neither reduced nor tapered; by default in this problem's own.

        Raises
        ------
        InvalidInput
            There are too many determinants to diagonalise.

        >>> from bitket.quantum.operators import Molecule, molecular_hamiltonian
        >>> ion = molecular_hamiltonian(Molecule("He 0 0 0; H 0 0 0.772", charge=1))
        >>> round(ion.hamiltonian.ground_energy(), 5), round(ion.ground_state().energy, 5)    # with three electrons, with its two
        (-3.01349, -2.85102)
        """
        return self._eigenstates(1, mapping)[0]

    def excited_states(self, count: int, mapping: Mapping | None = None) -> list[ElectronicState]:
        """The ``count`` eigenstates above the ground state with these numbers of electrons, in rising energy, degenerate ones each.

        They are of every spin with this projection: see their ``spin_square``. Arguments and errors are those of `ground_state`.
        """
        if count < 1:
            raise InvalidInput(f"{count} excited states: at least 1 is needed")
        return self._eigenstates(count + 1, mapping)[1:]

    def _eigenstates(self, count: int, mapping: Mapping | None) -> list[ElectronicState]:
        if mapping is None:
            return self.sector.eigenstates(self.hamiltonian, count)
        _known(mapping)
        return replace(self, mapping=mapping, two_qubit_reduction=False, tapered=False)._eigenstates(count, None)

    def fci_energy(self) -> float:
        """The exact lowest energy with these numbers of electrons, by pyscf's full configuration interaction.

        Raises
        ------
        ConvergenceError
            The diagonalisation did not converge.
        """
        _pyscf()
        from pyscf import fci

        solver = fci.direct_spin1.FCI()
        solver.conv_tol, solver.max_cycle, solver.verbose = 1e-12, 300, 0
        energy, _ = solver.kernel(self.one_body, self.two_body, self.num_orbitals, self.num_electrons)
        if not np.all(solver.converged):
            raise ConvergenceError(f"full configuration interaction of {self.molecule.formula} did not converge")
        return float(energy) + self.constant


def molecular_hamiltonian(
    molecule: Molecule | str,
    mapping: Mapping = "jordan_wigner",
    *,
    two_qubit_reduction: bool = False,
    taper: bool = False,
    frozen_core: bool = False,
    active_space: tuple[int, int] | None = None,
    removed_orbitals: Sequence[int] = (),
) -> MolecularProblem:
    """The electronic problem of a molecule on qubits.

    Parameters
    ----------
    molecule
        A `Molecule`, or what its first argument takes (a name, or text with coordinates).
    mapping
        ``"jordan_wigner"``, ``"parity"`` or ``"bravyi_kitaev"``.
    two_qubit_reduction
        Remove the two qubits that hold conserved parities; parity mapping only.
    taper
        Remove a qubit for every symmetry that is a parity of occupations (numbers of electrons, and the molecule's point group), in
        the sector of the Hartree-Fock determinant. A ground state of another symmetry is lost.
    frozen_core
        Keep the orbitals of closed inner shells doubly occupied.
    active_space
        ``(electrons, orbitals)``: that many electrons in the orbitals above the frozen ones. Not together with ``frozen_core`` or
        ``removed_orbitals``.
    removed_orbitals
        Orbitals to leave empty, by their number in rising energy from 0; negative numbers count from the end.

    Raises
    ------
    InvalidInput
        The basis set is not there, the mapping is not known, or orbitals and electrons do not fit.
    ConvergenceError
        Hartree-Fock did not converge.
    MissingExtra
        pyscf is not installed.
    """
    if isinstance(molecule, str):
        molecule = Molecule(molecule)
    _known(mapping)
    if two_qubit_reduction and mapping != "parity":
        raise InvalidInput(f"two-qubit reduction with the {mapping} mapping: it needs mapping='parity'")
    if active_space is not None and (frozen_core or len(removed_orbitals)):
        raise InvalidInput("active_space together with frozen_core or removed_orbitals: give one or the other")
    field = _hartree_fock(molecule)
    # Occupied orbitals first, which an open shell's order of energies need not have.
    order = np.argsort(-field.mo_occ, kind="stable")
    orbitals = field.mo_coeff[:, order]
    # An orbital's sign is free: fix it, so that the same input gives the same terms.
    orbitals = orbitals * np.sign(orbitals[np.abs(orbitals).argmax(axis=0), np.arange(orbitals.shape[1])])
    frozen, active = _choose(molecule, orbitals.shape[1], frozen_core, active_space, removed_orbitals)
    if two_qubit_reduction and len(active) < 2:
        raise InvalidInput(
            "two-qubit reduction of 1 orbital: no qubit would be left, at least 2 orbitals are needed; take another mapping"
        )
    if len(active) > 32:
        raise InvalidInput(f"{len(active)} active orbitals: at most 32; choose an active_space")
    constant, one_body, two_body = _integrals(field, orbitals[:, :frozen], orbitals[:, active])
    alpha, beta = molecule.num_electrons
    return MolecularProblem(
        molecule=molecule,
        mapping=mapping,
        two_qubit_reduction=two_qubit_reduction,
        tapered=taper,
        constant=constant,
        one_body=one_body,
        two_body=two_body,
        num_electrons=(alpha - frozen, beta - frozen),
        hf_energy=float(field.e_tot),
    )


def _known(mapping: str) -> None:
    if mapping not in get_args(Mapping):
        raise InvalidInput(f"mapping {mapping!r}: known are {', '.join(get_args(Mapping))}")


def _pyscf() -> None:
    try:
        import pyscf  # noqa: F401
    except ImportError:
        raise MissingExtra("molecules need pyscf: pip install 'bitket[chem]'") from None


def _hartree_fock(molecule: Molecule) -> Any:
    """A converged restricted (open-shell) calculation."""
    _pyscf()
    import warnings

    from pyscf import gto, scf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for element in dict.fromkeys(element for element, _ in molecule.geometry):
            try:
                gto.basis.load(molecule.basis, element)
            except Exception:
                raise InvalidInput(f"basis set {molecule.basis!r}: pyscf has none of this name for {element}") from None
        # With symmetry on, degenerate orbitals come out aligned with the molecule's axes: fewer terms, the same ones each time.
        cell = gto.M(
            atom=list(molecule.geometry),
            basis=molecule.basis,
            charge=molecule.charge,
            spin=molecule.spin,
            unit="Angstrom",
            symmetry=True,
            verbose=0,
        )
        alpha, beta = molecule.num_electrons
        if alpha > cell.nao_nr():
            raise InvalidInput(
                f"{molecule.formula} of charge {molecule.charge} and spin {molecule.spin}: {alpha} alpha and {beta} beta electrons do "
                f"not fit into the {cell.nao_nr()} orbitals of {molecule.basis}"
            )
        field = scf.ROHF(cell) if molecule.spin else scf.RHF(cell)
        field.conv_tol = 1e-12
        field.kernel()
        if not field.converged:  # the second-order solver is slower and far more robust
            field = field.newton()
            field.conv_tol = 1e-10
            field.kernel()
    if not field.converged:
        raise ConvergenceError(
            f"Hartree-Fock of {molecule.formula} in {molecule.basis} did not converge: try another geometry, charge or spin"
        )
    return field


def _choose(
    molecule: Molecule, total: int, frozen_core: bool, active_space: tuple[int, int] | None, removed: Sequence[int]
) -> tuple[int, list[int]]:
    """Number of frozen orbitals, and the active ones."""
    alpha, beta = molecule.num_electrons
    if active_space is not None:
        electrons, orbitals = active_space
        inactive = alpha + beta - electrons
        if inactive < 0 or inactive % 2 or inactive // 2 > beta or electrons < 1:
            raise InvalidInput(
                f"active space of {electrons} electrons in {molecule.formula} with {alpha} alpha and {beta} beta electrons: "
                "the others must be pairs to freeze"
            )
        frozen = inactive // 2
        if not alpha - frozen <= orbitals <= total - frozen:
            raise InvalidInput(
                f"active space of {orbitals} orbitals in {molecule.formula}: from {max(1, alpha - frozen)} to {total - frozen} "
                f"are possible with {electrons} electrons"
            )
        return frozen, list(range(frozen, frozen + orbitals))
    frozen = molecule.num_core_orbitals if frozen_core else 0
    if frozen > beta or alpha == frozen:
        raise InvalidInput(f"frozen core of {molecule.formula}: {frozen} orbitals leave no electrons to correlate")
    left_out = set()
    for orbital in removed:
        index = orbital + total if orbital < 0 else orbital
        if not alpha <= index < total:
            raise InvalidInput(f"removed orbital {orbital} of {total}: only empty ones, {alpha} to {total - 1}, can be")
        left_out.add(index)
    return frozen, [p for p in range(frozen, total) if p not in left_out]


def _integrals(
    field: Any, core: NDArray[np.float64], active: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Constant, one- and two-body integrals over the active orbitals in the field of the doubly occupied core."""
    from pyscf import ao2mo, scf

    bare = field.get_hcore()
    density = 2 * core @ core.T
    coulomb, exchange = scf.hf.get_jk(field.mol, density)
    mean = coulomb - exchange / 2
    constant = field.energy_nuc() + float(np.sum(density * (bare + mean / 2)))
    one_body = active.T @ (bare + mean) @ active
    packed = ao2mo.full(field.mol, active, verbose=0)
    return constant, one_body, ao2mo.restore(1, packed, active.shape[1])
