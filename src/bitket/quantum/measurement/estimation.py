"""From a plan to a value: shots in its bases, and the estimators with their errors.

*Monte Carlo*: the mean over shots of sum_P a_P [P covered] mu(P) / zeta(P); unbiased wherever bases are drawn independently, and its
standard error is that of independent shots. *Weighted*: for each term the mean of mu(P) over all shots that cover it; it fits any plan
and varies less, but terms that nothing covers are left out: their weight is reported beside the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.intervals import unseen as least_unseen
from bitket.quantum.circuits import Circuit
from bitket.quantum.measurement.letters import covers, diagonal_masks, hermitian_terms, letters_of
from bitket.quantum.measurement.plan import MeasurementPlan, Outcomes
from bitket.quantum.measurement.variance import as_state

__all__ = ["Estimate", "estimate", "measure"]

_AMPLITUDES_AT_ONCE = 1 << 24
_ENTRIES_AT_ONCE = 1 << 21
_MANY = 16


@dataclass(frozen=True)
class Estimate:
    """A value with its uncertainty.

    Attributes
    ----------
    value, standard_error
        In the units of the operator.
    uncovered_weight
        ``sum |a_P|`` of terms that no shot covers: the value may be off by up to that much, beyond the standard error.
    estimator
        ``"monte-carlo"`` or ``"weighted"``.
    """

    value: float
    standard_error: float
    uncovered_weight: float
    estimator: str


def measure(
    plan: MeasurementPlan,
    source: Circuit | ArrayLike,
    generator: np.random.Generator,
    *,
    weights: Any = None,
    noise: Any = None,
) -> Outcomes:
    """Simulated shots of a plan.

    Parameters
    ----------
    source
        A circuit, or a state ``[2^n]`` or ``[2^n, 2^n]``.
    weights
        Parameters of the circuit.
    noise
        Noise model: its channels act on a circuit, its readout errors on the outcomes. Changes of basis are without noise.

    Raises
    ------
    InvalidInput
        Sizes do not fit, or the state is not normalised.
    """
    n = plan.num_qubits
    if isinstance(source, Circuit):
        from bitket.quantum.simulation import density_matrix, statevector

        if source.num_qubits != n:
            raise InvalidInput(f"measurement plan of {n} qubits: the circuit has {source.num_qubits}")
        state = statevector(source, weights) if noise is None else density_matrix(source, weights, noise=noise)
        source = state.detach().cpu().numpy()
    rho = as_state(source, n)
    # Shots of equal letters on the upper qubits run together.
    order = np.lexsort(plan.bases.T)
    shots = np.repeat(order, plan.counts[order])
    step = _shots_at_once(rho.size)
    bits = np.concatenate(
        [_sampled(rho, plan.bases[shots[k : k + step]], generator) for k in range(0, len(shots), step)]
    )
    if noise is not None:
        bits = _misread(bits, n, noise, generator)
    return Outcomes.from_shots(plan, shots, bits)


def _shots_at_once(size: int) -> int:
    """Each level has at most one state a shot, and six times as many states of half the size as the one before."""
    step = 1 << 16
    while step > 64 and step ** (1 - np.log(2) / np.log(6)) * size > _AMPLITUDES_AT_ONCE:
        step //= 2
    return step


def _sampled(
    rho: NDArray[np.complex128], bases: NDArray[np.uint8], generator: np.random.Generator
) -> NDArray[np.int64]:
    """One outcome for each row of ``bases``: the qubits are measured from the highest down, and what is left of the state is kept once
    for all shots that share letters and outcomes so far. The work is a few passes over the state, not one a qubit and shot."""
    n = bases.shape[1]
    mixed = rho.ndim == 2
    states = rho[None]  # [states, 2^k] or [states, 2^k, 2^k], not normalised
    at = np.zeros(len(bases), dtype=np.int64)
    bits = np.zeros(len(bases), dtype=np.int64)
    for qubit in range(n - 1, -1, -1):
        pairs, pair = np.unique(at * 4 + bases[:, qubit], return_inverse=True)
        pair = pair.reshape(-1)
        halves = np.stack(_halves(states[pairs // 4], pairs % 4, mixed), axis=1)
        if mixed:
            chance = np.einsum("soii->so", halves).real
        else:
            chance = np.einsum("soi,soi->so", halves.real, halves.real) + np.einsum(
                "soi,soi->so", halves.imag, halves.imag
            )
        chance = np.maximum(chance, 0)
        one = generator.random(len(bases)) * chance.sum(axis=1)[pair] >= chance[pair, 0]
        bits |= one.astype(np.int64) << qubit
        kept, at = np.unique(pair * 2 + one, return_inverse=True)
        at = at.reshape(-1)
        states = halves[kept // 2, kept % 2]
    return bits


def _halves(
    states: NDArray[np.complex128], letters: NDArray[np.int64], mixed: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The parts of each state where the top qubit is found +1 and -1 in the basis of its letter (0 and 3 both mean Z)."""
    half = states.shape[1] // 2
    turn = np.array([0, 1, -1j, 0])[letters].reshape(-1, *[1] * (states.ndim - 1))
    flat = ((letters == 0) | (letters == 3)).reshape(turn.shape)
    if mixed:
        a, d = states[:, :half, :half], states[:, half:, half:]
        cross = turn * states[:, half:, :half]
        cross = cross + cross.conj().swapaxes(1, 2)
        return np.where(flat, a, (a + d + cross) / 2), np.where(flat, d, (a + d - cross) / 2)
    a, b = states[:, :half], states[:, half:]
    turned = turn * b
    root = np.sqrt(0.5)
    return np.where(flat, a, (a + turned) * root), np.where(flat, b, (a - turned) * root)


