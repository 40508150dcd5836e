"""A chip whose gates never change: what it computes is set by a quantum state.

With a basis O_i of the 2^n x 2^n matrices, 2n operation qubits hold |o> = sum_i o_i |i> / ||o|| for O = sum_i o_i O_i. The chip applies

    U = sum_i |i><i| (x) O_i,      then H on each operation qubit, of which 0...0 is kept: |o>|d> -> O|d> / (2^n ||o||),

so it succeeds with P = ||O d||² / (4^n ||o||²). On each data qubit the basis is {I, X, Z, XZ} ("real": every real matrix with real o) or
{I, X, Y, Z} ("pauli"); data qubit k has the operation qubits 2k and 2k + 1. Both bases are orthogonal, Tr(O_i† O_j) = 2^n for i = j.
Up to a change to the Bell basis on each pair, |o> is the Choi state vec(O)/||O||: `FixedDesignChip.pairs`.

Source: Daskin 2024, arXiv:2401.13421; order of the basis and the general n are inferred.

>>> chip = FixedDesignChip(1)
>>> state, probability = chip.emulate(chip.operator_state([[0, 2], [0, 0]]), np.array([0, 1]))
>>> state.tolist(), round(probability, 12)
([1.0, 0.0], 0.5)
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation.memory import require

__all__ = ["Basis", "FixedDesignChip", "ZeroGradient", "ZeroOperator"]

Basis = Literal["real", "pauli"]
Array = NDArray[Any]  # of real or complex numbers

_I, _X, _Z = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
_ELEMENTS = {"real": np.array([_I, _X, _Z, _X @ _Z]), "pauli": np.array([_I, _X, 1j * _X @ _Z, _Z])}


class ZeroOperator(InvalidInput):
    """The operator is zero: no state stands for it, and it takes no data to anything."""


class ZeroGradient(InvalidInput):
    """The gradient is zero: no state stands for it; the parameters are stationary."""


class FixedDesignChip:
    """A chip for ``n`` data qubits and 2n operation qubits.

    Parameters
    ----------
    n
        Data qubits, 1 to 6.
    basis
        ``"real"`` or ``"pauli"``, the latter for complex operators.
    """

    def __init__(self, n: int, basis: Basis = "real") -> None:
        if isinstance(n, bool) or n not in range(1, 7):
            raise InvalidInput(f"chip of {n!r} data qubits: a whole number from 1 to 6 is needed")
        if basis not in _ELEMENTS:
            raise InvalidInput(f"chip with the basis {basis!r}: 'real' and 'pauli' are known")
        self.n, self.basis = n, basis
        self.size, self.elements = 1 << n, 1 << 2 * n
        self._to = _ELEMENTS[basis].conj().reshape(4, 4) / 2  # [basis element, 2 row + column]
        self._back = _ELEMENTS[basis].reshape(4, 4).T

    # -- operators and states ---------------------------------------------------------------------------------------
    def coefficients(self, operator: ArrayLike) -> Array:
        """o_i = Tr(O_i† O) / 2^n of operators ``[..., 2^n, 2^n]``, as ``[..., 4^n]``; data qubit k is digit k of i to the base 4.

        Raises
        ------
        InvalidInput
            The shape is another, or an entry is not finite; for the basis "real", it is complex.
        """
        o = np.asarray(operator)
        if o.shape[-2:] != (self.size, self.size) or o.dtype.kind not in "fiuc" or not np.isfinite(o).all():
            raise InvalidInput(f"operator of shape {o.shape}: finite numbers [{self.size}, {self.size}] are needed")
        if self.basis == "real" and np.iscomplexobj(o):
            raise InvalidInput("a complex operator: a chip with the basis 'pauli' is needed")
        before, n = o.ndim - 2, self.n
        digits = o.reshape(*o.shape[:-2], *(2,) * (2 * n))
        pairs = [before + k + half * n for k in range(n) for half in (0, 1)]  # row and column of each qubit
        digits = digits.transpose(*range(before), *pairs).reshape(*o.shape[:-2], *(4,) * n)
        return self._along(digits, self._to).reshape(*o.shape[:-2], self.elements)

    def operator(self, coefficients: Array) -> Array:
        """O = sum_i o_i O_i: `coefficients` backwards."""
        o, n = np.asarray(coefficients), self.n
        before = o.ndim - 1
        digits = self._along(o.reshape(*o.shape[:-1], *(4,) * n), self._back).reshape(*o.shape[:-1], *(2,) * (2 * n))
        halves = [before + 2 * k + half for half in (0, 1) for k in range(n)]
        return digits.transpose(*range(before), *halves).reshape(*o.shape[:-1], self.size, self.size)

    def _along(self, digits: Array, change: Array) -> Array:
        """The change on each digit; the first goes to the end each time, so that after n of them all stand in their order again."""
        x = digits.reshape(-1, self.elements)
        for _ in range(self.n):
            x = (x.reshape(len(x), 4, -1).swapaxes(1, 2) @ change.T).reshape(len(x), -1)
        return x.reshape(digits.shape)

    def operator_state(self, operator: ArrayLike) -> Array:
        """|o>, amplitudes ``[4^n]`` of norm 1.

        Raises
        ------
        ZeroOperator, InvalidInput
            The operator is zero; or as `coefficients`.
        """
        o = self.coefficients(operator)
        norm = float(np.linalg.norm(o))
        if norm == 0:
            raise ZeroOperator(f"the operator [{self.size}, {self.size}] is zero: no state stands for it")
        return o / norm

    # -- the chip's action ------------------------------------------------------------------------------------------
    def emulate(self, operator_state: ArrayLike, data_state: ArrayLike) -> tuple[Array, float]:
        """The kept data state O|d>/||O d|| and the probability that it is kept.

        Raises
        ------
        ZeroOperator
            The probability is zero: O d = 0.
        InvalidInput
            A state is not of norm 1 or not of the chip's size.
        """
        o, d = self._state(operator_state, self.elements, "operator"), self._state(data_state, self.size, "data")
        return _kept(self.operator(o) @ d / self.size)

    def emulate_choi(self, choi_state: ArrayLike, data_state: ArrayLike) -> tuple[Array, float]:
        """The same by the Choi state vec(O)/||O|| ``[4^n]``, row-major: data and column half are projected on sum_j |j>|j> / sqrt(2^n).

        Raises
        ------
        ZeroOperator, InvalidInput
            As `emulate`.
        """
        o, d = self._state(choi_state, self.elements, "Choi"), self._state(data_state, self.size, "data")
        return _kept(o.reshape(self.size, self.size) @ d / np.sqrt(self.size))

    @staticmethod
    def _state(values: ArrayLike, size: int, what: str) -> Array:
        state = np.asarray(values)
        if state.shape != (size,) or state.dtype.kind not in "fiuc" or not abs(np.linalg.norm(state) - 1) < 1e-8:
            raise InvalidInput(f"{what} state of shape {state.shape}: {size} amplitudes of norm 1 are needed")
        return state

    # -- circuits ---------------------------------------------------------------------------------------------------
    def circuit(self) -> Circuit:
        """The chip with its Hadamards: data qubits 0 to n - 1, operation qubits n to 3n - 1; keep those in 0...0."""
        n = self.n
        circuit = Circuit(3 * n, name="chip")
        for k in range(n):
            low, high = n + 2 * k, n + 2 * k + 1
            if self.basis == "real":  # X^low Z^high
                circuit.cz(high, k).cx(low, k)
            else:  # high: Y, then X by the low one, X Y = i Z
                circuit.cy(high, k).cx(low, k).cp(-np.pi / 2, low, high)
        for q in range(n, 3 * n):
            circuit.h(q)
        return circuit

    def pairs(self) -> Circuit:
        """The change from |o> to the Choi state: operation qubits 2k and 2k + 1 become bit k of the row and bit k of the column."""
        circuit = Circuit(2 * self.n, name="pairs")
        for k in range(self.n):
            row, column = 2 * k, 2 * k + 1
            if self.basis == "pauli":  # 2 is i XZ and 3 is Z: to the order of "real"
                circuit.s(column).cp(-np.pi / 2, row, column).cx(column, row)
            circuit.h(column).cx(column, row)
        return circuit

    def require_memory(self, states: int, what: str) -> None:
        """Refuse as many complex arrays of 4^n entries as do not fit into memory."""
        require(16.0 * self.elements * states, what)


def _kept(unnormalised: Array) -> tuple[Array, float]:
    norm = float(np.linalg.norm(unnormalised))
    if norm == 0:
        raise ZeroOperator("the operator takes this data to zero: the chip never succeeds")
    return unnormalised / norm, norm**2
