"""Exact variance of one shot of the Monte Carlo estimator, for any distribution of bases and any state.

One shot in a random basis estimates H by sum_P a_P [P covered] mu(P) / zeta(P). Two strings are read from one basis only where they agree
on every qubit that both need; then Q R is again a string without phase, and with zeta(Q v R) the probability that both are covered,

    Var = sum_{Q, R} a_Q a_R  zeta(Q v R) / (zeta(Q) zeta(R))  tr(rho Q R)  -  tr(rho H)^2,

the identity left out of H. All tr(rho QR) of one X mask x are one Walsh-Hadamard transform of psi[j] conj(psi[j ^ x]).
Sources: Huang, Kueng, Preskill 2020; Hadfield, Bravyi, Raymond, Mezzacapo 2022. Time: pairs of agreeing terms, and 2^n n for each of at
most 2^n X masks; memory: the pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.algebra.grouping import conflicts
from bitket.algebra.walsh import walsh_hadamard
from bitket.errors import InvalidInput
from bitket.quantum.measurement.letters import Letters, hermitian_terms, letters_of
from bitket.quantum.measurement.plan import BasisDistribution

__all__ = ["as_state", "least_variance_on", "one_shot_variance", "pauli_values", "shots_to", "transition_values"]

_PAIRS_AT_ONCE = 1 << 22
_SIGNS = np.array([1, 1j, -1, -1j])


def one_shot_variance(distribution: BasisDistribution, operator: PauliSum, state: ArrayLike) -> float:
    """Variance of the Monte Carlo estimate from a single shot.

    Parameters
    ----------
    state
        Amplitudes ``[2^n]`` or a density matrix ``[2^n, 2^n]``.

    Returns
    -------
    float
        In squared units of the operator; infinite where a term is never covered.

    Raises
    ------
    InvalidInput
        The operator is not Hermitian or only the identity; the state is not normalised or of another size.
    """
    _, rest = hermitian_terms(operator)
    if rest.num_qubits != distribution.num_qubits:
        raise InvalidInput(
            f"operator on {rest.num_qubits} qubits, bases on {distribution.num_qubits}: they must be equal"
        )
    rho = as_state(state, rest.num_qubits)
    strings = letters_of(rest)
    zeta = distribution.coverage(strings)
    if not zeta.all():
        return float("inf")
    first, second = _agreeing_pairs(rest)
    a = rest.coefficients.real / zeta
    both = np.where(first == second, 1.0, 2.0) * a[first] * a[second]
    both *= _joint_coverage(distribution, strings, first, second)
    x, z = (words[:, 0].astype(np.int64) for words in (rest.x, rest.z))
    square = float(both @ pauli_values(rho, x[first] ^ x[second], z[first] ^ z[second]))
    mean = float(rest.coefficients.real @ pauli_values(rho, x, z))
    return square - mean**2


def shots_to(variance: float, accuracy: float) -> float:
    """Shots after which the standard error of an unbiased estimate is ``accuracy``."""
    return variance / accuracy**2


def as_state(state: ArrayLike, num_qubits: int) -> NDArray[np.complex128]:
    """A checked state vector ``[2^n]`` or density matrix ``[2^n, 2^n]``.

    Raises
    ------
    InvalidInput
        Another shape, values that are not finite, or not normalised.
    """
    rho = np.asarray(state, dtype=complex)
    size = 1 << num_qubits
    if rho.shape not in ((size,), (size, size)):
        raise InvalidInput(
            f"state of shape {rho.shape}: [{size}] or [{size}, {size}] is needed for {num_qubits} qubits"
        )
    norm = np.vdot(rho, rho).real if rho.ndim == 1 else np.trace(rho).real
    if not abs(norm - 1) < 1e-6:  # also where it is not a number
        raise InvalidInput(f"state of {'squared norm' if rho.ndim == 1 else 'trace'} {norm:.6g}: 1 is needed")
    return rho


def pauli_values(rho: NDArray[np.complex128], x: NDArray[np.int64], z: NDArray[np.int64]) -> NDArray[np.float64]:
    """``tr(rho P)`` for the strings with masks x and z (P has the phase that makes it Hermitian), rho a state or density matrix."""
    return _values(
        rho, lambda index, mask: rho * rho[index ^ mask].conj() if rho.ndim == 1 else rho[index, index ^ mask], x, z
    ).real


def transition_values(
    phi: NDArray[Any], psi: NDArray[Any], x: NDArray[np.int64], z: NDArray[np.int64]
) -> NDArray[np.complex128]:
    """``<phi| P |psi>`` for the strings with masks x and z."""
    return _values(psi, lambda index, mask: psi * phi[index ^ mask].conj(), x, z)


def _values(
    state: NDArray[Any], products: Callable[[Any, int], Any], x: NDArray[np.int64], z: NDArray[np.int64]
) -> NDArray[np.complex128]:
    """``sum_j i^|x & z| (-1)^(z j) products(x)[j]``: one Walsh-Hadamard transform for each X mask."""
    values = np.empty(len(x), dtype=complex)
    order = np.argsort(x, kind="stable")
    starts = np.flatnonzero(np.diff(x[order], prepend=-1))
    index = np.arange(state.shape[0])
    for k, stop in zip(starts, [*starts[1:], len(x)], strict=True):
        rows = order[k:stop]
        mask = int(x[rows[0]])
        phases = _SIGNS[np.bitwise_count(mask & z[rows]) % 4]
        values[rows] = phases * walsh_hadamard(products(index, mask).astype(complex))[z[rows]]
    return values


def _agreeing_pairs(operator: PauliSum) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (Q, R), Q <= R, of terms that commute qubit by qubit."""
    terms = len(operator)
    step = max(1, _PAIRS_AT_ONCE // terms)
    firsts, seconds = [], []
    for start in range(0, terms, step):
        agree = ~conflicts(operator, "qubitwise", slice(start, start + step))
        first, second = np.nonzero(agree)
        first += start
        upper = first <= second
        firsts.append(first[upper])
        seconds.append(second[upper])
    return np.concatenate(firsts), np.concatenate(seconds)


def _joint_coverage(
    distribution: BasisDistribution, strings: Letters, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """zeta(Q v R) for each pair; equal unions are looked up once."""
    n = strings.shape[1]
    out = np.empty(len(first))
    for start in range(0, len(first), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        unions = np.maximum(strings[first[part]], strings[second[part]])  # where both are not I they are equal
        keys = np.zeros(len(unions), dtype=np.uint64 if n <= 32 else object)
        for q in range(n):
            keys = keys * 4 + unions[:, q]
        _, where, back = np.unique(keys, return_index=True, return_inverse=True)
        out[part] = distribution.coverage(unions[where])[back.reshape(-1)]
    return out


def least_variance_on(operator: PauliSum, reference: str, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Letter probabilities ``[qubits, 3]`` of least one-shot variance on a basis state, from others to start from.

    On a basis state only those Q R count that are diagonal, with value ±1, so the variance is a sum of products of 1 / b_i(c) over the
    qubits where Q and R meet. It is not convex: the descent (L-BFGS on logits) wants a good start, such as the diagonal cost's solution.
    """
    import scipy.optimize
    import scipy.sparse

    n = operator.num_qubits
    if len(reference) != n or set(reference) - {"0", "1"}:
        raise InvalidInput(f"reference state {reference!r}: a string of {n} bits is needed")
    first, second = _agreeing_pairs(operator)
    x, z = operator.x[:, 0].astype(np.int64), operator.z[:, 0].astype(np.int64)
    diagonal = x[first] == x[second]
    first, second = first[diagonal], second[diagonal]
    odd = np.bitwise_count((z[first] ^ z[second]) & int(reference, 2)) & 1
    a = operator.coefficients.real
    weights = np.where(first == second, 1.0, 2.0) * a[first] * a[second] * (1.0 - 2.0 * odd)
    strings = letters_of(operator)
    meet = np.minimum(strings[first], strings[second])  # I unless both have the letter
    meeting = scipy.sparse.csr_matrix(np.concatenate([meet == c for c in (1, 2, 3)], axis=1).astype(float))

    def cost(logits: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        log_b = logits.reshape(3, n) - np.logaddexp.reduce(logits.reshape(3, n), axis=0)
        values = weights * np.exp(-(meeting @ log_b.reshape(-1)))
        slope = -(meeting.T @ values).reshape(3, n)
        return float(values.sum()), (slope - np.exp(log_b) * slope.sum(axis=0)).reshape(-1)

    logits = np.log(np.maximum(start.T, 1e-4)).reshape(-1)
    found = scipy.optimize.minimize(cost, logits, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15})
    logits = found.x.reshape(3, n)
    return np.exp(logits - np.logaddexp.reduce(logits, axis=0)).T