def _misread(bits: NDArray[np.int64], n: int, noise: Any, generator: np.random.Generator) -> NDArray[np.int64]:
    """Outcomes after the readout errors of a noise model (columns of its matrices: true value)."""
    if not getattr(noise, "readout", None):
        return bits
    for q in range(n):
        matrix = noise.readout_matrix(q)
        if matrix is not None:
            true = bits >> q & 1
            flipped = generator.random(len(bits)) < np.array([matrix[1, 0], matrix[0, 1]])[true]
            bits = bits ^ flipped.astype(np.int64) << q
    return bits


def estimate(
    operator: PauliSum, outcomes: Outcomes, estimator: Literal["auto", "monte-carlo", "weighted"] = "auto"
) -> Estimate:
    """Value of an operator from the outcomes of a plan.

    Parameters
    ----------
    estimator
        ``"monte-carlo"`` needs a plan whose bases were drawn independently; ``"auto"`` is ``"weighted"``, which fits every plan.

    Notes
    -----
    The standard error of the weighted estimate sums the squares of each shot's deviations sum_P a_P (mu(P) - mean of P) / h_P over the
    terms that it covers (h_P shots cover P), so that covariances between terms read from one shot are in it.

    Where all h shots of a term agree there is no spread to be seen, though the other outcome may have any probability up to q, see
    `bitket.intervals.unseen`. The mean is then off by 2 q; so that two standard errors reach it, the standard error, of either
    estimator, is at least the root of sum_P (a_P q_P)^2 over these terms.

    Raises
    ------
    InvalidInput
        The operator does not fit, or the estimator does not suit the plan.
    """
    plan = outcomes.plan
    constant, rest = hermitian_terms(operator)
    if rest.num_qubits != plan.num_qubits:
        raise InvalidInput(f"operator on {rest.num_qubits} qubits, plan on {plan.num_qubits}: they must be equal")
    if estimator not in ("auto", "monte-carlo", "weighted"):
        raise InvalidInput(f"estimator {estimator!r}: 'auto', 'monte-carlo' and 'weighted' are known")
    strings, a = letters_of(rest), rest.coefficients.real
    shots = int(outcomes.count.sum())
    per_basis = np.bincount(outcomes.basis, outcomes.count, len(plan.bases))
    hits = per_basis @ covers(plan.bases, strings)
    lost = float(np.abs(a[hits == 0]).sum())
    value, means = _means(outcomes, rest, hits)
    unseen = np.where(np.abs(means) == 1, least_unseen(np.maximum(hits, 1)), 0)
    if estimator == "monte-carlo":
        if plan.distribution is None:
            raise InvalidInput(
                f"estimator 'monte-carlo': the bases of method {plan.method!r} were not drawn independently"
            )
        scale = a / plan.distribution.coverage(strings)
        each = _shot_values(outcomes, rest, scale, np.zeros(len(a)))
        mean = float(outcomes.count @ each) / shots
        spread = float(outcomes.count @ (each - mean) ** 2) / max(shots - 1, 1)
        least = float(((scale * hits / shots * unseen) ** 2).sum())
        return Estimate(constant + mean, float(np.sqrt(max(spread / shots, least))), lost, estimator)
    seen = hits > 0
    scale = np.where(seen, a / np.maximum(hits, 1), 0)
    # A mean of h values lies near its own values: their spread around it is short by (h - 1) / h.
    corrected = np.where(hits > 1, scale * np.sqrt(hits / np.maximum(hits - 1, 1)), 0)
    deviations = _shot_values(outcomes, rest, corrected, means)
    variance = max(float(outcomes.count @ deviations**2), float(((a * unseen) ** 2).sum()))
    return Estimate(constant + value, float(np.sqrt(variance)), lost, "weighted")


