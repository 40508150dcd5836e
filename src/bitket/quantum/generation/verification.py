"""Is a set of files valid, realistic, like the real ones in structure, and not a copy of them?

Validity is the reader's verdict on each file, with Wilson's interval for the rate and the first cause of each failure. Memorisation is
measured by exact copies, and by the longest run of lines that a file shares with a training file: found by a suffix automaton
(Blumer et al. 1985) of all training files in time linear in their lines.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bitket.data.circuits import QasmCorpus, preprocess
from bitket.errors import InvalidInput
from bitket.intervals import wilson
from bitket.quantum.circuits.qasm import QasmError, read_qasm, write_qasm
from bitket.quantum.generation.statements import kept_lines
from bitket.quantum.generation.structure import Structure, energy_test, metrics_table

__all__ = [
    "Memorisation",
    "Validity",
    "VerificationReport",
    "canonical",
    "memorisation",
    "validity",
    "verify",
]


def canonical(text: str, name: str = "<text>") -> str:
    """The same circuit as this library writes it: one register ``q``, one statement a line, operands joined by commas alone.

    Raises
    ------
    QasmError
        The text is not OpenQASM; the message names file, line and column.
    """
    return write_qasm(read_qasm(text, name=name), 2).replace(", ", ",")


@dataclass(frozen=True)
class Validity:
    """How many files can be read.

    Attributes
    ----------
    files, valid
        Numbers.
    low, high
        95 % interval of the rate.
    failures
        Files that cannot be read, by the first cause.
    """

    files: int
    valid: int
    low: float
    high: float
    failures: dict[str, int]

    @property
    def rate(self) -> float:
        """valid / files."""
        return self.valid / self.files


def validity(texts: Sequence[str]) -> Validity:
    """Read every file."""
    failures: Counter[str] = Counter()
    for text in texts:
        try:
            read_qasm(text)
        except QasmError:
            causes = kept_lines(text)[1]
            failures[causes[0] if causes else "other"] += 1
    valid = len(texts) - sum(failures.values())
    return Validity(len(texts), valid, *wilson(valid, len(texts)), dict(failures.most_common()))


@dataclass(frozen=True)
class Memorisation:
    """What was learned by heart.

    Attributes
    ----------
    copies, copies_large
        Share of files that equal a training file; the same among files of six or more qubits (nan without any).
    longest_run_mean, longest_run_max
        Lines of the longest run that a file shares with a training file: mean and largest over the files.
    run_share
        Mean of that run over the file's lines.
    """

    copies: float
    copies_large: float
    longest_run_mean: float
    longest_run_max: int
    run_share: float


class _Automaton:
    """The suffix automaton of sequences, kept apart by separators of their own."""

    def __init__(self, sequences: Sequence[Sequence[str]]) -> None:
        self._next: list[dict[Any, int]] = [{}]
        self._link, self._length = [-1], [0]
        last = 0
        for k, sequence in enumerate(sequences):
            for item in (*sequence, k):
                last = self._extend(last, item)

    def _extend(self, last: int, item: Any) -> int:
        new = self._state(self._length[last] + 1, {})
        p = last
        while p >= 0 and item not in self._next[p]:
            self._next[p][item] = new
            p = self._link[p]
        if p < 0:
            self._link[new] = 0
            return new
        q = self._next[p][item]
        if self._length[p] + 1 == self._length[q]:
            self._link[new] = q
            return new
        clone = self._state(self._length[p] + 1, dict(self._next[q]))
        self._link[clone] = self._link[q]
        while p >= 0 and self._next[p].get(item) == q:
            self._next[p][item] = clone
            p = self._link[p]
        self._link[q] = self._link[new] = clone
        return new

    def _state(self, length: int, following: dict[Any, int]) -> int:
        self._next.append(following)
        self._link.append(-1)
        self._length.append(length)
        return len(self._length) - 1

    def longest_run(self, sequence: Sequence[str]) -> int:
        """Length of the longest part of a sequence that is part of one of those inside."""
        state, length, best = 0, 0, 0
        for item in sequence:
            while state and item not in self._next[state]:
                state = self._link[state]
                length = self._length[state]
            if item in self._next[state]:
                state, length = self._next[state][item], length + 1
            best = max(best, length)
        return best


def memorisation(texts: Sequence[str], training: QasmCorpus) -> Memorisation:
    """Compare files with those of the training; headers and declarations do not count in runs."""

    def body(text: str) -> list[str]:
        return [x for x in text.splitlines() if not x.startswith(("OPENQASM", "include", "qreg", "creg"))]

    known, automaton = set(training.texts), _Automaton([body(text) for text in training.texts])
    copied = np.array([preprocess(text) in known for text in texts])
    qubits = QasmCorpus(("",) * len(texts), ("",) * len(texts), tuple(texts)).sizes[:, 0]
    runs = np.array([automaton.longest_run(body(text)) for text in texts])
    lengths = np.array([max(1, len(body(text))) for text in texts])
    return Memorisation(
        float(copied.mean()),
        float(copied[qubits >= 6].mean()) if (qubits >= 6).any() else math.nan,
        float(runs.mean()),
        int(runs.max()),
        float((runs / lengths).mean()),
    )


@dataclass(frozen=True)
class VerificationReport:
    """What `verify` found.

    Attributes
    ----------
    validity, memorisation
        See there.
    called_real
        Share that each classifier calls real, by its name.
    structure_distance
        Between the mean vectors of standardised metrics of the files and of the real ones.
    energy_distance, energy_p
        Energy distance between the same, and its p-value.
    """

    validity: Validity
    memorisation: Memorisation
    called_real: dict[str, float]
    structure_distance: float
    energy_distance: float
    energy_p: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; None for what is not finite."""
        out = asdict(self)
        out["validity"]["rate"] = self.validity.rate
        if not math.isfinite(self.memorisation.copies_large):
            out["memorisation"]["copies_large"] = None
        return out


def verify(
    texts: Sequence[str],
    real: QasmCorpus,
    *,
    generator: np.random.Generator,
    judges: Mapping[str, Callable[[Sequence[str]], Any]] | None = None,
) -> VerificationReport:
    """Hold files against real ones.

    Parameters
    ----------
    texts
        Files, as generated.
    real
        The training corpus.
    generator
        Of the relabellings behind the p-value.
    judges
        By name, what says 1 for real and 0 for other files, such as `WiringClassifier.predict`.

    Raises
    ------
    InvalidInput
        There is no file.
    """
    if not texts:
        raise InvalidInput("verification: at least one file is needed")
    table, reference = metrics_table(texts), metrics_table(real.texts)
    scale = Structure.of(reference)
    distance, p = energy_test(scale.standardised(reference), scale.standardised(table), generator)
    return VerificationReport(
        validity(texts),
        memorisation(texts, real),
        {name: float(np.mean(predict(texts))) for name, predict in (judges or {}).items()},
        scale.mean_distance(reference, table),
        distance,
        p,
    )
