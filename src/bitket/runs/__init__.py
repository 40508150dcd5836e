"""Runs of studies: papers, claims and verdicts, run folders that survive a kill, files written whole.

A study's author needs `Paper`, `Claim`, `Verdict` and `Run`; `bitket.runs.study` says what a study module holds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bitket.runs.claim import Claim, Verdict
from bitket.runs.paper import Paper
from bitket.runs.study import Study

if TYPE_CHECKING:
    from bitket.runs.execution import execute
    from bitket.runs.run import Run

__all__ = ["Claim", "Paper", "Run", "Study", "Verdict", "execute"]

_LATER = {"Run": "run", "execute": "execution"}


def __getattr__(name: str) -> Any:
    # NumPy is imported only when something is run: 'bitket list' imports all studies.
    if name in _LATER:
        value = getattr(import_module(f"bitket.runs.{_LATER[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
