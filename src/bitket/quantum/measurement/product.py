"""Bases whose letters are drawn independently on each qubit: classical shadows, and their locally biased form.

Classical shadows (Huang, Kueng, Preskill 2020) draw X, Y, Z alike, so a string of weight w is covered with probability 3^-w. Locally
biased shadows (Hadfield, Bravyi, Raymond, Mezzacapo 2022) draw letter c on qubit i with b_i(c), zeta(P) = prod_i b_i(P_i), and choose b
for the Hamiltonian. The *diagonal cost* sum_P a_P^2 / zeta(P) is convex in b; where its gradient vanishes on the simplex,

    b_i(c) = sum_{P: P_i = c} a_P^2 / zeta(P)  /  sum_{P: P_i != I} a_P^2 / zeta(P).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.errors import BitketError, InvalidInput
from bitket.quantum.measurement.letters import Letters, hermitian_terms, letters_of
from bitket.quantum.measurement.plan import BasisDistribution
from bitket.quantum.measurement.variance import least_variance_on

__all__ = ["ClassicalShadow", "LocallyBiased", "diagonal_cost"]

_SWEEPS = 10_000


def diagonal_cost(distribution: BasisDistribution, operator: PauliSum) -> float:
    """``sum_P a_P^2 / zeta(P)`` over all terms but the identity: the mean square of one shot on a state where all else averages out."""
    _, rest = hermitian_terms(operator)
    with np.errstate(divide="ignore"):
        return float((rest.coefficients.real**2 / distribution.coverage(letters_of(rest))).sum())


class LocallyBiased(BasisDistribution):
    """Independent letters with their own probabilities on each qubit.

    Parameters
    ----------
    probabilities
        ``[qubits, 3]`` for X, Y, Z; rows sum to one.
    """

    def __init__(self, probabilities: ArrayLike) -> None:
        b = np.asarray(probabilities, dtype=float)
        if b.ndim != 2 or b.shape[1] != 3 or not (b >= 0).all() or not np.allclose(b.sum(axis=1), 1, atol=1e-9):
            raise InvalidInput(
                "letter probabilities: an array [qubits, 3] of numbers >= 0 whose rows sum to 1 is needed"
            )
        self.probabilities: NDArray[np.float64] = b / b.sum(axis=1, keepdims=True)
        self.num_qubits = len(b)

    @classmethod
    def fit(cls, operator: PauliSum, reference: str | None = None) -> LocallyBiased:
        """Probabilities of least cost for an operator.

        Parameters
        ----------
        reference
            A bit string (qubit 0 rightmost), such as the Hartree-Fock state: the cost is then the variance of one shot on that state,
            which knows the covariances between terms but is not convex. By default the convex diagonal cost is minimised.

        Raises
        ------
        BitketError
            The descent does not settle.
        """
        _, rest = hermitian_terms(operator)
        if reference is not None:
            return cls(least_variance_on(rest, reference, cls.fit(rest).probabilities))
        strings, squares = letters_of(rest), rest.coefficients.real**2
        n = rest.num_qubits
        present = np.array([(strings == c).any(axis=0) for c in (1, 2, 3)]).T
        idle = np.logical_not(present.any(axis=1))
        # A letter that no term has gets nothing; on a qubit without any term all are alike.
        b = np.where(idle[:, None], 1 / 3, present / np.maximum(present.sum(axis=1, keepdims=True), 1))
        # The minimum may be a whole face. All qubits moved at once keep the operator's symmetries: by the inequality of means, with w the
        # largest weight, b(c) ~ (b(c)^w s_c)^(1 / (w + 1)) never raises the cost. It slows down near the end, which is left to the qubits
        # one after another, each moved to its exact minimum b(c) ~ sqrt(b(c) s_c).
        heaviest = int((strings > 0).sum(axis=1).max())
        for _ in range(_SWEEPS):
            share = squares / _coverage(b, strings)
            shares = np.stack([share @ (strings == c) for c in (1, 2, 3)], axis=1)
            new = np.where(idle[:, None], 1 / 3, (b**heaviest * shares) ** (1 / (heaviest + 1)))
            new /= new.sum(axis=1, keepdims=True)
            done = np.abs(new - b).max() < 1e-7
            b = new
            if done:
                break
        inverse = squares / _coverage(b, strings)
        members = [[np.flatnonzero(strings[:, q] == c) for c in (1, 2, 3)] for q in range(n)]
        for _ in range(_SWEEPS):
            change = 0.0
            for q in np.flatnonzero(~idle).tolist():
                old = b[q].copy()
                new = np.sqrt(old * [inverse[rows].sum() for rows in members[q]])
                new /= new.sum()
                for c in np.flatnonzero(new).tolist():
                    inverse[members[q][c]] *= old[c] / new[c]
                b[q] = new
                change = max(change, float(np.abs(new - old).max()))
            if change < 1e-13:
                return cls(b)
        raise BitketError(
            f"locally biased probabilities of {n} qubits: still moving by {change:.1g} after {_SWEEPS} sweeps"
        )

    def sample(self, count: int, generator: np.random.Generator) -> Letters:
        """Independent bases, ``[count, qubits]``."""
        edges = self.probabilities.cumsum(axis=1)[:, :2]
        u = generator.random((count, self.num_qubits))
        return (1 + (u >= edges[:, 0]) + (u >= edges[:, 1])).astype(np.uint8)

    def coverage(self, strings: Letters) -> NDArray[np.float64]:
        """``prod_i b_i(P_i)``."""
        return _coverage(self.probabilities, strings)


class ClassicalShadow(LocallyBiased):
    """All letters alike: nothing about the operator is used, so that the same shots serve any observable of low weight."""

    def __init__(self, num_qubits: int) -> None:
        super().__init__(np.full((num_qubits, 3), 1 / 3))


def _coverage(b: NDArray[np.float64], strings: Letters) -> NDArray[np.float64]:
    out = np.ones(len(strings))
    for row, letters in zip(b, strings.T, strict=True):
        out *= np.concatenate([[1.0], row])[letters]
    return out
