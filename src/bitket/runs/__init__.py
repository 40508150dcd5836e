"""Runs of studies: papers, claims, verdicts, run folders, files written whole."""

from bitket.runs.run import Run, execute
from bitket.runs.study import Claim, NotTested, Paper, Study, Verdict

__all__ = ["Claim", "NotTested", "Paper", "Run", "Study", "Verdict", "execute"]
