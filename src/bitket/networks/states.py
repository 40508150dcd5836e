"""Entangled pairs in memories, in four formalisms behind one interface.

``fidelity`` keeps one number a pair: purified as Werner states are, swapped as F1 F2 times a factor. ``bell`` keeps the four weights of a
Bell-diagonal state, exactly: with e = (x, z) the Pauli error X^x Z^z of one half of Phi+, a Pauli channel and a swap are convolutions over
the group of errors, and BBPSSW keeps (x1, z1 + z2) where x1 = x2. ``density`` and ``ket`` hold the qubits themselves and run circuits on
them; with kets noise is drawn at random. Time is in picoseconds, noise acts when a state is next looked at.

>>> pairs = BellDiagonalPairs()
>>> for keys in ((0, 1), (2, 3)):
...     pairs.create(keys, werner(0.9), now=0)
>>> uniform = iter([0.0]).__next__
>>> pairs.purify((0, 1), (2, 3), uniform, now=0), round(pairs.fidelity((0, 1), now=0), 6)
(True, 0.926396)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.networks.timeline import SECOND
from bitket.networks.werner import distil, distil_success

__all__ = [
    "FORMALISMS",
    "BellDiagonalPairs",
    "FidelityPairs",
    "Formalism",
    "Pairs",
    "PauliRates",
    "QubitPairs",
    "Qubits",
    "make_pairs",
    "pauli_rates",
    "pauli_weights",
    "werner",
]

Formalism = Literal["fidelity", "bell", "density", "ket"]
FORMALISMS: tuple[str, ...] = get_args(Formalism)

Uniform = Callable[[], float]
PauliRates = tuple[float, float, float]
"""Rates of X, Y and Z errors of a memory, in hertz."""

_X_Z = np.arange(4)  # errors I, X, Z, XZ as bits x + 2 z: a product is an exclusive or
_SUM = _X_Z[:, None] ^ _X_Z[None]


# -- closed forms -------------------------------------------------------------------------------------------------------
def werner(fidelity: float) -> NDArray[np.float64]:
    """Weights of the errors I, X, Z, XZ of a Werner state."""
    if not 0 <= fidelity <= 1:
        raise InvalidInput(f"fidelity {fidelity}: it must lie between 0 and 1")
    return np.array([fidelity, *[(1 - fidelity) / 3] * 3])


def pauli_rates(t1: float, t2: float) -> PauliRates:
    """Rates of X, Y and Z errors (hertz) of a qubit with these times (seconds), relaxation twirled to a Pauli channel.

    Populations decay with exp(-t/T1) = exp(-2 (r_x + r_y) t), coherences with exp(-t/T2) = exp(-2 (r_y + r_z) t), and r_x = r_y.

    Raises
    ------
    InvalidInput
        A time is not positive, or T2 exceeds 2 T1.
    """
    if not t1 > 0 or not 0 < t2 <= 2 * t1:
        raise InvalidInput(f"qubits with T1 {t1} s and T2 {t2} s: both must be positive and T2 at most 2 T1")
    flip = 1 / (4 * t1)
    return flip, flip, 1 / (2 * t2) - flip


def pauli_weights(rates: PauliRates, seconds: float) -> NDArray[np.float64]:
    """Weights of I, X, Z, XZ after a time in a memory with these error rates: exponentials of the Pauli group's characters."""
    rx, ry, rz = rates
    flips = [math.exp(-2 * seconds * r) for r in (ry + rz, rx + ry, rx + rz)]  # factors of X, Z and Y of the qubit
    x, z, y = flips
    return np.array([1 + x + y + z, 1 + x - y - z, 1 - x - y + z, 1 - x + y - z]) / 4


