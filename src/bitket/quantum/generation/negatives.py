"""Files that look real line by line and are not: what a judge of circuits must tell from real ones.

``random``: lines drawn from the vocabulary, KetGPT's own control. ``shuffled``: a real file's gates in random order. ``rewired``: a real
file's gates in their order, each on qubits drawn at random. ``histogram``: gates drawn as often as the real files have them, with their
angles, on random qubits. The last three keep what a bag of words sees; only order and wiring give them away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bitket.data.circuits import QasmCorpus
from bitket.errors import InvalidInput
from bitket.quantum.generation.baseline import RandomCircuitBaseline, drawn_sizes
from bitket.quantum.generation.statements import header, statement
from bitket.quantum.generation.tokenizers import LineTokenizer, written

__all__ = ["NEGATIVES", "histogram_matched", "negatives", "rewired", "shuffled"]

NEGATIVES = ("random", "shuffled", "rewired", "histogram")


def shuffled(text: str, generator: np.random.Generator) -> str:
    """The file with its gates in random order; all other lines stay where they are."""
    lines = text.splitlines(keepends=True)
    places = [k for k, line in enumerate(lines) if statement(line).kind == "gate"]
    drawn = [lines[k] for k in generator.permutation(places).tolist()]
    for k, line in zip(places, drawn, strict=True):
        lines[k] = line
    return "".join(lines)


def rewired(text: str, generator: np.random.Generator) -> str:
    """The file with each gate on qubits drawn at random from all registers; all other lines stay."""
    lines = text.splitlines(keepends=True)
    said = [statement(line) for line in lines]
    qubits = [(s.name, k) for s in said if s.kind == "qreg" for k in range(s.operands[0][1] or 0)]
    for k, s in enumerate(said):
        if s.kind == "gate" and len(s.operands) <= len(qubits):
            lines[k] = written(
                replace(s, operands=tuple(qubits[j] for j in generator.permutation(len(qubits))[: len(s.operands)]))
            )
    return "".join(lines)


def histogram_matched(
    corpus: QasmCorpus, qubits: Sequence[int], lines: Sequence[int], generator: np.random.Generator
) -> tuple[str, ...]:
    """Random files, one for each number of qubits and of lines (header included), their gates drawn from those of the corpus.

    Raises
    ------
    InvalidInput
        Numbers are not equally many or not positive, or the corpus has no gate.
    """
    if len(qubits) != len(lines) or min(*qubits, *lines, 1) < 1:
        raise InvalidInput("random circuits: as many positive numbers of qubits as of lines are needed")
    gates = [s for text in corpus.texts for s in map(statement, text.splitlines()) if s.kind == "gate"]
    if not gates:
        raise InvalidInput("random circuits: the corpus has no gate to draw from")
    out = []
    for n, length in zip(qubits, lines, strict=True):
        body = []
        for k in generator.integers(len(gates), size=max(0, length - 3)).tolist():
            if len(gates[k].operands) <= n:
                chosen = generator.permutation(n)[: len(gates[k].operands)].tolist()
                body.append(written(replace(gates[k], operands=tuple(("q", q) for q in chosen))))
        out.append("".join([*header(n), *body]))
    return tuple(out)


def negatives(corpus: QasmCorpus, generator: np.random.Generator) -> dict[str, tuple[str, ...]]:
    """As many files of each kind of `NEGATIVES` as the corpus has; those that equal a real file are left out."""
    baseline = RandomCircuitBaseline(LineTokenizer.fit(corpus.texts))
    made = {
        "random": baseline.sample(*drawn_sizes(corpus, len(corpus), generator), generator),
        "shuffled": tuple(shuffled(text, generator) for text in corpus.texts),
        "rewired": tuple(rewired(text, generator) for text in corpus.texts),
        "histogram": histogram_matched(corpus, *drawn_sizes(corpus, len(corpus), generator), generator),
    }
    known = set(corpus.texts)
    return {name: tuple(text for text in texts if text not in known) for name, texts in made.items()}