def _signs(outcomes: Outcomes, operator: PauliSum) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Parts of the outcomes: their rows, terms, ``mu [rows, terms]``, 0 where a term is not covered, and where it is covered."""
    strings = letters_of(operator)
    masks = diagonal_masks(strings)
    order = np.argsort(outcomes.basis, kind="stable")
    bases, starts = np.unique(outcomes.basis[order], return_index=True)
    if len(order) < _MANY * len(bases):  # few outcomes a basis: all terms at once, most of them not covered
        step = max(1, _ENTRIES_AT_ONCE // len(operator))
        for k in range(0, len(order), step):
            rows = order[k : k + step]
            on = covers(outcomes.plan.bases[outcomes.basis[rows]], strings)
            odd = np.bitwise_count(outcomes.bits[rows][:, None] & masks) & 1
            yield rows, slice(None), on * (1.0 - 2.0 * odd), on
        return
    for basis, start, stop in zip(bases, starts, [*starts[1:], len(order)], strict=True):
        covered = np.flatnonzero(covers(outcomes.plan.bases[basis][None], strings)[0])
        step = max(1, _ENTRIES_AT_ONCE // max(1, len(covered)))
        for k in range(start, stop, step):
            rows = order[k : min(k + step, stop)]
            odd = np.bitwise_count(outcomes.bits[rows][:, None] & masks[covered]) & 1
            yield rows, covered, 1.0 - 2.0 * odd, np.ones((1, len(covered)))


def _shot_values(
    outcomes: Outcomes, operator: PauliSum, scale: NDArray[np.float64], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``sum_P scale_P (mu(P) - mean_P)`` over the covered terms, for each row of the outcomes."""
    out = np.zeros(len(outcomes.bits))
    for rows, terms, signs, on in _signs(outcomes, operator):
        out[rows] = signs @ scale[terms] - on @ (scale * means)[terms]
    return out


def _means(outcomes: Outcomes, operator: PauliSum, hits: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
    """The weighted estimate, and each term's mean over the shots that cover it (0 without any)."""
    total = np.zeros(len(operator))
    for rows, terms, signs, _ in _signs(outcomes, operator):
        total[terms] += outcomes.count[rows] @ signs
    means = total / np.maximum(hits, 1)
    return float(operator.coefficients.real @ means), means
