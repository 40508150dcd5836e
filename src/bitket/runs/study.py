"""What a study is: the paper, its claims, and verdicts from a run's own measurements.

A study module has ``PAPER``, ``SUMMARY`` (one line), a frozen dataclass ``Config``, ``SCALES`` with ``"quick"`` and ``"full"``,
``CLAIMS`` and ``run(config, run) -> metrics``. A claim is judged by `Claim.judge` from the metrics alone: it returns the measured
value, whether the claim holds, and why, or raises `NotTested` with the reason.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bitket.errors import InvalidInput

__all__ = ["Claim", "NotTested", "Paper", "Study", "Verdict", "configured", "judged"]

Metrics = Mapping[str, float]
Word = Literal["reproduced", "not reproduced", "not tested at this scale"]


class NotTested(Exception):
    """Raised by a judge: the claim cannot be judged at this scale, for the given reason."""


@dataclass(frozen=True)
class Paper:
    """A publication."""

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str = ""
    doi: str = ""
    journal: str = ""

    def bibtex(self) -> str:
        """A BibTeX entry."""
        rows = {
            "title": "{" + self.title + "}",
            "author": " and ".join(self.authors),
            "year": str(self.year),
            "journal": self.journal,
            "doi": self.doi,
            "eprint": self.arxiv,
            "archivePrefix": "arXiv" if self.arxiv else "",
        }
        body = ",\n".join(f"  {k} = {{{v}}}" for k, v in rows.items() if v)
        return f"@{'article' if self.journal else 'misc'}{{{self.key},\n{body}\n}}"


@dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    Attributes
    ----------
    id
        Short name, stable.
    text
        What the paper says, in our words.
    paper
        The paper's figure.
    unit
        Unit of the measured value.
    judge
        From metrics to ``(measured value, does it hold, reason)``; may raise `NotTested`.
    """

    id: str
    text: str
    paper: str
    judge: Callable[[Metrics], tuple[float, bool, str]] = field(repr=False)
    unit: str = ""


@dataclass(frozen=True)
class Verdict:
    """A judged claim."""

    claim: Claim
    word: Word
    measured: float | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """As in result.json."""
        return {
            "id": self.claim.id,
            "text": self.claim.text,
            "paper": self.claim.paper,
            "measured": self.measured,
            "unit": self.claim.unit,
            "verdict": self.word,
            "reason": self.reason,
        }


def judged(claim: Claim, metrics: Metrics) -> Verdict:
    """The verdict on a claim; a metric that is missing or not finite never passes."""
    try:
        measured, holds, reason = claim.judge(metrics)
    except NotTested as why:
        return Verdict(claim, "not tested at this scale", None, str(why))
    except KeyError as missing:
        return Verdict(claim, "not tested at this scale", None, f"the run has no metric {missing}")
    if not math.isfinite(measured):
        return Verdict(claim, "not reproduced", None, f"measured {measured}; {reason}")
    return Verdict(claim, "reproduced" if holds else "not reproduced", float(measured), reason)


@dataclass(frozen=True)
class Study:
    """A loaded study module."""

    key: str
    paper: Paper
    summary: str
    scales: Mapping[str, Any]
    claims: tuple[Claim, ...]
    run: Callable[[Any, Any], Metrics]

    @classmethod
    def from_module(cls, module: types.ModuleType) -> Study:
        """From a module that keeps the contract.

        Raises
        ------
        InvalidInput
            A part is missing.
        """
        for name in ("PAPER", "SUMMARY", "SCALES", "CLAIMS", "run"):
            if not hasattr(module, name):
                raise InvalidInput(
                    f"study {module.__name__}: it has no {name}; a study has PAPER, SUMMARY, SCALES, CLAIMS and run"
                )
        if not {"quick", "full"} <= set(module.SCALES):
            raise InvalidInput(f"study {module.__name__}: SCALES needs 'quick' and 'full'")
        paper = module.PAPER
        return cls(paper.key, paper, module.SUMMARY, module.SCALES, tuple(module.CLAIMS), module.run)

    def config(self, scale: str, settings: Mapping[str, str] | None = None) -> Any:
        """The configuration of a scale, with some fields set from text."""
        if scale not in self.scales:
            raise InvalidInput(f"scale '{scale}': study {self.key} has {', '.join(self.scales)}")
        return configured(self.scales[scale], settings or {})


def configured(config: Any, settings: Mapping[str, str]) -> Any:
    """A configuration with some fields set from text, converted to their types.

    Raises
    ------
    InvalidInput
        A name is unknown or a value does not fit its type.
    """
    kinds = typing.get_type_hints(type(config))
    values = {}
    for name, text in settings.items():
        if name not in kinds:
            raise InvalidInput(f"setting '{name}' is unknown; there are {', '.join(kinds)}")
        values[name] = _converted(name, text, kinds[name])
    return dataclasses.replace(config, **values)


def _converted(name: str, text: str, kind: Any) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    try:
        if origin is tuple:
            return tuple(_converted(name, part.strip(), args[0]) for part in text.split(",") if part.strip())
        if origin in (typing.Union, types.UnionType):
            if type(None) in args and text.lower() in ("none", ""):
                return None
            return _converted(name, text, next(a for a in args if a is not type(None)))
        if origin is Literal:
            if text not in args:
                raise ValueError
            return text
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        wanted = f"one of {', '.join(args)}" if origin is Literal else getattr(kind, "__name__", str(kind))
        raise InvalidInput(f"setting {name}={text}: {wanted} is needed") from None
