"""Circuits up to their final measurements."""

from __future__ import annotations

from dataclasses import dataclass, field

from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit, Instruction

__all__ = ["split", "without_final_measurements"]


def without_final_measurements(circuit: Circuit, what: str, *, unitary: bool = True) -> Circuit:
    """The circuit up to its final measurements (kept on it).

    Raises
    ------
    InvalidInput
        With ``unitary``, where a measurement, reset or condition stands before the last gate.
    """
    body, _ = split(circuit)
    if unitary and not body.is_unitary:
        i = next(i for i in body if i.condition is not None or (i.gate is None and i.name != "barrier"))
        raise InvalidInput(
            f"{what}: the circuit has a {'condition' if i.condition else i.name} before its last gate; use sample or density_matrix"
        )
    return body


def split(circuit: Circuit) -> tuple[Circuit, dict[int, int]]:
    """The circuit up to its final measurements, and the qubit of each classical bit that these write; kept on the circuit."""
    if not circuit._others:
        return circuit, {}
    kept = circuit._kept(_Body)
    if kept.circuit is None:
        rest: list[Instruction] = []
        used: set[tuple[str, int]] = set()
        for i in reversed(list(circuit)):  # a measurement is final if nothing later touches its qubit or reads its bit
            bits = {("q", q) for q in i.qubits} | {
                ("c", c) for c in (*i.clbits, *(i.condition.clbits if i.condition else ()))
            }
            if i.name == "measure" and i.condition is None and not bits & used:
                kept.where.setdefault(i.clbits[0], i.qubits[0])
                continue
            if i.name != "barrier":
                used |= bits
            rest.append(i)
        kept.circuit = circuit._derive(reversed(rest)) if len(rest) < len(circuit) else circuit
    return kept.circuit, kept.where


@dataclass
class _Body:
    """A circuit without its final measurements, and the qubit of each classical bit that these write."""

    circuit: Circuit | None = None
    where: dict[int, int] = field(default_factory=dict)
