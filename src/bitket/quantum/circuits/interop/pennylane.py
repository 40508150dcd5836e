"""Circuits to and from PennyLane, whose matrices take the first wire as the most significant bit.

Qubit q is wire q in both directions, so a matrix here is PennyLane's for ``wire_order=range(n)[::-1]``, and basis states
are read with their bits reversed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pennylane as qml

from bitket.quantum.circuits.circuit import Circuit, CircuitError, Condition, Operation
from bitket.quantum.circuits.gates import PAULI_ROTATIONS, Fixed, Gate, gate, unitary
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter, ParameterError

__all__ = ["from_pennylane", "to_pennylane"]

_CLASSES: dict[str, Any] = {
    "id": qml.Identity,
    "x": qml.PauliX,
    "y": qml.PauliY,
    "z": qml.PauliZ,
    "h": qml.Hadamard,
    "s": qml.S,
    "sdg": lambda wires: qml.adjoint(qml.S(wires)),
    "t": qml.T,
    "tdg": lambda wires: qml.adjoint(qml.T(wires)),
    "sx": qml.SX,
    "sxdg": lambda wires: qml.adjoint(qml.SX(wires)),
    "swap": qml.SWAP,
    "iswap": qml.ISWAP,
    "iswapdg": lambda wires: qml.adjoint(qml.ISWAP(wires)),
    "ecr": qml.ECR,
    "rx": qml.RX,
    "ry": qml.RY,
    "rz": qml.RZ,
    "rxx": qml.IsingXX,
    "ryy": qml.IsingYY,
    "rzz": qml.IsingZZ,
    "p": qml.PhaseShift,
    "u": qml.U3,
}
_NAMES: dict[str, str] = {
    "Identity": "id", "PauliX": "x", "PauliY": "y", "PauliZ": "z", "Hadamard": "h", "S": "s", "T": "t", "SX": "sx",
    "SWAP": "swap", "ISWAP": "iswap", "ECR": "ecr", "RX": "rx", "RY": "ry", "RZ": "rz", "IsingXX": "rxx", "IsingYY": "ryy",
    "IsingZZ": "rzz", "PhaseShift": "p", "U1": "p", "U3": "u",
}  # fmt: skip


def to_pennylane(circuit: Circuit, values: Mapping[Parameter | str, Any] | None = None) -> qml.tape.QuantumScript:
    """The circuit as a PennyLane tape of operations, without terminal measurements.

    In a QNode, append it with ``for op in to_pennylane(circuit, values): qml.apply(op)``; gradients flow through values
    that are tensors. Qubit q is wire q (see the module on the order of bits), and the global phase is kept
    (``GlobalPhase``). PennyLane has no symbolic parameters, so every parameter needs a value. Measurements become
    mid-circuit measurements, conditions ``Conditional`` operations. Gates that PennyLane lacks become ``PauliRot`` and
    ``QubitUnitary``.

    Parameters
    ----------
    circuit
        Any circuit.
    values
        A number or tensor for each parameter, by parameter or name.

    Raises
    ------
    ParameterError
        A parameter has no value.
    CircuitError
        A measurement or reset stands under a condition.
    """
    values = values or {}
    numbers = {
        p: values[p] if p in values else values[p.name] for p in circuit.parameters if p in values or p.name in values
    }
    operations: list[Any] = []
    results: dict[int, Any] = {}
    with qml.QueuingManager.stop_recording():
        for i in circuit:
            if i.gate is None and i.condition is not None and i.name != "barrier":
                raise CircuitError(f"to_pennylane: '{i.name}' under a condition cannot be expressed")
            if i.name == "barrier":
                operations.append(qml.Barrier(i.qubits))
            elif i.gate is None:
                value = qml.measure(i.qubits[0], reset=i.name == "reset")
                operations.append(value.measurements[0])
                if i.clbits:
                    results[i.clbits[0]] = value
            else:
                test = _test(i.condition, results) if i.condition else True
                for operation in _operations(i.gate, i.qubits, numbers) if test is not False else ():
                    operations.append(operation if test is True else qml.ops.Conditional(test, operation))
    return qml.tape.QuantumScript(operations)


def _test(condition: Condition, results: Mapping[int, Any]) -> Any:
    """A condition as a measurement value; a bool where it does not depend on measurements (unmeasured bits are 0)."""
    terms = []
    for k, clbit in enumerate(condition.clbits):
        bit = condition.value >> k & 1
        if clbit in results:
            terms.append(results[clbit] == bit)
        elif bit:
            return False
    test: Any = terms[0] if terms else True
    for term in terms[1:]:
        test = test & term
    return test


def _operations(g: Gate, qubits: Sequence[int], numbers: Mapping[Parameter, Any]) -> list[Any]:
    def value(angle: Angle) -> Any:
        return angle.evaluate(numbers) if isinstance(angle, Expression) else angle

    controls, targets = list(qubits[: g.controls]), list(qubits[g.controls :])
    if g.name in _CLASSES:
        single = _CLASSES[g.name](*map(value, g.params), wires=targets)
        return [_controlled(single, controls, [g.control_state >> k & 1 for k in range(g.controls)])]
    out = []
    for piece in g.pieces():
        if isinstance(piece, Fixed):  # PennyLane's matrices count their first wire as the most significant
            operation: Any = qml.QubitUnitary(piece.matrix, wires=[qubits[q] for q in reversed(piece.qubits)])
        elif piece.pauli:
            word = "".join(letter for _, letter in piece.pauli)
            operation = qml.PauliRot(value(piece.angle), word, wires=[qubits[q] for q, _ in piece.pauli])
        else:
            operation = qml.GlobalPhase(value(piece.angle) / 2)
        out.append(_controlled(operation, [qubits[q] for q, _ in piece.controls], [bit for _, bit in piece.controls]))
    return out


def _controlled(operation: Any, controls: list[int], bits: list[int]) -> Any:
    return qml.ctrl(operation, control=controls, control_values=[bool(b) for b in bits]) if controls else operation


def from_pennylane(tape: qml.tape.QuantumScript, wires: Sequence[Hashable] | None = None) -> Circuit:
    """A circuit from the operations of a PennyLane tape (of a QNode: ``qml.workflow.construct_tape(qnode)(*args)``).

    Parameters become their present values. The global phase is kept. Mid-circuit measurements go into classical bits in
    order of time, and ``Conditional`` operations stand under conditions on these. Terminal measurements (expectation
    values, samples) are not operations and are left out. Operations unknown here become their matrices, or from four
    wires on their decompositions.

    Parameters
    ----------
    tape
        A tape or script.
    wires
        The wire of each qubit. By default wire q is qubit q if the wires are whole numbers; else the order is the tape's.

    Raises
    ------
    CircuitError
        An operation has neither a matrix nor a decomposition, a parameter is batched, a measurement is postselected or
        reset under a condition; the message names it.
    """
    labels = list(tape.wires)
    if wires is None:
        whole = all(isinstance(w, int | np.integer) and w >= 0 for w in labels)
        wires = range(max((int(w) for w in labels), default=0) + 1) if whole else labels
    place = {wire: q for q, wire in enumerate(wires)}
    if missing := [w for w in labels if w not in place]:
        raise CircuitError(f"from_pennylane: wire {missing[0]!r} is not among the given wires")
    measurements = [op for op in tape.operations if _is_measurement(op)]
    circuit = Circuit(len(place), len(measurements), "pennylane")
    bits = {id(op): k for k, op in enumerate(measurements)}
    for op in tape.operations:
        if _is_measurement(op):
            if op.postselect is not None:
                raise CircuitError("from_pennylane: a postselected measurement cannot be expressed")
            circuit.measure(place[op.wires[0]], bits[id(op)])
            if op.reset:
                circuit.append(Operation("reset"), [place[op.wires[0]]])
        elif op.name == "Barrier":
            circuit.barrier(*(place[w] for w in op.wires))
        elif isinstance(op, qml.ops.Conditional):
            measured = [_bit(m, bits) for m in op.meas_val.measurements]
            order = sorted(range(len(measured)), key=measured.__getitem__)
            for outcome, runs in op.meas_val.branches.items():
                if runs:
                    value = sum(int(outcome[m]) << k for k, m in enumerate(order))
                    _append(circuit, op.base, place, Condition(tuple(measured[m] for m in order), value))
        else:
            _append(circuit, op, place, None)
    return circuit


def _is_measurement(op: Any) -> bool:
    return type(op).__name__ in ("MidMeasure", "MidMeasureMP")


def _bit(measurement: Any, bits: Mapping[int, int]) -> int:
    if id(measurement) not in bits:
        raise CircuitError("from_pennylane: a condition on a measurement that is not in the tape")
    return bits[id(measurement)]


def _append(circuit: Circuit, op: Any, place: Mapping[Any, int], condition: Condition | None) -> None:
    for g, wires in _gates(op):
        circuit.append(g, [place[w] for w in wires], (), condition)


def _gates(op: Any) -> list[tuple[Gate, list[Any]]]:
    """An operation as gates, in order of time, with their wires."""
    wires = list(op.wires)
    if isinstance(op, qml.ops.Controlled):
        controls = list(op.control_wires)
        state = sum(int(b) << k for k, b in enumerate(op.control_values))
        return [(g.control(len(controls), state), controls + inner) for g, inner in _gates(op.base)]
    if isinstance(op, qml.ops.Adjoint):
        return [(g.inverse(), inner) for g, inner in reversed(_gates(op.base))]
    if op.name in _NAMES:
        if op.name == "Identity" and len(wires) != 1:
            return [(gate("id"), [w]) for w in wires]
        return [(gate(_NAMES[op.name], *map(_number, op.parameters)), wires)]
    if op.name == "GlobalPhase":
        return [(gate("gphase", -_number(op.parameters[0])), [])]
    if op.name == "PauliRot":
        letters = [
            (w, letter) for w, letter in zip(wires, op.hyperparameters["pauli_word"], strict=True) if letter != "I"
        ]
        for order in (letters, letters[::-1]):
            name = PAULI_ROTATIONS.get("".join(letter for _, letter in reversed(order)))
            if name:
                return [(gate(name, *map(_number, op.parameters)), [w for w, _ in order])]
    if op.has_matrix and (len(wires) <= 3 or not op.has_decomposition):
        return [(unitary(qml.math.to_numpy(op.matrix(wire_order=wires[::-1])), op.name), wires)]
    if op.has_decomposition:
        return [pair for part in op.decomposition() for pair in _gates(part)]
    raise CircuitError(f"from_pennylane: operation '{op.name}' has neither a matrix nor a decomposition")


def _number(value: Any) -> float:
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if array.ndim:
        raise ParameterError(f"from_pennylane: a batched parameter of shape {array.shape}: single numbers are needed")
    return float(array)
