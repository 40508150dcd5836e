"""Classical registers for a circuit to be written, chosen so that its conditions compare whole registers.

A circuit has plain classical bits; a condition reads some of them. Bits that a condition reads side by side become a
register of their own where no other condition cuts through them, and all bits between become registers too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from bitket.quantum.circuits.circuit import Circuit, Condition

__all__ = ["Register", "lay_out", "sorted_condition"]


@dataclass(frozen=True)
class Register:
    """A classical register: a name, its first bit and its length."""

    name: str
    start: int
    size: int


def sorted_condition(condition: Condition) -> Condition:
    """The same condition with its bits in ascending order."""
    pairs = sorted((c, condition.value >> i & 1) for i, c in enumerate(condition.clbits))
    return Condition(tuple(c for c, _ in pairs), sum(v << i for i, (_, v) in enumerate(pairs)))


def lay_out(circuit: Circuit, single_bits: bool) -> list[Register]:
    """Registers over all classical bits, in order.

    ``single_bits``: whether a condition on one bit needs a register of its own (it does in OpenQASM 2).
    """
    wanted: dict[tuple[int, int], None] = {}
    for instruction in circuit:
        if instruction.condition is not None:
            bits = sorted(instruction.condition.clbits)
            if bits[-1] - bits[0] == len(bits) - 1 and (single_bits or len(bits) > 1):
                wanted[bits[0], bits[-1] + 1] = None
    taken: list[tuple[int, int]] = []
    for start, stop in sorted(wanted):
        if not taken or taken[-1][1] <= start:
            taken.append((start, stop))
    edges = sorted({0, circuit.num_clbits, *(e for pair in taken for e in pair)})
    spans = [(a, b) for a, b in pairwise(edges) if b > a]
    if len(spans) == 1:
        return [Register("c", 0, spans[0][1])]
    return [Register(f"c{i}", a, b - a) for i, (a, b) in enumerate(spans)]