class Pairs(Protocol):
    """What every formalism does. Keys name memories; a pair is two keys; fidelities are those with Phi+."""

    def create(
        self, keys: tuple[int, int], weights: NDArray[np.float64], now: int, rates: Sequence[PauliRates] = ...
    ) -> None:
        """A new Bell-diagonal pair, weights of the errors I, X, Z, XZ; memories without rates keep it as it is."""

    def fidelity(self, keys: tuple[int, int], now: int) -> float:
        """Fidelity now."""

    def state(self, keys: tuple[int, int], now: int) -> NDArray[Any]:
        """Density matrix ``[4, 4]`` now, the first key the least significant bit."""

    def purify(self, kept: tuple[int, int], measured: tuple[int, int], uniform: Uniform, now: int) -> bool:
        """BBPSSW with both pairs between the same nodes, in the same order; whether the first is kept. The second is gone."""

    def swap(self, left: tuple[int, int], right: tuple[int, int], uniform: Uniform, now: int) -> None:
        """Bell measurement of ``left[1]`` and ``right[0]``, correction on ``right[1]``: ``left[0]`` and ``right[1]`` are a pair."""

    def discard(self, *keys: int) -> None:
        """The states of these memories and of their partners are no longer needed; unknown keys are let be."""


class FidelityPairs:
    """One number a pair; ``degradation`` multiplies the fidelity in a swap. Memories keep the number until it is discarded."""

    def __init__(self, degradation: float = 0.95) -> None:
        self.degradation = degradation
        self._values: dict[int, list[float]] = {}

    def create(
        self, keys: tuple[int, int], weights: NDArray[np.float64], now: int, rates: Sequence[PauliRates] = ()
    ) -> None:
        """See `Pairs.create`."""
        self._values[keys[0]] = self._values[keys[1]] = [float(weights[0])]

    def fidelity(self, keys: tuple[int, int], now: int) -> float:
        """See `Pairs.fidelity`."""
        return self._values[keys[0]][0]

    def state(self, keys: tuple[int, int], now: int) -> NDArray[Any]:
        """See `Pairs.state`: a Werner state."""
        return _bell_diagonal(werner(self._values[keys[0]][0]))

    def purify(self, kept: tuple[int, int], measured: tuple[int, int], uniform: Uniform, now: int) -> bool:
        """See `Pairs.purify`."""
        first, second = self._values[kept[0]], self._values[measured[0]][0]
        success = uniform() < distil_success(first[0], second)
        first[0] = distil(first[0], second)
        self.discard(*measured, *(() if success else kept))
        return success

    def swap(self, left: tuple[int, int], right: tuple[int, int], uniform: Uniform, now: int) -> None:
        """See `Pairs.swap`."""
        value = [self._values[left[0]][0] * self._values[right[0]][0] * self.degradation]
        self.discard(left[1], right[0])
        self._values[left[0]] = self._values[right[1]] = value

    def discard(self, *keys: int) -> None:
        """See `Pairs.discard`."""
        for key in keys:
            self._values.pop(key, None)


class BellDiagonalPairs:
    """Four weights a pair, exact under Pauli noise, BBPSSW with twirling, and swaps."""

    def __init__(self) -> None:
        self._states: dict[int, _BellState] = {}

    def create(
        self, keys: tuple[int, int], weights: NDArray[np.float64], now: int, rates: Sequence[PauliRates] = ()
    ) -> None:
        """See `Pairs.create`."""
        state = _BellState(np.array(weights, dtype=float), now, dict(zip(keys, rates, strict=False)))
        self._states[keys[0]] = self._states[keys[1]] = state

    def weights(self, keys: tuple[int, int], now: int) -> NDArray[np.float64]:
        """Weights of the errors I, X, Z, XZ now."""
        return self._states[keys[0]].at(now)

    def fidelity(self, keys: tuple[int, int], now: int) -> float:
        """See `Pairs.fidelity`."""
        return float(self.weights(keys, now)[0])

    def state(self, keys: tuple[int, int], now: int) -> NDArray[Any]:
        """See `Pairs.state`."""
        return _bell_diagonal(self.weights(keys, now))

    def purify(self, kept: tuple[int, int], measured: tuple[int, int], uniform: Uniform, now: int) -> bool:
        """See `Pairs.purify`."""
        first, second = self._states[kept[0]], self.weights(measured, now)
        joint = np.outer(first.at(now), second)
        agree = (_X_Z[:, None] & 1) == (_X_Z[None] & 1)
        chance = joint[agree].sum()
        success = bool(uniform() < chance)
        if success:
            target = _X_Z[:, None] ^ (_X_Z[None] & 2)
            weights = np.bincount(target[agree], joint[agree], minlength=4) / chance
            first.weights = werner(float(min(weights[0], 1.0)))  # the protocol ends with a twirl
        self.discard(*measured, *(() if success else kept))
        return success

    def swap(self, left: tuple[int, int], right: tuple[int, int], uniform: Uniform, now: int) -> None:
        """See `Pairs.swap`."""
        a, b = self._states[left[0]], self._states[right[0]]
        weights = b.at(now)[_SUM] @ a.at(now)
        rates = {k: s.rates[k] for k, s in ((left[0], a), (right[1], b)) if k in s.rates}
        self.discard(left[1], right[0])
        self._states[left[0]] = self._states[right[1]] = _BellState(weights, now, rates)

    def discard(self, *keys: int) -> None:
        """See `Pairs.discard`."""
        for key in keys:
            self._states.pop(key, None)


