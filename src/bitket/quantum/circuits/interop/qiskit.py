"""Circuits to and from Qiskit, whose order of qubits and bits is the same as here."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from operator import and_, eq, ge, gt, le, lt, ne, or_, xor
from typing import Any

import qiskit
import qiskit.circuit as qk
import qiskit.circuit.library as library
from qiskit.circuit.classical import expr as classical
from qiskit.quantum_info import Operator

from bitket.quantum.circuits.circuit import Circuit, CircuitError, Condition, Instruction, Operation
from bitket.quantum.circuits.decomposition import decompose
from bitket.quantum.circuits.gates import Gate, GateError, gate, unitary
from bitket.quantum.circuits.interop.symbols import from_sympy
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter

__all__ = ["from_qiskit", "to_qiskit"]

_CLASSES: dict[str, Any] = {
    "id": library.IGate,
    "x": library.XGate,
    "y": library.YGate,
    "z": library.ZGate,
    "h": library.HGate,
    "s": library.SGate,
    "sdg": library.SdgGate,
    "t": library.TGate,
    "tdg": library.TdgGate,
    "sx": library.SXGate,
    "sxdg": library.SXdgGate,
    "swap": library.SwapGate,
    "iswap": library.iSwapGate,
    "iswapdg": lambda: library.iSwapGate().inverse(),
    "dcx": library.DCXGate,
    "dcxdg": lambda: library.DCXGate().inverse(),
    "ecr": library.ECRGate,
    "rx": library.RXGate,
    "ry": library.RYGate,
    "rz": library.RZGate,
    "rxx": library.RXXGate,
    "ryy": library.RYYGate,
    "rzz": library.RZZGate,
    "rzx": library.RZXGate,
    "gphase": library.GlobalPhaseGate,
    "p": library.PhaseGate,
    "u": library.UGate,
    "r": library.RGate,
    "cu": library.CUGate,
    "xx_plus_yy": library.XXPlusYYGate,
    "xx_minus_yy": library.XXMinusYYGate,
}
# Names of Qiskit's gates without controls, and the gate and the parameters they are here.
_NAMES: dict[str, tuple[str, Any]] = {
    name: (name, lambda *params: params) for name in _CLASSES if name not in ("iswapdg", "dcxdg", "gphase")
} | {
    "iswap_dg": ("iswapdg", lambda: ()),
    "dcx_dg": ("dcxdg", lambda: ()),
    "global_phase": ("gphase", lambda angle: (angle,)),
    "u1": ("p", lambda lam: (lam,)),
    "u2": ("u", lambda phi, lam: (math.pi / 2, phi, lam)),
    "u3": ("u", lambda theta, phi, lam: (theta, phi, lam)),
}


def to_qiskit(circuit: Circuit) -> qiskit.QuantumCircuit:
    """The circuit in Qiskit.

    Qubit i is qubit i, classical bit i is bit i of a register ``c``, and the global phase is kept. Parameters keep their
    names (``x[3]`` becomes an element of a vector), but Qiskit knows no roles and sorts them by name. A condition becomes
    an ``if_test``. Gates that Qiskit cannot control become ``u`` and ``cx``.
    """
    out = qiskit.QuantumCircuit(circuit.num_qubits, circuit.num_clbits, name=circuit.name)
    symbols = _symbols(circuit)
    for i in circuit:
        if i.condition is None:
            _append(out, i, symbols)
            continue
        with out.if_test(_test(out, i.condition)):
            _append(out, i, symbols)
    return out


def _symbols(circuit: Circuit) -> dict[Parameter, Any]:
    vectors: dict[str, int] = {}
    places: dict[Parameter, tuple[str, int]] = {}
    for p in circuit.parameters:
        match = re.fullmatch(r"(.+)\[(0|[1-9]\d{0,5})\]", p.name)
        if match:
            places[p] = match[1], int(match[2])
            vectors[match[1]] = max(vectors.get(match[1], 0), int(match[2]) + 1)
    made = {name: qk.ParameterVector(name, size) for name, size in vectors.items()}
    return {p: made[places[p][0]][places[p][1]] if p in places else qk.Parameter(p.name) for p in circuit.parameters}


def _append(out: qiskit.QuantumCircuit, i: Instruction, symbols: dict[Parameter, Any]) -> None:
    if i.gate is None:
        operation = {"measure": qk.Measure, "reset": qk.Reset}.get(i.name)
        out.append(operation() if operation else qk.Barrier(len(i.qubits)), i.qubits, i.clbits)
        return
    g = i.gate
    if g.name == "gphase" and g.controls:  # no qubits of its own: Qiskit cannot control it
        plain = Circuit(g.num_qubits).append(g, range(g.num_qubits))
        for part in decompose(plain):
            _append(out, Instruction(part.operation, tuple(i.qubits[q] for q in part.qubits)), symbols)
        return
    if g.array is not None:
        operation = library.UnitaryGate(g.array, label=g.tag or None, check_input=False)
    else:
        operation = _CLASSES[g.name](*(a.evaluate(symbols) if isinstance(a, Expression) else a for a in g.params))
    if g.controls:
        operation = operation.control(g.controls, ctrl_state=g.control_state, annotated=False)
    out.append(operation, i.qubits)


def _test(out: qiskit.QuantumCircuit, condition: Condition) -> Any:
    bits = [(out.clbits[c], condition.value >> k & 1) for k, c in enumerate(condition.clbits)]
    if len(bits) == 1:
        return bits[0]
    if condition.clbits == tuple(range(out.num_clbits)):
        return out.cregs[0], condition.value
    terms = [classical.lift(bit) if value else classical.logic_not(bit) for bit, value in bits]
    test = terms[0]
    for term in terms[1:]:
        test = classical.logic_and(test, term)
    return test


def from_qiskit(circuit: qiskit.QuantumCircuit, inputs: Collection[str] = ()) -> Circuit:
    """A circuit from Qiskit.

    Qubit i is qubit i, clbit i is classical bit i, the global phase is kept. Parameters keep their names and Qiskit's
    order. Gates that are unknown here are replaced by their definitions, or by their matrices where they have none;
    delays are left out. ``if_else`` becomes conditioned instructions, and ``for_loop`` is unrolled.

    Parameters
    ----------
    circuit
        A circuit of Qiskit.
    inputs
        Names of the parameters that are inputs, or of vectors of them; the others are weights.

    Raises
    ------
    CircuitError
        An instruction cannot be expressed here (a while loop, a condition that its own body changes, a parameter
        expression with an unknown function); the message names it.
    """
    known = {}
    for p in circuit.parameters:
        role = "input" if p.name in inputs or p.name.partition("[")[0] in inputs else "weight"
        known[p.name] = Parameter(p.name, role)  # type: ignore[arg-type]
    reader = _Reader(circuit, known)
    reader.out.declare(*known.values())
    reader.read(circuit, list(range(circuit.num_qubits)), list(range(circuit.num_clbits)), None)
    return reader.out


class _Reader:
    """Walks a circuit of Qiskit and the bodies and definitions inside it."""

    def __init__(self, circuit: qiskit.QuantumCircuit, known: dict[str, Parameter]) -> None:
        self.out = Circuit(circuit.num_qubits, circuit.num_clbits, circuit.name)
        self.known = known

    def angle(self, value: Any) -> Angle:
        if isinstance(value, qk.ParameterExpression):
            return from_sympy(value.sympify(), lambda name: self.known.setdefault(name, Parameter(name)))
        return float(value)

    def read(self, circuit: Any, qubits: Sequence[int], clbits: Sequence[int], condition: Condition | None) -> None:
        """Append a circuit whose bits are those given."""
        if circuit.global_phase != 0:
            self.out.append(gate("gphase", self.angle(circuit.global_phase)), [], [], condition)
        for item in circuit.data:
            operation, name = item.operation, item.operation.name
            at = [qubits[circuit.find_bit(q).index] for q in item.qubits]
            bits = [clbits[circuit.find_bit(c).index] for c in item.clbits]
            if name in ("measure", "reset"):
                self.out.append(Operation(name), at, bits, condition)
            elif name == "barrier":
                self.out.append(Operation(name), at)
            elif isinstance(operation, qk.IfElseOp):
                tested = {bit: clbits[circuit.find_bit(bit).index] for bit in _tested_bits(operation.condition)}
                self.if_else(operation, tested, at, bits, condition)
            elif isinstance(operation, qk.ForLoopOp):
                indices, variable, body = operation.params
                for index in indices:
                    bound = body if variable is None else body.assign_parameters({variable: index})
                    self.read(bound, at, bits, condition)
            elif isinstance(operation, qk.ControlFlowOp) or getattr(operation, "condition", None) is not None:
                raise CircuitError(f"from_qiskit: instruction '{name}' with its condition or loop cannot be expressed")
            elif name != "delay":
                self.gate(operation, at, bits, condition)

    def if_else(
        self,
        operation: Any,
        tested: dict[Any, int],
        qubits: Sequence[int],
        clbits: Sequence[int],
        condition: Condition | None,
    ) -> None:
        """One condition for each value of the tested bits on which a body runs."""
        places = tuple(tested.values())
        if len(places) > 8:
            raise CircuitError(
                f"from_qiskit: instruction 'if_else' tests {len(places)} bits: at most 8 can be expressed"
            )
        branches = []
        for value in range(1 << len(places)):
            bits = {bit: value >> k & 1 for k, bit in enumerate(tested)}
            runs = bool(_evaluate(operation.condition, bits))
            body = operation.params[0] if runs else operation.params[1]
            joined = _both(condition, Condition(places, value))
            if body is not None and joined is not None:
                branches.append((body, joined))
        if len(branches) > 1 or any(len(body.data) > 1 for body, _ in branches):
            for body, joined in branches:
                if _written_bits(body, clbits) & set(joined.clbits):
                    raise CircuitError("from_qiskit: instruction 'if_else' changes a bit that it tests")
        for body, joined in branches:
            self.read(body, qubits, clbits, joined)

    def gate(self, operation: Any, qubits: Sequence[int], clbits: Sequence[int], condition: Condition | None) -> None:
        found = self.known_gate(operation)
        if found is not None and found.num_qubits == len(qubits):
            self.out.append(found, qubits, [], condition)
        elif getattr(operation, "definition", None) is not None:
            self.read(operation.definition, qubits, clbits, condition)
        elif hasattr(operation, "to_matrix"):
            self.out.append(_tagged(operation.to_matrix(), operation.name), qubits, [], condition)
        else:
            raise CircuitError(f"from_qiskit: instruction '{operation.name}' has neither a definition nor a matrix")

    def known_gate(self, operation: Any) -> Gate | None:
        """The gate that an operation is here, if it is one."""
        if isinstance(operation, qk.AnnotatedOperation):
            return self.annotated(operation)
        if isinstance(operation, library.CUGate):
            return gate("cu", *map(self.angle, operation.params)) if operation.ctrl_state else None
        if isinstance(operation, qk.ControlledGate):
            base = operation.base_gate
            # Under more controls a cu has for its base a u with four parameters.
            found = self.known_gate(base) if len(base.params) < 4 else None
            return found and found.control(operation.num_ctrl_qubits, operation.ctrl_state)
        if isinstance(operation, library.UnitaryGate):
            return _tagged(operation.params[0], operation.label or "")
        if isinstance(operation, qk.Gate) and operation.name in _NAMES:
            name, translate = _NAMES[operation.name]
            return gate(name, *translate(*map(self.angle, operation.params)))
        return None

    def annotated(self, operation: Any) -> Gate:
        base = operation.base_op
        found = self.known_gate(base) or _tagged(Operator(base).data, base.name)
        for modifier in operation.modifiers:
            if isinstance(modifier, qk.InverseModifier):
                found = found.inverse()
            elif isinstance(modifier, qk.PowerModifier):
                found = found.power(float(modifier.power))
            else:
                found = found.control(modifier.num_ctrl_qubits, modifier.ctrl_state)
        return found


def _tagged(matrix: Any, tag: str) -> Gate:
    try:
        return unitary(matrix, tag)
    except GateError:  # the tag is a name with another meaning here
        return unitary(matrix)


def _both(first: Condition | None, second: Condition) -> Condition | None:
    """Both conditions in one; None if they contradict each other."""
    if first is None:
        return second
    wanted = {c: first.value >> k & 1 for k, c in enumerate(first.clbits)}
    for k, c in enumerate(second.clbits):
        if wanted.setdefault(c, second.value >> k & 1) != second.value >> k & 1:
            return None
    return Condition(tuple(wanted), sum(bit << k for k, bit in enumerate(wanted.values())))


def _written_bits(circuit: Any, clbits: Sequence[int]) -> set[int]:
    """The classical bits that a body may write to, at any depth."""
    written: set[int] = set()
    for item in circuit.data:
        bits = [clbits[circuit.find_bit(c).index] for c in item.clbits]
        blocks = getattr(item.operation, "blocks", ())
        written.update(bits if not blocks else ())
        for block in blocks:
            written |= _written_bits(block, bits)
    return written


def _tested_bits(test: Any) -> list[Any]:
    """The bits that a condition reads, each once."""
    if isinstance(test, tuple):
        return [test[0]] if isinstance(test[0], qk.Clbit) else list(test[0])
    found: dict[Any, None] = {}
    for variable in classical.iter_vars(test):
        if not isinstance(variable.var, qk.Clbit | qk.ClassicalRegister):
            raise CircuitError(
                "from_qiskit: instruction 'if_else' tests a classical variable, which circuits do not have"
            )
        found |= dict.fromkeys([variable.var] if isinstance(variable.var, qk.Clbit) else list(variable.var))
    return list(found)


_CLASSICAL: dict[str, Any] = {
    "BIT_AND": and_, "BIT_OR": or_, "BIT_XOR": xor, "LOGIC_AND": and_, "LOGIC_OR": or_, "EQUAL": eq, "NOT_EQUAL": ne,
    "LESS": lt, "LESS_EQUAL": le, "GREATER": gt, "GREATER_EQUAL": ge,
}  # fmt: skip


def _evaluate(test: Any, bits: dict[Any, int]) -> int:
    """The value of a condition for given bits."""
    if isinstance(test, tuple):
        place, value = test
        return int(_read(place, bits) == int(value))
    if isinstance(test, classical.Var):
        return _read(test.var, bits)
    if isinstance(test, classical.Value):
        return int(test.value)
    if isinstance(test, classical.Unary) and test.op.name == "LOGIC_NOT":
        return 1 - _evaluate(test.operand, bits)
    if isinstance(test, classical.Cast):
        return _evaluate(test.operand, bits)
    if isinstance(test, classical.Binary) and test.op.name in _CLASSICAL:
        return int(_CLASSICAL[test.op.name](_evaluate(test.left, bits), _evaluate(test.right, bits)))
    raise CircuitError(f"from_qiskit: instruction 'if_else' with the condition {test} cannot be expressed")


def _read(place: Any, bits: dict[Any, int]) -> int:
    return bits[place] if isinstance(place, qk.Clbit) else sum(bits[bit] << k for k, bit in enumerate(place))
