"""Circuits to and from Cirq, whose matrices take the first qubit as the most significant bit.

Qubit q is ``cirq.LineQubit(q)``, so a matrix here is ``cirq_circuit.unitary(qubit_order=cirq.LineQubit.range(n)[::-1])``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any

import cirq
import numpy as np
import sympy  # type: ignore[import-untyped]

from bitket.quantum.circuits.circuit import Circuit, CircuitError, Condition, Operation
from bitket.quantum.circuits.gates import PAULI_ROTATIONS, Fixed, Gate, gate, unitary
from bitket.quantum.circuits.interop.symbols import from_sympy, to_sympy
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter

__all__ = ["from_cirq", "to_cirq"]

_FIXED: dict[str, cirq.Gate] = {
    "id": cirq.I,
    "x": cirq.X,
    "y": cirq.Y,
    "z": cirq.Z,
    "h": cirq.H,
    "s": cirq.S,
    "sdg": cirq.S**-1,
    "t": cirq.T,
    "tdg": cirq.T**-1,
    "sx": cirq.X**0.5,
    "sxdg": cirq.X**-0.5,
    "swap": cirq.SWAP,
    "iswap": cirq.ISWAP,
    "iswapdg": cirq.ISWAP**-1,
}
_ROTATIONS: dict[str, Any] = {
    "rx": cirq.rx,
    "ry": cirq.ry,
    "rz": cirq.rz,
    "p": lambda angle: cirq.ZPowGate(exponent=angle / _pi(angle)),
    "rxx": lambda angle: cirq.XXPowGate(exponent=angle / _pi(angle), global_shift=-0.5),
    "ryy": lambda angle: cirq.YYPowGate(exponent=angle / _pi(angle), global_shift=-0.5),
    "rzz": lambda angle: cirq.ZZPowGate(exponent=angle / _pi(angle), global_shift=-0.5),
}


def _pi(angle: Any) -> Any:
    return sympy.pi if isinstance(angle, sympy.Basic) else math.pi


def to_cirq(circuit: Circuit) -> cirq.Circuit:
    """The circuit in Cirq.

    Qubit q is ``LineQubit(q)`` (see the module on the order of bits; qubits without gates do not appear), and the global
    phase is kept. Parameters are sympy symbols of the same names, without roles. Classical bit i is the measurement key
    ``c<i>``, and conditions are classical controls. Barriers, which Cirq lacks, are left out. Gates that Cirq lacks become
    Pauli-string phasors and matrix gates.
    """
    out = cirq.Circuit()
    measured: set[int] = set()
    for i in circuit:
        qubits = [cirq.LineQubit(q) for q in i.qubits]
        operations: list[cirq.Operation] = []
        if i.name == "measure":
            operations = [cirq.measure(*qubits, key=f"c{i.clbits[0]}")]
        elif i.name == "reset":
            operations = [cirq.reset(*qubits)]
        elif i.gate is not None:
            operations = _operations(i.gate, qubits)
        if i.condition is not None:
            tests = _tests(i.condition, measured)
            operations = [op.with_classical_controls(*tests) if tests else op for op in operations if tests is not None]
        out.append(operations)
        measured.update(i.clbits)
    return out


def _tests(condition: Condition, measured: Collection[int]) -> list[Any] | None:
    """The condition as Cirq's, one for each measured bit; None if it never holds (unmeasured bits are 0)."""
    tests = []
    for k, clbit in enumerate(condition.clbits):
        bit = condition.value >> k & 1
        if clbit in measured:
            tests.append(cirq.SympyCondition(sympy.Eq(sympy.Symbol(f"c{clbit}"), bit)))
        elif bit:
            return None
    return tests