class _BellState:
    def __init__(self, weights: NDArray[np.float64], now: int, rates: dict[int, PauliRates]) -> None:
        self.weights, self.now, self.rates = weights, now, rates

    def at(self, now: int) -> NDArray[np.float64]:
        if now > self.now:
            for rates in self.rates.values():
                self.weights = pauli_weights(rates, (now - self.now) / SECOND)[_SUM] @ self.weights
            self.now = now
        return self.weights


# -- qubits -------------------------------------------------------------------------------------------------------------
_PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.diag([1, -1]), np.array([[0, -1], [1, 0]])]  # I, X, Z, XZ
_H = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
_CX = np.eye(4)[[0, 3, 2, 1]]  # the first key is the least significant bit and controls
_CYCLE = np.array([[1, -1j], [1, 1j]]) * np.exp(1j * np.pi / 4) / math.sqrt(2)  # X -> Y -> Z -> X


def _bell_diagonal(weights: NDArray[np.float64]) -> NDArray[Any]:
    bell, total = np.array([1, 0, 0, 1]) / math.sqrt(2), np.zeros((4, 4), dtype=complex)
    for weight, pauli in zip(weights, _PAULIS, strict=True):
        state = np.kron(pauli, np.eye(2)) @ bell  # the error acts on the second qubit, the more significant bit
        total += weight * np.outer(state, state)
    return total


