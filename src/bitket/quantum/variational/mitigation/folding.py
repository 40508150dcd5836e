"""Noise scaling by unitary folding: G -> G (G† G)^k, which leaves the unitary as it is and stretches the noise.

With d gates and scale factor lambda, about d (lambda - 1) / 2 gates are folded one more time (Giurgica-Tiron et al. 2020,
arXiv:2005.10921, section II). *Global* folding repeats the whole circuit and then its last gates; *gate* folding repeats each
gate where it stands, from the left, from the right, or at random positions.

>>> from bitket.quantum.circuits import Circuit
>>> c = Circuit(2).h(0).cx(0, 1).ry(0.3, 1)
>>> [len(fold(c, factor)) for factor in (1, 1.5, 2, 3, 5)]
[3, 5, 7, 9, 15]
>>> import numpy as np
>>> np.allclose(fold(c, 3).matrix(), c.matrix())
True
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Literal, get_args

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Instruction

__all__ = ["FoldingMethod", "fold", "reached_factor"]

_MOST_GATES = 10_000_000
FoldingMethod = Literal["global", "left", "right", "random"]


def check_factor(factor: float, name: str) -> None:
    """Refuses what is no number from 1."""
    if isinstance(factor, bool) or not isinstance(factor, Real) or not math.isfinite(factor) or factor < 1:
        raise InvalidInput(f"{name} {factor}: it must be finite and at least 1")


def fold(
    circuit: Circuit,
    factor: float,
    method: FoldingMethod = "global",
    *,
    generator: np.random.Generator | None = None,
) -> Circuit:
    """The circuit with its noise stretched by unitary folding.

    Parameters
    ----------
    circuit
        Gates, barriers, and measurements at the end (which are kept as they are).
    factor
        Wanted ratio of gate counts, at least 1. Reached to within one gate, as each fold adds two: a circuit of two gates has 1, 2, 3
        and so on, one of a single gate 1, 3, 5, one without gates only 1. `reached_factor` tells.
    method
        ``"global"``, or the gates folded once more than the others are the ``"left"`` most, the ``"right"`` most, or ``"random"``.
    generator
        Needed by ``"random"``.

    Raises
    ------
    InvalidInput
        The factor is below 1 or not finite; a measurement, reset or condition stands before a gate; no generator for random folding.
    """
    if method not in get_args(FoldingMethod):
        raise InvalidInput(f"folding method {method!r}: 'global', 'left', 'right' and 'random' are known")
    check_factor(factor, "folding factor")
    body, tail = _split(circuit)
    gates = [i for i in body if _folds(i)]
    if not gates:
        return circuit.copy()
    if factor * len(gates) > _MOST_GATES:
        raise InvalidInput(
            f"folding factor {factor:g}: {len(gates)} gates would become {factor * len(gates):.3g}, at most {_MOST_GATES:,} are made"
        )
    folds = len(gates) * (factor - 1) / 2
    # A half is rounded as customary tools do: to even for the whole circuit, down for single gates.
    whole, rest = divmod(round(folds) if method == "global" else math.ceil(folds - 0.5), len(gates))
    if method == "global":
        inverse = [_inverted(i) for i in reversed(gates)]
        last = gates[len(gates) - rest :]
        # barriers are kept in the first pass only: what is repeated has none
        out = [*body, *((inverse + gates) * whole), *(_inverted(i) for i in reversed(last)), *last]
    else:
        more = _chosen(len(gates), rest, method, generator)
        out, k = [], 0
        for instruction in body:
            out.append(instruction)
            if _folds(instruction):
                out += [_inverted(instruction), instruction] * (whole + (k in more))
                k += 1
    folded = Circuit(circuit.num_qubits, circuit.num_clbits, circuit.name).declare(*circuit.parameters)
    for i in (*out, *tail):
        folded.append(i.operation, i.qubits, i.clbits, i.condition)
    return folded


def reached_factor(circuit: Circuit, folded: Circuit) -> float:
    """Ratio of the gate counts of a folded circuit and of the circuit it was made from; 1 where there is no gate."""
    before, after = (sum(map(_folds, c)) for c in (circuit, folded))
    return after / before if before else 1.0


def _folds(instruction: Instruction) -> bool:
    """Gates fold; a global phase, which no machine runs, does not."""
    return instruction.gate is not None and bool(instruction.qubits)


def _split(circuit: Circuit) -> tuple[list[Instruction], list[Instruction]]:
    """The unitary part and the final measurements."""
    instructions = list(circuit)
    end = len(instructions)
    while end and instructions[end - 1].name in ("measure", "barrier"):
        end -= 1
    for i in instructions[:end]:
        if i.condition is not None or i.name in ("measure", "reset"):
            raise InvalidInput(
                f"folding: the circuit has a {i.name} or condition before its last gate; only gates can be folded"
            )
    return instructions[:end], instructions[end:]


def _inverted(instruction: Instruction) -> Instruction:
    assert instruction.gate is not None
    return Instruction(instruction.gate.inverse(), instruction.qubits)


def _chosen(count: int, rest: int, method: str, generator: np.random.Generator | None) -> set[int]:
    """Positions of the gates that are folded once more."""
    if method == "left":
        return set(range(rest))
    if method == "right":
        return set(range(count - rest, count))
    if generator is None:
        raise InvalidInput("folding at random needs a generator")
    return {int(k) for k in generator.choice(count, rest, replace=False)}