def _operations(g: Gate, qubits: Sequence[cirq.Qid]) -> list[cirq.Operation]:
    targets = qubits[g.controls :]
    if g.name in _FIXED:
        single = _FIXED[g.name].on(*targets)
    elif g.name in _ROTATIONS:
        (angle,) = g.params
        single = _ROTATIONS[g.name](to_sympy(angle) if isinstance(angle, Expression) else angle).on(*targets)
    else:
        return [_piece(piece, qubits) for piece in g.pieces()]
    return [_controlled(single, qubits[: g.controls], [g.control_state >> k & 1 for k in range(g.controls)])]


def _piece(piece: Any, qubits: Sequence[cirq.Qid]) -> cirq.Operation:
    if isinstance(piece, Fixed):  # Cirq's matrices count their first qubit as the most significant
        operation: Any = cirq.MatrixGate(piece.matrix).on(*(qubits[q] for q in reversed(piece.qubits)))
    else:
        angle = to_sympy(piece.angle) if isinstance(piece.angle, Expression) else piece.angle
        if piece.pauli:
            pauli = cirq.DensePauliString([letter for _, letter in piece.pauli])
            half = angle / (2 * _pi(angle))
            gate_ = cirq.PauliStringPhasorGate(pauli, exponent_neg=half, exponent_pos=-half)
            operation = gate_.on(*(qubits[q] for q, _ in piece.pauli))
        else:
            turn = sympy.exp(-sympy.I * angle / 2) if isinstance(angle, sympy.Basic) else np.exp(-0.5j * angle)
            operation = cirq.global_phase_operation(turn)
    return _controlled(operation, [qubits[q] for q, _ in piece.controls], [bit for _, bit in piece.controls])


def _controlled(operation: cirq.Operation, controls: Sequence[cirq.Qid], bits: Sequence[int]) -> cirq.Operation:
    return operation.controlled_by(*controls, control_values=bits) if controls else operation


def from_cirq(circuit: cirq.Circuit, inputs: Collection[str] = (), qubits: Sequence[cirq.Qid] | None = None) -> Circuit:
    """A circuit from Cirq.

    The global phase is kept. Symbols become parameters of the same names. Measurement keys take classical bits in order
    of appearance, one for each measured qubit. Gates unknown here are decomposed as Cirq does, or become matrices.

    Parameters
    ----------
    circuit
        A circuit of qubits.
    inputs
        Names of the symbols that are inputs; the others are weights.
    qubits
        The qubit here of each of Cirq's, in order. By default ``LineQubit(q)`` is qubit q; other qubits are sorted.

    Raises
    ------
    CircuitError
        An operation cannot be expressed (a channel, a qudit, a measurement that inverts bits or repeats a key, a
        condition on an unknown key); the message names it.
    """
    found = sorted(circuit.all_qubits())
    if qubits is None:
        line = all(isinstance(q, cirq.LineQubit) and q.x >= 0 for q in found)
        qubits = cirq.LineQubit.range(max((q.x for q in found), default=0) + 1) if line else found  # type: ignore[attr-defined]
    place = {q: k for k, q in enumerate(qubits)}
    if missing := [q for q in found if q not in place]:
        raise CircuitError(f"from_cirq: qubit {missing[0]} is not among the given qubits")
    keys: dict[str, list[int]] = {}
    for op in circuit.all_operations():
        if isinstance(op.without_classical_controls().gate, cirq.MeasurementGate):
            key, count = cirq.measurement_key_name(op), len(op.qubits)
            if len(keys.setdefault(key, [0] * count)) != count:
                raise CircuitError(f"from_cirq: measurements of key '{key}' differ in size")
    size = 0
    for key, bits in keys.items():
        keys[key] = list(range(size, size + len(bits)))
        size += len(bits)
    out = Circuit(max(len(place), 1), size, "cirq")
    reader = _Reader(out, place, keys, inputs)
    for op in circuit.all_operations():
        reader.read(op, ())
    return out


