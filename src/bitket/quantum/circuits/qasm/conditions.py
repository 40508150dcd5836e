"""Conditions on measured bits, as disjoint patterns.

A Boolean function of classical bits is kept as a list of patterns (some bits, and what they must read) no two of which
can match at once. A circuit can say a pattern (`Condition`), so it can say any such function: an instruction stands once
for each pattern, and at most one of them acts. With f = p1 ∨ p2 ∨ ... disjoint,

    f ∧ g = {p ∧ q},   ¬p = ∨_k (p agrees before bit k and differs at it),   ¬f = ¬p1 ∧ ¬p2 ∧ ...

>>> c = BitFunction.equal((0, 1), 2)
>>> c.patterns, (~c).patterns
(({0: 0, 1: 1},), ({0: 1}, {0: 0, 1: 0}))
>>> (c & ~c).patterns
()
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bitket.quantum.circuits.circuit import Condition
from bitket.quantum.circuits.qasm.source import Fault

__all__ = ["BitFunction"]

MAX_PATTERNS = 256
MAX_BITS = 1024


class BitFunction:
    """A Boolean function of classical bits, as disjoint patterns ``{bit: value}``."""

    def __init__(self, patterns: Iterable[dict[int, int]]) -> None:
        self.patterns = tuple(patterns)
        if len(self.patterns) > MAX_PATTERNS:
            raise Fault(f"a condition on measured bits of more than {MAX_PATTERNS} cases")

    @classmethod
    def equal(cls, bits: Sequence[int], value: int) -> BitFunction:
        """Bits (first is least significant) read a number."""
        _few(bits)
        if not 0 <= value < 1 << len(bits):
            return cls(())
        return cls(({b: value >> i & 1 for i, b in enumerate(bits)},))

    @classmethod
    def less(cls, bits: Sequence[int], value: int) -> BitFunction:
        """Bits read less than a number: they agree with it above some bit, and are 0 there where it is 1."""
        _few(bits)
        if value >= 1 << len(bits):
            return cls(({},))
        ones = [k for k in range(len(bits)) if value > 0 and value >> k & 1]
        above = [{bits[i]: value >> i & 1 for i in range(k + 1, len(bits))} for k in ones[: MAX_PATTERNS + 1]]
        return cls(pattern | {bits[k]: 0} for k, pattern in zip(ones, above, strict=False))

    def __and__(self, other: BitFunction) -> BitFunction:
        if len(self.patterns) * len(other.patterns) > MAX_PATTERNS**2:
            raise Fault(f"a condition on measured bits of more than {MAX_PATTERNS} cases")
        return BitFunction(
            p | q for p in self.patterns for q in other.patterns if all(q.get(b, v) == v for b, v in p.items())
        )

    def __invert__(self) -> BitFunction:
        out = BitFunction(({},))
        for pattern in self.patterns:
            if len(pattern) > MAX_PATTERNS:
                raise Fault(f"a condition that excludes a value of {len(pattern)} bits: at most {MAX_PATTERNS}")
            items = list(pattern.items())
            out = out & BitFunction(dict(items[:k]) | {b: 1 - v} for k, (b, v) in enumerate(items))
        return out

    def __or__(self, other: BitFunction) -> BitFunction:
        return BitFunction(self.patterns + (other & ~self).patterns)

    def __xor__(self, other: BitFunction) -> BitFunction:
        return BitFunction((self & ~other).patterns + (other & ~self).patterns)

    @property
    def bits(self) -> frozenset[int]:
        """The bits that the function reads."""
        return frozenset(b for p in self.patterns for b in p)

    def conditions(self) -> list[Condition | None]:
        """What a circuit needs; None stands for always."""
        return [
            Condition(tuple(p), sum(v << i for i, v in enumerate(p.values()))) if p else None for p in self.patterns
        ]


def _few(bits: Sequence[int]) -> None:
    if len(bits) > MAX_BITS:
        raise Fault(f"a condition on {len(bits)} bits: at most {MAX_BITS}")
