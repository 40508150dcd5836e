"""One verb for all ways to choose bases: `propose`.

>>> import numpy as np
>>> from bitket.algebra import PauliSum
>>> H = PauliSum.parse("0.5*ZZ + 0.3*XX - 0.2*ZI")
>>> plan = propose(H, "diagram", 1000, np.random.default_rng(0))
>>> plan.shots, plan.uncovered_weight(H)
(1000, 0.0)
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum, group_terms
from bitket.errors import InvalidInput
from bitket.quantum.measurement.derandomised import Derandomised
from bitket.quantum.measurement.diagram import DecisionDiagram
from bitket.quantum.measurement.letters import Letters, hermitian_terms, letters_of
from bitket.quantum.measurement.plan import BasisDistribution, MeasurementPlan
from bitket.quantum.measurement.product import ClassicalShadow, LocallyBiased
from bitket.quantum.measurement.variance import as_state, pauli_values

__all__ = ["METHODS", "adaptive_bases", "group_plan", "propose"]

_ENTRIES_AT_ONCE = 1 << 22


def _biased(operator: PauliSum) -> BasisDistribution:
    return LocallyBiased.fit(operator)


def _diagram(operator: PauliSum) -> DecisionDiagram:
    return DecisionDiagram.from_hamiltonian(operator).optimise(operator)


_DISTRIBUTIONS: dict[str, Callable[[PauliSum], BasisDistribution]] = {
    "shadows": lambda operator: ClassicalShadow(operator.num_qubits),
    "biased": _biased,
    "diagram": _diagram,
}
_PRIORS: dict[str, Callable[[PauliSum], Any]] = {
    "derandomised": lambda _: None,
    "derandomised-biased": _biased,
    "derandomised-diagram": _diagram,
}
METHODS = (*_DISTRIBUTIONS, "adaptive", *_PRIORS, "groups")


def propose(
    operator: PauliSum, method: str, shots: int, generator: np.random.Generator, *, reference: ArrayLike | None = None
) -> MeasurementPlan:
    """Chooses the bases in which to estimate an operator.

    Parameters
    ----------
    method
        ``"shadows"`` (classical shadows), ``"biased"`` (locally biased), ``"diagram"`` (decision diagram), ``"adaptive"`` (adaptive Pauli
        shadows), ``"derandomised"``, ``"derandomised-biased"``, ``"derandomised-diagram"`` (with that prior) or ``"groups"`` (qubit-wise
        commuting groups).
    shots
        Total number of shots.
    reference
        For ``"groups"``: a state ``[2^n]`` whose variances allot the shots; by default the groups' sums of |a_P| do.

    Raises
    ------
    InvalidInput
        An unknown method, no shots, or an operator that is not Hermitian or has only the identity.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, 1)
        raise InvalidInput(
            f"measurement method {method!r} is unknown"
            + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(METHODS)}")
        )
    if shots < 1:
        raise InvalidInput(f"{shots} shots: at least 1 is needed")
    if reference is not None and method != "groups":
        raise InvalidInput(f"a reference state allots the shots of method 'groups', not of {method!r}")
    hermitian_terms(operator)
    start = time.perf_counter()
    distribution = None
    if method in _DISTRIBUTIONS:
        distribution = _DISTRIBUTIONS[method](operator)
        bases = distribution.sample(shots, generator)
    elif method == "adaptive":
        bases = adaptive_bases(operator, shots, generator)
    elif method in _PRIORS:
        bases = Derandomised(operator, _PRIORS[method](operator)).extend(shots)
    else:
        plan = group_plan(operator, shots, reference)
        return MeasurementPlan(plan.bases, plan.counts, method, None, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    return MeasurementPlan.from_bases(bases, method=method, distribution=distribution, seconds=seconds)


def adaptive_bases(operator: PauliSum, shots: int, generator: np.random.Generator) -> Letters:
    """Adaptive Pauli shadows: qubits in a random order, each letter drawn for the terms that the letters so far leave open.

    Letter c with probability proportional to ``sqrt(sum a_P^2)`` over the open terms with P_i = c; all alike where there is none.
    Source: Hadfield 2021 (arXiv:2105.12207).
    """
    _, rest = hermitian_terms(operator)
    strings, squares = letters_of(rest), rest.coefficients.real**2
    n = rest.num_qubits
    out = np.zeros((shots, n), dtype=np.uint8)
    step = max(1, _ENTRIES_AT_ONCE // len(rest))
    for start in range(0, shots, step):
        part = out[start : start + step]
        each = np.arange(len(part))
        order = generator.permuted(np.tile(np.arange(n), (len(part), 1)), axis=1)
        is_open = np.ones((len(part), len(rest)), dtype=bool)
        for qubits in order.T:
            letters = strings.T[qubits]
            weight = np.sqrt(np.stack([(is_open & (letters == c)) @ squares for c in (1, 2, 3)], axis=1))
            weight[~weight.any(axis=1)] = 1
            edges = weight.cumsum(axis=1)
            chosen = 1 + (generator.random(len(part))[:, None] * edges[:, 2:] >= edges[:, :2]).sum(axis=1)
            part[each, qubits] = chosen
            is_open &= (letters == 0) | (letters == chosen[:, None])
    return out


def group_plan(operator: PauliSum, shots: int, reference: ArrayLike | None = None) -> MeasurementPlan:
    """Qubit-wise commuting groups, largest terms first, with shots in proportion to the standard deviation of each group.

    Without a reference state the sum of |a_P| stands for the standard deviation. Every group gets a shot where there are enough.
    """
    _, rest = hermitian_terms(operator)
    groups = group_terms(rest, "qubitwise", order="magnitude")
    if reference is None:
        share = np.array([np.abs(g.coefficients).sum() for g in groups])
    else:
        rho = as_state(reference, rest.num_qubits)
        share = np.sqrt([max(_variance(g, rho), 0.0) for g in groups])
        share = np.maximum(share, 1e-6 * share.max()) if share.any() else np.ones(len(groups))
    bases = np.stack([letters_of(g).max(axis=0) for g in groups])
    return MeasurementPlan.from_bases(bases, _allotted(share, shots), method="groups")


def _variance(group: PauliSum, rho: NDArray[np.complex128]) -> float:
    """Variance of one shot of a group on a state."""
    x, z = (words[:, 0].astype(np.int64) for words in (group.x, group.z))
    a = group.coefficients.real
    values = pauli_values(rho, (x[:, None] ^ x).reshape(-1), (z[:, None] ^ z).reshape(-1)).reshape(len(a), -1)
    return float(a @ values @ a - (a @ pauli_values(rho, x, z)) ** 2)


def _allotted(share: NDArray[np.float64], shots: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to ``share`` that sum to ``shots`` (largest remainders), each at least 1 where they suffice."""
    least = np.ones(len(share), dtype=np.int64) if shots >= len(share) else np.zeros(len(share), dtype=np.int64)
    exact = share / share.sum() * (shots - least.sum())
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: shots - least.sum() - counts.sum()]] += 1
    return counts + least