class _Reader:
    def __init__(
        self, out: Circuit, place: Mapping[cirq.Qid, int], keys: Mapping[str, list[int]], inputs: Collection[str]
    ) -> None:
        self.out, self.place, self.keys, self.inputs = out, place, keys, inputs

    def angle(self, value: Any) -> Angle:
        """An angle of ``value`` half turns."""
        if not isinstance(value, sympy.Basic):
            return math.pi * float(value)
        names = self.inputs
        return from_sympy(value * sympy.pi, lambda n: Parameter(n, "input" if n in names else "weight"))

    def read(self, op: cirq.Operation, conditions: Sequence[Condition]) -> None:
        """Append an operation, once under each of the conditions that it may stand under."""
        plain = op.without_classical_controls()
        if plain is not op and op.classical_controls:
            self.read(plain, self.conditions(op))
            return
        at = [self.place[q] for q in plain.qubits]
        under = conditions or (None,)
        base = plain.untagged.gate
        if isinstance(base, cirq.MeasurementGate):
            if any(base.full_invert_mask()) or base.confusion_map:
                raise CircuitError(
                    f"from_cirq: measurement '{plain}' that inverts or confuses bits cannot be expressed"
                )
            for condition in under:
                for q, c in zip(at, self.keys[cirq.measurement_key_name(plain)], strict=True):
                    self.out.append(Operation("measure"), [q], [c], condition)
        elif isinstance(base, cirq.ResetChannel):
            for condition in under:
                self.out.append(Operation("reset"), at, (), condition)
        else:
            gates = self.gates(plain)
            for condition in under:
                for g, qubits in gates:
                    self.out.append(g, [self.place[q] for q in qubits], (), condition)

    def conditions(self, op: cirq.Operation) -> list[Condition]:
        """All values of the bits in question on which every classical control holds."""
        names = sorted({str(key) for control in op.classical_controls for key in control.keys})
        for name in names:
            if name not in self.keys:
                raise CircuitError(f"from_cirq: a condition on '{name}', which is not measured")
        bits = tuple(c for name in names for c in self.keys[name])
        if len(bits) > 8:
            raise CircuitError(f"from_cirq: a condition on {len(bits)} bits: at most 8 can be expressed")
        out = []
        for values in product((0, 1), repeat=len(bits)):
            record = cirq.ClassicalDataDictionaryStore()
            rest = iter(values)
            for name in names:
                digits = [next(rest) for _ in self.keys[name]]
                record.record_measurement(cirq.MeasurementKey(name), digits, cirq.LineQubit.range(len(digits)))
            if all(control.resolve(record) for control in op.classical_controls):
                out.append(Condition(bits, sum(b << k for k, b in enumerate(values))))
        return out

    def gates(self, op: cirq.Operation) -> list[tuple[Gate, list[cirq.Qid]]]:
        """An operation as gates, in order of time."""
        op = op.untagged
        qubits = list(op.qubits)
        if any(q.dimension != 2 for q in qubits):
            raise CircuitError(f"from_cirq: operation '{op}' acts on a qudit")
        if isinstance(op, cirq.ControlledOperation):
            inner = self.gates(op.sub_operation)
            controls = list(op.controls)
            states = [sum(b << k for k, b in enumerate(values)) for values in op.control_values.expand()]
            return [(g.control(len(controls), s), controls + at) for s in states for g, at in inner]
        base = op.gate
        if isinstance(base, cirq.ControlledGate):
            return self.gates(base.sub_gate.on(*qubits[base.num_controls() :]).controlled_by(
                *qubits[: base.num_controls()], control_values=base.control_values
            ))  # fmt: skip
        if isinstance(base, cirq.PauliStringPhasorGate):
            mask = base.dense_pauli_string.pauli_mask
            letters = [(q, "IXYZ"[k]) for q, k in zip(qubits, mask, strict=True) if k]
            for order in (letters, letters[::-1]):
                name = PAULI_ROTATIONS.get("".join(letter for _, letter in reversed(order)))
                if name and base.dense_pauli_string.coefficient == 1:
                    angle, phase = base.exponent_neg - base.exponent_pos, (base.exponent_neg + base.exponent_pos) / 2
                    turn: list[tuple[Gate, list[cirq.Qid]]] = (
                        [] if phase == 0 else [(gate("gphase", self.angle(phase)), [])]
                    )
                    return [(gate(name, self.angle(angle)), [q for q, _ in order]), *turn]
        found = self.known(base)
        if found is not None:
            return [(g, qubits if g.num_qubits else []) for g in found]
        if not cirq.is_parameterized(op) and cirq.has_unitary(op) and len(qubits) <= 3:
            return [(unitary(cirq.unitary(op)), qubits[::-1])]
        parts = cirq.decompose_once(op, None)
        if parts is not None:
            return [pair for part in parts for pair in self.gates(part)]
        if cirq.has_unitary(op):
            return [(unitary(cirq.unitary(op)), qubits[::-1])]
        raise CircuitError(f"from_cirq: operation '{op}' is no gate that circuits have, and has no decomposition")

    def known(self, base: Any) -> list[Gate] | None:
        """The gates for one of Cirq's power gates G^t exp(i pi s t), whose order of time is of no matter."""
        if isinstance(base, cirq.IdentityGate):
            return [gate("id")] if base.num_qubits() == 1 else None
        if isinstance(base, cirq.GlobalPhaseGate):
            turn = base.coefficient
            if not isinstance(turn, sympy.Basic):
                return [gate("gphase", float(np.angle(turn)))]
            angle = sympy.expand_log(sympy.log(turn), force=True) / (sympy.I * sympy.pi)
            return [gate("gphase", self.angle(sympy.simplify(angle)))]
        kind = next((kind for kind in type(base).__mro__ if kind in _POWERS), None)
        if kind is None:
            return None
        name, rotation, offset, named = _POWERS[kind]
        exponent, shift = base.exponent, base.global_shift
        if shift == 0 and not isinstance(exponent, sympy.Basic) and float(exponent) in named:
            return [gate(named[float(exponent)])]
        if rotation is None:
            if isinstance(exponent, sympy.Basic):
                return None
            power = gate(name).power(float(exponent))
            return [power] if shift == 0 else [power, gate("gphase", self.angle(shift * exponent))]
        phase = shift + offset
        out = [gate(rotation, self.angle(exponent))]
        return out if phase == 0 else [*out, gate("gphase", self.angle(phase * exponent))]


