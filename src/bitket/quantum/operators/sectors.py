"""States of given numbers of alpha and of beta electrons, in the qubits of any mapping.

A molecule's operator conserves both numbers: it is diagonalised among the ``C(n, alpha) C(n, beta)`` basis states that encode such
determinants. Its lowest eigenvalue over all basis states may belong to an ion. Spin:

    S² = m (m + 1) + S- S+,   m = (alpha - beta) / 2,   S+ = sum_p a†_p,alpha a_p,beta      (Szabo and Ostlund 1989, section 2.5)

>>> import numpy as np
>>> from bitket.quantum.operators.mappings import Encoding, mapping_matrix
>>> sector = ElectronSector(Encoding(mapping_matrix("jordan_wigner", 4)), (1, 1))       # two electrons in two orbitals
>>> [format(int(j), "04b") for j in sector.indices]
['0101', '1001', '0110', '1010']
>>> triplet = np.zeros(16)
>>> triplet[[0b1001, 0b0110]] = np.sqrt(0.5), -np.sqrt(0.5)
>>> report = sector.report(triplet)
>>> round(report.weight, 9), round(report.electrons, 9), round(report.spin_square, 9)
(1.0, 2.0, 2.0)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.algebra.subspaces import lowest_eigenpairs, restricted_matrix
from bitket.errors import InvalidInput
from bitket.quantum.operators.fermions import FermionHamiltonian
from bitket.quantum.operators.mappings import Encoding

__all__ = ["ElectronSector", "ElectronicState", "StateReport"]

_LISTED = 1 << 22
_DIAGONALISED = 200_000
_DEGENERATE = 1e-8  # hartree: levels that close are one, and their states are chosen to have a definite spin


@dataclass(frozen=True)
class StateReport:
    """What a state of the qubits is.

    Attributes
    ----------
    weight
        Its part in the sector: 1 where it has not left it.
    electrons, spin_projection, spin_square
        Expectation values of the number of electrons, of S_z and of S².
    """

    weight: float
    electrons: float
    spin_projection: float
    spin_square: float


@dataclass(frozen=True, eq=False)
class ElectronicState:
    """An eigenstate of a molecule.

    Attributes
    ----------
    energy
        In hartree.
    num_electrons
        Numbers of alpha and of beta electrons.
    spin_square
        Expectation value of S²: 0 for a singlet, 0.75 for a doublet, 2 for a triplet.
    amplitudes
        ``[determinants]``, in the order of ``sector.indices``.
    sector
        Where it lives.
    """

    energy: float
    num_electrons: tuple[int, int]
    spin_square: float
    amplitudes: NDArray[Any]
    sector: ElectronSector

    @property
    def spin_projection(self) -> float:
        """S_z, half the difference of the numbers of electrons."""
        return (self.num_electrons[0] - self.num_electrons[1]) / 2

    @property
    def vector(self) -> NDArray[Any]:
        """The state of the qubits, ``[2^n]``."""
        if self.sector.num_qubits > 30:
            raise InvalidInput(f"state of {self.sector.num_qubits} qubits: at most 30 can be held; see amplitudes")
        out = np.zeros(1 << self.sector.num_qubits, self.amplitudes.dtype)
        out[self.sector.indices] = self.amplitudes
        return out


@dataclass(frozen=True, eq=False)
class ElectronSector:
    """The basis states that encode determinants of ``num_electrons`` (alpha, beta), of 2n modes in blocks, alpha first.

    An encoding with known values holds some of these determinants only, those of one symmetry.

    Raises
    ------
    InvalidInput
        The modes are odd in number, or the electrons do not fit.
    """

    encoding: Encoding
    num_electrons: tuple[int, int]

    def __post_init__(self) -> None:
        n = self.encoding.num_modes // 2
        if self.encoding.num_modes % 2 or not all(0 <= k <= n for k in self.num_electrons):
            raise InvalidInput(
                f"sector of {self.num_electrons} electrons in {self.encoding.num_modes} spin orbitals: they do not fit"
            )

    @property
    def num_orbitals(self) -> int:
        """Number of spatial orbitals."""
        return self.encoding.num_modes // 2

    @property
    def num_qubits(self) -> int:
        """Number of qubits."""
        return len(self.encoding.kept)

    @property
    def num_determinants(self) -> int:
        """Number of determinants with these electrons, of any symmetry."""
        return math.prod(math.comb(self.num_orbitals, k) for k in self.num_electrons)

    @cached_property
    def occupations(self) -> NDArray[np.uint64]:
        """The determinants that are held, ``[determinants]``: bit p is alpha of orbital p, bit n + p is beta.

        Raises
        ------
        InvalidInput
            There are too many.
        """
        return self._held[0]

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Basis state of each determinant, ``[determinants]``."""
        return self._held[1]

    @cached_property
    def _held(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        self._require(_LISTED, "listed")
        n = self.num_orbitals
        a, b = (
            np.array([sum(1 << p for p in chosen) for chosen in itertools.combinations(range(n), k)], np.uint64)
            for k in self.num_electrons
        )
        occupations = (a[:, None] | b[None] << np.uint64(n)).reshape(-1)
        states = self.encoding.basis_states(occupations)
        return occupations[states >= 0], states[states >= 0]

    def _require(self, most: int, what: str) -> None:
        if self.num_determinants > most:
            alpha, beta = self.num_electrons
            raise InvalidInput(
                f"{alpha} alpha and {beta} beta electrons in {self.num_orbitals} orbitals: {self.num_determinants} determinants, at "
                f"most {most} are {what}; choose a smaller active space, or see MolecularProblem.fci_energy"
            )

    @property
    def reference(self) -> str:
        """The determinant with the lowest orbitals filled as a basis state, qubit 0 rightmost."""
        n = self.num_orbitals
        return self.bitstring([int(p < k) for k in self.num_electrons for p in range(n)])

    def bitstring(self, occupation: Sequence[int]) -> str:
        """A determinant (occupation of each spin orbital) as a basis state of the qubits, qubit 0 rightmost.

        Raises
        ------
        InvalidInput
            The occupation has the wrong length, other numbers of electrons, or another symmetry than the sector.
        """
        n = self.num_orbitals
        filled = [int(bool(f)) for f in occupation]
        if len(filled) != 2 * n or (sum(filled[:n]), sum(filled[n:])) != self.num_electrons:
            raise InvalidInput(
                f"occupation of {len(filled)} spin orbitals, {sum(filled[:n])} alpha and {sum(filled[n:])} beta electrons: "
                f"{2 * n} spin orbitals with {self.num_electrons[0]} and {self.num_electrons[1]} are needed"
            )
        if not self.encoding.holds(filled):
            raise InvalidInput(
                f"occupation {filled}: its symmetry is not that of the Hartree-Fock determinant, the one kept"
            )
        return "".join(map(str, reversed(self.encoding.qubits(filled))))

    # -- eigenstates ------------------------------------------------------------------------------------------------
    def eigenstates(self, operator: PauliSum, count: int) -> list[ElectronicState]:
        """The ``count`` lowest eigenstates, in rising energy, and of equal energies in rising S².

        Parameters
        ----------
        operator
            On the sector's qubits; Hermitian, conserves both numbers of electrons.
        count
            If there are fewer states, all are given.

        Raises
        ------
        InvalidInput
            The operator has another number of qubits or is not Hermitian, count is not positive, or the sector is too large.
        PauliError
            The operator leads out of the sector.
        """
        if operator.num_qubits != self.num_qubits or not operator.is_hermitian():
            raise InvalidInput(f"eigenstates of electrons: a Hermitian operator on {self.num_qubits} qubits is needed")
        if count < 1:
            raise InvalidInput(f"{count} eigenstates: at least 1 is needed")
        self._require(_DIAGONALISED, "diagonalised")
        matrix = restricted_matrix(operator._by_x(), self.indices)
        ask = count + 1
        while True:  # until the last level asked for is complete
            values, vectors = lowest_eigenpairs(matrix, ask)
            if len(values) < ask or values[-1] - values[count - 1] > _DEGENERATE:
                break
            ask *= 2
        found: list[tuple[float, float, NDArray[Any]]] = []
        start = 0
        for end in range(1, len(values) + 1):
            if end < len(values) and values[end] - values[end - 1] <= _DEGENERATE:
                continue
            level = vectors[:, start:end]
            squares, mix = np.linalg.eigh(self._spin_squares(level))
            for k in range(end - start):
                v = level @ mix[:, k]
                found.append((float(np.vdot(v, matrix @ v).real), float(squares[k]), v))
            start = end
        return [ElectronicState(e, self.num_electrons, abs(s), v, self) for e, s, v in found[:count]]

    def _spin_squares(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """``<i|S²|j>`` of states ``[determinants, states]``."""
        m = (self.num_electrons[0] - self.num_electrons[1]) / 2
        raised = self._raising @ vectors
        return m * (m + 1) * (vectors.conj().T @ vectors) + raised.conj().T @ raised

    @cached_property
    def _raising(self) -> Any:
        """S+ as a sparse matrix ``[determinants with one more alpha electron, determinants]``."""
        import scipy.sparse

        n, one = self.num_orbitals, np.uint64(1)
        targets: list[NDArray[Any]] = []
        columns: list[NDArray[Any]] = []
        signs: list[NDArray[Any]] = []
        for p in range(n):
            up, down = one << np.uint64(p), one << np.uint64(n + p)
            here = np.flatnonzero((self.occupations & (up | down)) == down)
            # a_p,beta passes the modes below it, then a†_p,alpha those below it: together the modes from p to n + p.
            passed = np.bitwise_count(self.occupations[here] & (down - up))
            targets.append(self.occupations[here] ^ (up | down))
            columns.append(here)
            signs.append(1.0 - 2.0 * (passed & 1))
        rows = np.unique(np.concatenate(targets), return_inverse=True)
        where = (rows[1], np.concatenate(columns))
        return scipy.sparse.coo_matrix(
            (np.concatenate(signs), where), shape=(len(rows[0]), len(self.occupations))
        ).tocsr()

    # -- observables ------------------------------------------------------------------------------------------------
    @cached_property
    def number_operators(self) -> tuple[PauliSum, PauliSum]:
        """Numbers of alpha and of beta electrons, on the qubits."""
        n = self.num_orbitals
        terms = ([(n / 2, 0, 0), *((-0.5, 0, 1 << p + shift) for p in range(n))] for shift in (0, n))
        alpha, beta = (self.encoding.operator(PauliSum.from_masks(2 * n, t)).simplify() for t in terms)
        return alpha, beta

    @cached_property
    def spin_square(self) -> PauliSum:
        """S², on the qubits."""
        n = self.num_orbitals
        spread = np.zeros((2 * n,) * 4)
        p = np.arange(n)
        spread[n + p[:, None], p[None], p[:, None], n + p[None]] = -1.0  # S- S+ beside the number of beta electrons
        lowered = FermionHamiltonian(0.0, np.diag(np.repeat([0.0, 1.0], n)), spread).to_paulis()
        alpha, beta = self.number_operators
        m = (alpha - beta) / 2
        return (m @ m + m + self.encoding.operator(lowered)).simplify()

    def penalty(self) -> PauliSum:
        """``(N_alpha - alpha)² + (N_beta - beta)²``: 0 in the sector, at least 1 outside."""
        off = [operator - k for operator, k in zip(self.number_operators, self.num_electrons, strict=True)]
        return off[0] @ off[0] + off[1] @ off[1]

    def report(self, state: ArrayLike) -> StateReport:
        """What a state ``[2^n]`` of the qubits is: its weight in the sector, electrons and spin.

        Raises
        ------
        InvalidInput
            It has another number of amplitudes.
        """
        psi = np.asarray(state)
        if psi.shape != (1 << self.num_qubits,):
            raise InvalidInput(f"state of shape {psi.shape}: [2^{self.num_qubits}] is needed")
        alpha, beta = (float(operator.expectation(psi)) for operator in self.number_operators)
        weight = float((np.abs(psi[self.indices]) ** 2).sum())
        return StateReport(weight, alpha + beta, (alpha - beta) / 2, float(self.spin_square.expectation(psi)))
