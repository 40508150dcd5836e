"""A judge of circuits that sees order and wiring: a transformer over gates, each with what came before it on its wires.

A gate is read as its name, its angle (a binary fraction of pi, or another), and for each of its qubits: which one it is, which gate acted
on it last, and how long ago; then how far apart its first two qubits are, whether they met before, and how far its first qubit lies from
that of the gate before. Shuffled or rewired, a file keeps its names and angles and loses the rest. It is trained against all four kinds
of `negatives`, as it would otherwise learn only what gives one of them away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bitket.quantum.generation.classifier import CircuitClassifier, Encoder
from bitket.quantum.generation.statements import kept_lines, statement
from bitket.quantum.generation.tokenizers import angle_value

__all__ = ["WiringClassifier", "wiring"]

_OPERANDS, _QUBITS, _APART, _GAPS = 3, 32, 5, 6
_ANGLES = 9  # none, multiples of pi, of pi/2, ... of pi/32, others


def wiring(text: str, names: dict[str, int], most: int) -> list[list[int]]:
    """Features of the first gates of a file, those of its lines that can stand where they are: a row of small numbers for each gate.

    Parameters
    ----------
    names
        Number of each gate name, from 2; others are 1.
    most
        Gates that are read.
    """
    number: dict[tuple[str, int | None], int] = {}
    last: dict[int, tuple[int, int]] = {}  # of each qubit: gate name and when
    met: set[frozenset[int]] = set()
    rows: list[list[int]] = []
    before = 0
    for line in kept_lines(text)[0].splitlines():
        s = statement(line)
        if s.kind == "qreg":
            number |= {(s.name, k): len(number) + k for k in range(s.operands[0][1] or 0)}
        if s.kind != "gate":
            continue
        if len(rows) == most:
            break
        name, now = names.get(s.name, 1), len(rows)
        qubits = [number[place] for place in s.operands if place in number]
        row = [name, _angle(s.params)]
        for k in range(_OPERANDS):
            if k < len(qubits):
                previous, when = last.get(qubits[k], (0, -1))
                gap = 0 if when < 0 else min(_GAPS, 1 + (now - when).bit_length() - 1)
                row += [1 + min(qubits[k], _QUBITS - 1), previous, gap]
            else:
                row += [0, 0, 0]
        pair = frozenset(qubits[:2])
        row += [_apart(qubits[1] - qubits[0]), 1 + (pair in met)] if len(qubits) > 1 else [0, 0]
        row.append(_apart(qubits[0] - before) if qubits and rows else 0)
        rows.append(row)
        met.add(pair)
        last |= dict.fromkeys(qubits, (name, now))
        before = qubits[0] if qubits else before
    return rows


def _apart(difference: int) -> int:
    return 1 + _APART + max(-_APART, min(_APART, difference))


def _angle(params: Sequence[str]) -> int:
    """The largest of pi, pi/2, ... pi/32 that the first angle is a multiple of."""
    if not params:
        return 0
    try:
        turns = angle_value(params[0]) / math.pi
    except (ValueError, ZeroDivisionError, OverflowError):
        return _ANGLES - 1
    for k in range(6):
        if abs(turns * 2**k - round(turns * 2**k)) < 1e-6:
            return 1 + k
    return _ANGLES - 1


class _Wires(nn.Module):
    first: Tensor

    def __init__(self, names: int, width: int, layers: int, context: int) -> None:
        super().__init__()
        sizes = [names, _ANGLES, *[_QUBITS + 1, names, _GAPS + 1] * _OPERANDS, 2 * _APART + 2, 3, 2 * _APART + 2]
        self.features = nn.EmbeddingBag(sum(sizes), width, mode="sum")
        self.register_buffer("first", torch.tensor([sum(sizes[:k]) for k in range(len(sizes))]))
        self.encoder = Encoder(width, layers, context)

    def forward(self, rows: Tensor) -> Tensor:
        padding = rows[..., 0] == 0
        rows, padding = (x[:, : max(1, int((~padding).sum(1).max()))] for x in (rows, padding))
        x = self.features((rows + self.first).flatten(0, 1)).unflatten(0, rows.shape[:2])
        return self.encoder(x, padding)


class WiringClassifier(CircuitClassifier):
    """Real (1) or not (0), from order and wiring.

    Parameters
    ----------
    width, layers
        Of the encoder; heads of 32.
    context
        Gates read of each file.
    epochs, batch_size, learning_rate
        Of AdamW with weight decay 0.01 and cosine decay.
    seed
        Of weights, order and dropout.
    checkpoint
        File to go on from and to write, or None.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 2,
        context: int = 96,
        epochs: int = 10,
        batch_size: int = 16,
        learning_rate: float = 2e-3,
        seed: int = 0,
        checkpoint: Path | None = None,
    ) -> None:
        self.width, self.layers, self.context = width, layers, context
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate
        self.seed, self.checkpoint = seed, checkpoint

    def _learned(self, texts: Sequence[str]) -> None:
        found = {s.name for text in texts for s in map(statement, text.splitlines()) if s.kind == "gate"}
        self.names_ = {name: 2 + k for k, name in enumerate(sorted(found))}

    def _network(self) -> nn.Module:
        return _Wires(2 + len(self.names_), self.width, self.layers, self.context)

    def _prepared(self, texts: Sequence[str]) -> Tensor:
        rows: Any = [wiring(text, self.names_, self.context) for text in texts]
        out = torch.zeros(len(texts), self.context, 5 + 3 * _OPERANDS, dtype=torch.long)
        for place, row in zip(out, rows, strict=True):
            if row:
                place[: len(row)] = torch.tensor(row)
        return out