# Of each power gate G^t: the gate G, the rotation R with G^t = exp(i pi s t) R(pi t) and s; and the gates it is at some t.
_POWERS: dict[type, tuple[str, str | None, float, dict[float, str]]] = {
    cirq.XPowGate: ("x", "rx", 0.5, {1.0: "x", 0.5: "sx", -0.5: "sxdg"}),
    cirq.YPowGate: ("y", "ry", 0.5, {1.0: "y"}),
    cirq.ZPowGate: ("z", "p", 0.0, {1.0: "z", 0.5: "s", -0.5: "sdg", 0.25: "t", -0.25: "tdg"}),
    cirq.Rx: ("x", "rx", 0.5, {}),
    cirq.Ry: ("y", "ry", 0.5, {}),
    cirq.Rz: ("z", "rz", 0.5, {}),
    cirq.HPowGate: ("h", None, 0.0, {1.0: "h"}),
    cirq.CZPowGate: ("cz", "cp", 0.0, {1.0: "cz"}),
    cirq.SwapPowGate: ("swap", None, 0.0, {1.0: "swap"}),
    cirq.ISwapPowGate: ("iswap", None, 0.0, {1.0: "iswap", -1.0: "iswapdg"}),
    cirq.XXPowGate: ("rxx", "rxx", 0.5, {}),
    cirq.YYPowGate: ("ryy", "ryy", 0.5, {}),
    cirq.ZZPowGate: ("rzz", "rzz", 0.5, {}),
    cirq.CXPowGate: ("cx", None, 0.0, {1.0: "cx"}),
    cirq.CCXPowGate: ("ccx", None, 0.0, {1.0: "ccx"}),
    cirq.CCZPowGate: ("ccz", None, 0.0, {1.0: "ccz"}),
}
