"""Claims of a paper and verdicts on them, from what one run measured and nothing else.

A claim has a judge: a function of the run's metrics and configuration that returns a `Verdict`. The judge cannot pass by accident: a
metric that is missing, that is not finite, or a judge that fails ends as 'not reproduced' or 'not tested at this scale', with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["WORDS", "Claim", "Verdict", "Word", "judged"]

Word = Literal["reproduced", "not reproduced", "not tested at this scale"]
WORDS: tuple[Word, ...] = ("reproduced", "not reproduced", "not tested at this scale")


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: a judge makes one by `Verdict.of` or `Verdict.untested`.

    Attributes
    ----------
    word
        ``"reproduced"``, ``"not reproduced"`` or ``"not tested at this scale"``.
    measured
        What this run measured, in the claim's unit; None where nothing was.
    reason
        One sentence: what the number is, what it was held against.
    """

    word: Word
    measured: float | None
    reason: str

    @classmethod
    def of(cls, measured: float, holds: bool, reason: str) -> Verdict:
        """'reproduced' if the claim ``holds``, else 'not reproduced'; ``reason`` says what it was held against."""
        return cls("reproduced" if holds else "not reproduced", measured, reason)

    @classmethod
    def untested(cls, reason: str) -> Verdict:
        """'not tested at this scale': the reason says what it would take."""
        return cls("not tested at this scale", None, reason)


@dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    Attributes
    ----------
    id
        Short stable name (``fewer_gates``).
    text
        What the paper says, in our words.
    paper
        The paper's figure: a number, or words where it gives none.
    judge
        ``judge(metrics, config) -> Verdict``. Reads the run's metrics by name; needs no guard against one that is missing or not finite.
    unit
        Unit of the paper's and the measured value; empty for pure numbers.
    """

    id: str
    text: str
    paper: float | str
    judge: Callable[[Mapping[str, float], Any], Verdict] = field(repr=False)
    unit: str = ""


class _NotFinite(Exception):
    """A judge read a metric that is not finite."""


class _Metrics(Mapping[str, float]):
    """Metrics that refuse to hand out values no comparison should be made with."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> float:
        value = self._values[name]
        if not math.isfinite(value):
            raise _NotFinite(f"metric '{name}' is {value}")
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def judged(claim: Claim, metrics: Mapping[str, float], config: Any) -> dict[str, Any]:
    """The verdict on a claim as an entry of ``claims`` in result.json.

    A metric the judge misses: 'not tested at this scale'. One that is not finite: 'not reproduced'. A judge that fails, or returns
    something else than a verdict: 'not tested at this scale', with what went wrong.
    """
    try:
        verdict = claim.judge(_Metrics(metrics), config)
        if not isinstance(verdict, Verdict):
            verdict = Verdict.untested(f"the judge returned a {type(verdict).__name__}, not a verdict")
    except _NotFinite as why:
        verdict = Verdict("not reproduced", None, str(why))
    except KeyError as missing:
        verdict = Verdict.untested(f"the run has no metric {missing}")
    except Exception as error:  # a fault in one judge must neither pass its claim nor lose the run
        verdict = Verdict.untested(f"the judge failed: {type(error).__name__}: {error}")
    measured, word, reason = verdict.measured, verdict.word, verdict.reason
    if measured is None and word == "reproduced":
        word, reason = "not tested at this scale", f"the judge named no measured value; {reason}"
    if measured is not None and not math.isfinite(measured):
        measured, word, reason = None, "not reproduced", f"measured {measured}; {reason}"
    return {
        "id": claim.id,
        "text": claim.text,
        "paper": claim.paper,
        "measured": None if measured is None else float(measured),
        "unit": claim.unit,
        "verdict": word,
        "reason": reason,
    }
