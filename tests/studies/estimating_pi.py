"""Buffon's and Lazzarini's way to pi by throwing needles: a study that lives in the tests, run as users run their own files."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from bitket.errors import InvalidInput
from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="estimating-pi",
    title="Un'applicazione del calcolo della probabilità alla ricerca sperimentale di un valore approssimato di π",
    authors=("Mario Lazzarini",),
    year=1901,
    journal="Periodico di Matematica",
    volume="4",
    pages="140-143",
)
SUMMARY = "Needles thrown on a lined floor estimate pi <and a few of its digits>."


@dataclass(frozen=True)
class Config:
    """Settings; a needle of that length on lines one apart, thrown in that many rounds."""

    rounds: Annotated[int, Ge(1)] = 34
    needles: Annotated[int, Ge(1)] = 100
    length: Annotated[float, Ge(0.01), Le(1)] = 5 / 6
    pause: Annotated[float, Ge(0)] = 0.0
    bins: tuple[float, ...] = (3.0, 3.1, 3.2, 3.3)
    floor: str = "[wooden] <b>"
    limit: int | None = None

    def __post_init__(self) -> None:
        if list(self.bins) != sorted(self.bins):
            raise InvalidInput(f"setting bins={self.bins}: increasing numbers are needed")


SCALES = {"quick": Config(rounds=12), "full": Config()}


def _near(metrics: Mapping[str, float], config: Config) -> Verdict:
    error = abs(metrics["pi"] - math.pi)
    return Verdict.of(metrics["pi"], error < 4 * metrics["error"], f"|error| {error:.2g} < 4 standard errors & 'more'")


def _digits(metrics: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.of(abs(metrics["pi"] - 355 / 113), abs(metrics["pi"] - 355 / 113) < 1e-6, "distance to 355/113")


def _throws(metrics: Mapping[str, float], config: Config) -> Verdict:
    if config.rounds * config.needles < 3400:
        return Verdict.untested(f"{config.rounds * config.needles} throws; 3400 are needed")
    return Verdict.of(metrics["hits"], abs(metrics["hits"] - 1808) < 100, "crossings")


CLAIMS = (
    Claim("near_pi", "The estimate <is> near pi.", 3.14159265, _near),
    Claim("six_digits", "It has six right digits.", "3.1415929", _digits),
    Claim("crossings", "1808 needles of 3408 cross a line.", 1808, _throws, "crossings"),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Throw, count, estimate."""
    import numpy as np

    def lines() -> dict[str, Any]:
        run.log(part="floor", lines=3)
        time.sleep(config.pause)
        return {"offsets": run.generator("floor").uniform(size=3)}

    floor = run.step("floor", lines)
    state = {"hits": 0, "history": np.zeros(0), "random": run.generator("needles")}
    for k in run.loop("throws", state, config.rounds, every=2):
        centre = state["random"].uniform(0, 0.5, config.needles)
        angle = state["random"].uniform(0, np.pi / 2, config.needles)
        state["hits"] += int(np.sum(centre <= config.length / 2 * np.sin(angle)))
        state["history"] = np.append(state["history"], state["hits"])
        run.log(round=k, hits=state["hits"])
        time.sleep(config.pause)
    throws = config.needles * np.arange(1, config.rounds + 1)
    rate = state["history"] / throws
    with np.errstate(divide="ignore"):
        estimates = 2 * config.length / rate
    figure, axes = run.subplots(height=3.0)
    axes.plot(throws, estimates)
    axes.axhline(np.pi, color="0.5", linestyle="--")
    axes.set(xlabel="throws", ylabel="estimate of π")
    run.figure("convergence", figure, caption='The estimate over throws & "π".')
    rows = [{"throws": int(t), "estimate": float(e)} for t, e in zip(throws, estimates, strict=True)]
    run.table("estimates", [*rows, {"throws": 0, "note": "<script>alert(1)</script>"}], caption="Estimates <by> throws")
    for _ in run.progress(2, "last words"):
        time.sleep(config.pause / 10)
    run.note("Lazzarini's own number is too good to be true & <suspicious>.")
    error = float(estimates[-1] * np.sqrt((1 - rate[-1]) / rate[-1] / throws[-1]))
    return {"pi": float(estimates[-1]), "error": error, "hits": state["hits"], "floor": float(floor["offsets"].sum())}
