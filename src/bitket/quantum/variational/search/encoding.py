"""Circuits of RX, RY, RZ and CX as binary tensors, and which gates may follow.

A gate stands in the first moment in which its qubits are free. The tensor ``[moments, N + 3, N]`` holds at [moment, target, control] a
CX, and at [moment, N + axis, qubit] a rotation about X, Y or Z. Source: Patel and others 2024 (arXiv:2402.03500).

>>> gates = [Gate(0, 1), Gate(1, axis=1)]                # CX from 0 to 1, RY on 1
>>> depth(gates), decode(encode(gates, 2, 4)) == gates
(2, True)
>>> allowed = legal(gates, all_actions(2))
>>> [a for a, ok in zip(all_actions(2), allowed) if not ok]
[Gate(qubit=1, target=None, axis=1)]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter

__all__ = ["Gate", "all_actions", "build", "decode", "depth", "encode", "legal", "moments"]


@dataclass(frozen=True)
class Gate:
    """A CX from ``qubit`` to ``target``, or a rotation of ``qubit`` about an axis: 0, 1, 2 for X, Y, Z."""

    qubit: int
    target: int | None = None
    axis: int | None = None

    def __post_init__(self) -> None:
        if (self.target is None) == (self.axis is None) or self.target == self.qubit:
            raise InvalidInput("gate: another qubit as target, or an axis, is needed")

    @property
    def qubits(self) -> tuple[int, ...]:
        """The qubits it acts on."""
        return (self.qubit,) if self.target is None else (self.qubit, self.target)


def all_actions(num_qubits: int, couplings: Iterable[tuple[int, int]] | None = None) -> list[Gate]:
    """CX gates (control c, then targets c + 1, c + 2, ... around), then rotations by qubit and axis.

    Parameters
    ----------
    couplings
        Pairs that may hold a CX, in both directions; None for all.
    """
    n = num_qubits
    pairs = None if couplings is None else {frozenset(p) for p in couplings}
    cx = [Gate(c, (c + x) % n) for c in range(n) for x in range(1, n)]
    kept = [g for g in cx if pairs is None or frozenset(g.qubits) in pairs]
    return kept + [Gate(q, axis=a) for q in range(n) for a in range(3)]


def moments(gates: Sequence[Gate]) -> list[int]:
    """The moment of each gate, from 0."""
    free: dict[int, int] = {}
    out = []
    for gate in gates:
        q, target = gate.qubit, gate.target
        at = free.get(q, 0)
        if target is not None:
            at = max(at, free.get(target, 0))
            free[target] = at + 1
        free[q] = at + 1
        out.append(at)
    return out


def depth(gates: Sequence[Gate]) -> int:
    """Number of moments."""
    return max(moments(gates), default=-1) + 1


def encode(gates: Sequence[Gate], num_qubits: int, num_moments: int) -> NDArray[np.float32]:
    """The tensor ``[num_moments, N + 3, N]`` of a circuit.

    Raises
    ------
    InvalidInput
        A qubit is out of range, or there are too few moments.
    """
    n = num_qubits
    tensor, places = np.zeros((num_moments, n + 3, n), np.float32), moments(gates)
    for gate, at in zip(gates, places, strict=True):
        if not 0 <= gate.qubit < n or not 0 <= (gate.target or 0) < n or at >= num_moments:
            raise InvalidInput(f"{gate} at moment {at}: there are {n} qubits and {num_moments} moments")
    rows = np.array([g.target if g.axis is None else n + g.axis for g in gates], int)
    tensor[places, rows, [g.qubit for g in gates]] = 1
    return tensor


def decode(tensor: NDArray[np.float32]) -> list[Gate]:
    """The gates of a tensor, moment by moment, by their first qubit."""
    n = tensor.shape[2]
    return [
        Gate(int(qubit), axis=int(row) - n) if row >= n else Gate(int(qubit), int(row))
        for moment in tensor
        for qubit, row in sorted((q, r) for r, q in np.argwhere(moment))
    ]


def legal(gates: Sequence[Gate], actions: Sequence[Gate]) -> NDArray[np.bool_]:
    """Which actions neither merge with nor cancel the last gate on their qubits: the same gate again, with nothing between."""
    last: dict[int, Gate] = {}
    for gate in gates:
        last[gate.qubit] = gate
        if gate.target is not None:
            last[gate.target] = gate
    again = {gate for gate in last.values() if all(last[q] == gate for q in gate.qubits)}
    return np.array([action not in again for action in actions])


def build(gates: Sequence[Gate], num_qubits: int, angles: Sequence[float] | None = None) -> Circuit:
    """The circuit, its rotations with weights ``a[k]`` in order or with given angles."""
    circuit = Circuit(num_qubits)
    k = 0
    for gate in gates:
        if gate.axis is None:
            assert gate.target is not None
            circuit.cx(gate.qubit, gate.target)
        else:
            rotate = (circuit.rx, circuit.ry, circuit.rz)[gate.axis]
            rotate(Parameter(f"a[{k}]") if angles is None else float(angles[k]), gate.qubit)
            k += 1
    return circuit
