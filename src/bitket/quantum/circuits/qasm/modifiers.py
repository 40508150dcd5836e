"""Gate modifiers on sequences of operations.

    inv (g1 g2 ...) = ... inv g2 inv g1,   ctrl (g1 g2 ...) = ctrl g1 ctrl g2 ...,   pow(k): k times in a row,

and a fractional power is that of the matrix (principal branch), or of the angle for a single rotation or phase.
"""

from __future__ import annotations

from bitket.quantum.circuits.circuit import Circuit, Operation
from bitket.quantum.circuits.gates import Gate, gate, unitary
from bitket.quantum.circuits.parameter import Angle, Expression
from bitket.quantum.circuits.qasm.library import Operations
from bitket.quantum.circuits.qasm.source import Fault

__all__ = ["MAX_POWER_QUBITS", "controlled", "inverted", "power_cost", "powered"]

MAX_POWER_QUBITS = 8  # of a gate of several operations under a fractional power


def inverted(operations: Operations) -> Operations:
    """The inverse sequence."""
    return tuple((op.inverse() if isinstance(op, Gate) else op, qubits) for op, qubits in reversed(operations))


def controlled(operations: Operations, count: int, closed: bool) -> Operations:
    """The sequence under so many controls, on local qubits 0 to count - 1, all closed (1) or open (0)."""
    controls = tuple(range(count))
    out: list[tuple[Gate | Operation, tuple[int, ...]]] = []
    for op, qubits in operations:
        moved = tuple(q + count for q in qubits)
        if not isinstance(op, Gate):
            out.append((op, moved))
        elif op.name == "gphase" and closed:
            # A phase of the rest under a control is a phase gate on the last control.
            inner = gate("p", *op.params).control(op.controls, op.control_state).control(count - 1)
            out.append((inner, (*controls[:-1], *moved, controls[-1])))
        else:
            out.append((op.control(count, -1 if closed else 0), controls + moved))
    return tuple(out)


def power_cost(operations: Operations, num_qubits: int, exponent: Angle) -> int:
    """How many steps of the reader's budget a power is worth."""
    if isinstance(exponent, Expression) or len(operations) == 1:
        return 20
    if float(exponent).is_integer():
        return int(abs(exponent)) * len(operations)
    return 8 ** min(num_qubits, MAX_POWER_QUBITS) // 50 + len(operations) * 2 ** min(num_qubits, MAX_POWER_QUBITS) // 10


def powered(operations: Operations, num_qubits: int, exponent: Angle) -> Operations:
    """The sequence to a real power.

    Raises
    ------
    Fault
        The power is fractional and the sequence has angles that are not known, or too many qubits.
    GateError
        The same for a single gate that is neither a rotation nor a phase.
    """
    operations = tuple((op, qubits) for op, qubits in operations if isinstance(op, Gate))
    whole = not isinstance(exponent, Expression) and exponent.is_integer()
    if len(operations) == 1:
        ((single, qubits),) = operations
        assert isinstance(single, Gate)
        if not isinstance(exponent, Expression) and whole and single.inverse() == single:
            return operations if int(exponent) % 2 else ()
        return ((single.power(exponent), qubits),)  # type: ignore[arg-type]
    if not isinstance(exponent, Expression) and whole:
        return (operations if exponent > 0 else inverted(operations)) * int(abs(exponent))
    if isinstance(exponent, Expression) or any(
        isinstance(a, Expression) for op, _ in operations if isinstance(op, Gate) for a in op.params
    ):
        raise Fault("a fractional power of a gate of several operations: its angles must be known")
    if not operations:
        return ()
    if num_qubits > MAX_POWER_QUBITS:
        raise Fault(f"a fractional power of a gate on {num_qubits} qubits: at most {MAX_POWER_QUBITS}")
    circuit = Circuit(max(num_qubits, 1))
    for op, qubits in operations:
        circuit.append(op, qubits)
    return ((unitary(circuit.matrix()).power(exponent), tuple(range(max(num_qubits, 1)))),)