class Qubits:
    """Qubits by key, in groups that share a state vector or a density matrix.

    Groups merge when an operation joins them; a measured qubit leaves its group, so a group never outgrows what is entangled.
    A group of k qubits takes 2^k or 4^k numbers.
    """

    def __init__(self, *, mixed: bool = False) -> None:
        self.mixed = mixed
        self._groups: dict[int, _Group] = {}

    def new(self, keys: Sequence[int], state: NDArray[Any] | None = None) -> None:
        """Qubits in a state ``[2^k]`` or ``[2^k, 2^k]``, key 0 the least significant bit; |0...0> if None.

        Raises
        ------
        InvalidInput
            A key is taken, or the state has another size.
        """
        k = len(keys)
        if len({*keys}) < k or any(key in self._groups for key in keys):
            raise InvalidInput(f"new qubits {list(keys)}: keys must be new and differ")
        value = np.eye(1, 1 << k, dtype=complex)[0] if state is None else np.asarray(state, dtype=complex)
        if self.mixed and value.ndim == 1:
            value = np.outer(value, value.conj())
        sides = 2 if self.mixed else 1
        if value.shape != (1 << k,) * sides:
            raise InvalidInput(f"state of shape {value.shape} for {k} qubits: {(1 << k,) * sides} is needed")
        # Axis j of each side belongs to keys[j]; NumPy's first axis is the most significant.
        order = [s * k + k - 1 - j for s in range(sides) for j in range(k)]
        group = _Group(list(keys), value.reshape((2,) * (k * sides)).transpose(order))
        for key in keys:
            self._groups[key] = group

    def state(self, keys: Sequence[int]) -> NDArray[Any]:
        """State of a whole group, or with density matrices of a part of it, as `new` takes it.

        Raises
        ------
        InvalidInput
            A key is unknown, or the keys are no group (state vectors) or of several groups.
        """
        group = self._group(keys[0])
        inside = [group.keys.index(k) if k in group.keys else -1 for k in keys]
        n, k = len(group.keys), len(keys)
        if min(inside) < 0 or (not self.mixed and k != n):
            raise InvalidInput(
                f"state of qubits {list(keys)}: they are no group of their own; qubit {keys[0]} is with {group.keys}"
            )
        if not self.mixed:
            return group.value.transpose(inside[::-1]).reshape(-1)
        rest = [j for j in range(n) if j not in inside]
        order = [*inside[::-1], *rest]
        value = group.value.transpose([*order, *(n + j for j in order)]).reshape(1 << k, 1 << n - k, 1 << k, 1 << n - k)
        return np.einsum("arbr->ab", value)

    def apply(self, matrix: NDArray[Any], keys: Sequence[int]) -> None:
        """Apply a unitary ``[2^k, 2^k]``; keys[0] is its least significant qubit. `Circuit`'s unitary has this order."""
        group = self._merged(keys)
        k, n = len(keys), len(group.keys)
        axes = [group.keys.index(key) for key in reversed(keys)]
        gate = np.asarray(matrix, dtype=complex).reshape((2,) * 2 * k)
        group.value = _contract(gate, group.value, axes)
        if self.mixed:
            group.value = _contract(gate.conj(), group.value, [n + a for a in axes])

    def channel(self, weights: NDArray[np.float64], key: int, uniform: Uniform) -> None:
        """A Pauli channel, weights of I, X, Z, XZ: drawn for state vectors, summed for density matrices."""
        if not self.mixed:
            self.apply(_PAULIS[int(np.searchsorted(np.cumsum(weights), uniform(), side="right").clip(0, 3))], [key])
            return
        group = self._group(key)
        a, n = group.keys.index(key), len(group.keys)
        total = np.zeros_like(group.value)
        for weight, pauli in zip(weights, _PAULIS, strict=True):
            total += weight * _contract(pauli, _contract(pauli.astype(complex), group.value, [a]), [n + a])
        group.value = total

    def measure(self, key: int, uniform: Uniform) -> int:
        """Measure a qubit in the Z basis; it leaves its group and is forgotten."""
        group = self._group(key)
        a, n = group.keys.index(key), len(group.keys)
        parts = [np.take(group.value, bit, axis=a) for bit in (0, 1)]
        if self.mixed:
            parts = [np.take(part, bit, axis=n - 1 + a) for bit, part in enumerate(parts)]
            weights = [float(np.trace(p.reshape(1 << n - 1, 1 << n - 1)).real) for p in parts]
        else:
            weights = [float((np.abs(p) ** 2).sum()) for p in parts]
        bit = int(uniform() * sum(weights) >= weights[0])
        group.value = parts[bit] / (weights[bit] if self.mixed else math.sqrt(weights[bit]))
        group.keys.remove(key)
        del self._groups[key]
        return bit

    def discard(self, *keys: int) -> None:
        """Forget qubits: those of a state vector are measured, so that their group stays pure; unknown keys are let be."""
        for key in keys:
            if key in self._groups:
                self.measure(key, lambda: 0.0) if not self.mixed else self._trace_out(key)

    def _trace_out(self, key: int) -> None:
        group = self._group(key)
        a, n = group.keys.index(key), len(group.keys)
        group.value = np.trace(group.value, axis1=a, axis2=n + a)
        group.keys.remove(key)
        del self._groups[key]

    def _group(self, key: int) -> _Group:
        if key not in self._groups:
            raise InvalidInput(f"qubit {key}: there is none with this key")
        return self._groups[key]

    def _merged(self, keys: Sequence[int]) -> _Group:
        group = self._group(keys[0])
        for key in keys[1:]:
            other = self._group(key)
            if other is not group:
                n, m = len(group.keys), len(other.keys)
                value = np.multiply.outer(group.value, other.value)
                if self.mixed:  # rows of both, then columns of both
                    order = [*range(n), *range(2 * n, 2 * n + m), *range(n, 2 * n), *range(2 * n + m, 2 * n + 2 * m)]
                    value = value.transpose(order)
                group.value = value
                group.keys.extend(other.keys)
                for moved in other.keys:
                    self._groups[moved] = group
        return group


class _Group:
    def __init__(self, keys: list[int], value: NDArray[Any]) -> None:
        self.keys, self.value = keys, value


def _contract(gate: NDArray[Any], value: NDArray[Any], axes: Sequence[int]) -> NDArray[Any]:
    k = len(axes)
    return np.moveaxis(np.tensordot(gate, value, (range(k, 2 * k), axes)), range(k), axes)


class QubitPairs:
    """Pairs as qubits on which circuits run: state vectors with drawn noise, or density matrices."""

    def __init__(self, uniform: Uniform, *, mixed: bool = False) -> None:
        self.qubits, self._uniform = Qubits(mixed=mixed), uniform
        self._since: dict[int, tuple[int, PauliRates | None]] = {}

    def create(
        self, keys: tuple[int, int], weights: NDArray[np.float64], now: int, rates: Sequence[PauliRates] = ()
    ) -> None:
        """See `Pairs.create`."""
        bell = np.array([1, 0, 0, 1]) / math.sqrt(2)
        self.qubits.new(keys, bell)
        self.qubits.channel(weights, keys[1], self._uniform)
        for k, key in enumerate(keys):
            self._since[key] = now, rates[k] if rates else None

    def fidelity(self, keys: tuple[int, int], now: int) -> float:
        """See `Pairs.fidelity`."""
        return float(self.state(keys, now)[[0, 0, 3, 3], [0, 3, 0, 3]].sum().real / 2)

    def state(self, keys: tuple[int, int], now: int) -> NDArray[Any]:
        """See `Pairs.state`."""
        self._advance(keys, now)
        state = self.qubits.state(keys)
        return state if self.qubits.mixed else np.outer(state, state.conj())

    def purify(self, kept: tuple[int, int], measured: tuple[int, int], uniform: Uniform, now: int) -> bool:
        """See `Pairs.purify`."""
        self._advance((*kept, *measured), now)
        for side in (0, 1):
            self.qubits.apply(_CX, (kept[side], measured[side]))
        success = self.qubits.measure(measured[0], uniform) == self.qubits.measure(measured[1], uniform)
        if success:
            self._twirl(kept, uniform)
        self.discard(*measured, *(() if success else kept))
        return success

    def _twirl(self, keys: tuple[int, int], uniform: Uniform) -> None:
        """The mean over 1, C, C^2 on one side and their conjugates on the other: the three errors become equally likely."""
        if not self.qubits.mixed:
            for _ in range(int(3 * uniform())):
                self.qubits.apply(_CYCLE, keys[:1])
                self.qubits.apply(_CYCLE.conj(), keys[1:])
            return
        group = self.qubits._merged(keys)
        total = np.zeros_like(group.value)
        for _ in range(3):
            self.qubits.apply(_CYCLE, keys[:1])
            self.qubits.apply(_CYCLE.conj(), keys[1:])
            total += group.value / 3
        group.value = total

    def swap(self, left: tuple[int, int], right: tuple[int, int], uniform: Uniform, now: int) -> None:
        """See `Pairs.swap`."""
        self._advance((*left, *right), now)
        a, b = left[1], right[0]
        self.qubits.apply(_CX, (a, b))
        self.qubits.apply(_H, (a,))
        z, x = self.qubits.measure(a, uniform), self.qubits.measure(b, uniform)
        for bit, pauli in ((x, _PAULIS[1]), (z, _PAULIS[2])):
            if bit:
                self.qubits.apply(pauli, (right[1],))
        for key in (a, b):
            del self._since[key]

    def discard(self, *keys: int) -> None:
        """See `Pairs.discard`."""
        self.qubits.discard(*keys)
        for key in keys:
            self._since.pop(key, None)

    def _advance(self, keys: Sequence[int], now: int) -> None:
        for key in keys:
            since, rates = self._since[key]
            if rates is not None and now > since:
                self.qubits.channel(pauli_weights(rates, (now - since) / SECOND), key, self._uniform)
                self._since[key] = now, rates


def make_pairs(formalism: Formalism, uniform: Uniform, *, degradation: float = 0.95) -> Pairs:
    """The named formalism; ``degradation`` is for ``fidelity``, ``uniform`` draws the noise of kets.

    Raises
    ------
    InvalidInput
        The formalism is not known.
    """
    match formalism:
        case "fidelity":
            return FidelityPairs(degradation)
        case "bell":
            return BellDiagonalPairs()
        case "density" | "ket":
            return QubitPairs(uniform, mixed=formalism == "density")
    raise InvalidInput(f"formalism {formalism!r}: {', '.join(FORMALISMS)} are known")
