"""What the rounds of a federation came to: as data, on the screen, and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bitket.cli.console import console

__all__ = ["draw", "outcome", "show"]

_WANTED = 0.05


def outcome(history: Any, server: Any, tests: int) -> dict[str, Any]:
    """Accuracy with its interval, costs, and all rounds."""
    from bitket.intervals import wilson
    from bitket.quantum.learning.federated.server import copies_for

    last = history.rounds[-1]
    return {
        "loss": last.loss,
        "accuracy": last.accuracy,
        "accuracy_interval": None if last.accuracy is None else wilson(round(last.accuracy * tests), tests),
        "success_probability": last.share,
        "sum_probability": last.probability,
        "copies": history.copies,
        "qubits": history.qubits,
        "qubits_per_copy": int(server.operator(None).qubits),
        "log10_copies_of_the_first_state": history.log10_copies if server.rule == "coherent" else None,
        "copies_for_an_error_of_0.05": None if history.diverged else copies_for(server.model, 0.0, _WANTED),
        "gradient_error": last.error,
        "classical_bytes": history.classical_bytes,
        "decoys": sum(r.decoys for r in history.rounds),
        "wrong_decoys": sum(r.wrong for r in history.rounds),
        "messages": history.messages,
        "alarms": history.alarms,
        "diverged": history.diverged,
        "notes": history.notes,
        "parameters": None if history.diverged else server.model.parameters.tolist(),
        "history": history.rows(),
    }


def show(out: Mapping[str, Any]) -> None:
    """Print it."""
    from rich.table import Table

    from bitket.intervals import wilson

    screen = console()
    who = out["clients"]
    if isinstance(who, dict):
        sizes = sorted(who.values())
        screen.print(
            f"{out['data']}: {len(who)} clients with {sizes[0]} to {sizes[-1]} rows, {out['test_rows']} rows for the test",
            markup=False,
        )
    if out["diverged"]:
        screen.print(f"diverged in round {out['rounds']}: a smaller --rate is needed")
        return
    rows = [("quantum federated", out["accuracy"], f"{_count(out['qubits'])} qubits in {out['rounds']} rounds")]
    if "averaging" in out:
        rows.append(
            ("federated averaging", out["averaging"]["accuracy"], f"{out['averaging']['bytes']} bytes of weights")
        )
        rows.append(("all rows in one place", out["central_accuracy"], "logistic regression on the same components"))
    table = Table("", "accuracy", "95 %", "", box=None, pad_edge=False)
    for what, accuracy, cost in rows:
        low, high = wilson(round(accuracy * out["test_rows"]), out["test_rows"])
        table.add_row(what, f"{accuracy:.3f}", f"{low:.3f} to {high:.3f}", cost)
    screen.print(table)
    screen.print(
        f"loss {out['loss']:.5f}; a copy of {out['qubits_per_copy']} qubits is kept with probability {out['success_probability']:.2g}"
    )
    if out["log10_copies_of_the_first_state"] is not None:
        screen.print(
            f"one copy of the last state takes 10^{out['log10_copies_of_the_first_state']:.0f} of the first: sums of states multiply"
        )
    elif out["gradient_error"]:
        screen.print(
            f"{_count(out['copies'])} copies sent; a round's mean gradient is known to ± {out['gradient_error']:.3g}"
        )
    screen.print(
        f"a client's gradient to ± {_WANTED}: {out['copies_for_an_error_of_0.05']} copies; as numbers, all that crossed takes "
        f"{out['classical_bytes']} bytes"
    )
    screen.print(
        f"decoys: {out['wrong_decoys']} wrong of {out['decoys']}; alarm in {out['alarms']} of {out['messages']} messages"
    )


def _count(number: int | None) -> str:
    return "unlimited" if number is None else str(number)


def draw(out: Mapping[str, Any], path: Path) -> None:
    """Loss and accuracy over the rounds, into a file."""
    from bitket.runs.figures import subplots

    figure, (left, right) = subplots(1, 2, width=9, height=3.8)
    rounds = [r["number"] for r in out["history"]]
    left.plot(rounds, [r["loss"] for r in out["history"]])
    left.set(xlabel="round", ylabel="loss", yscale="log")
    right.plot(rounds, [r["accuracy"] for r in out["history"]], label="quantum federated")
    if "averaging" in out:
        averaged = out["averaging"]["history"]
        right.plot(range(1, len(averaged) + 1), averaged, "--", label="federated averaging")
        right.axhline(out["central_accuracy"], color="0.6", linewidth=0.8, label="all rows in one place")
    right.set(xlabel="round", ylabel="accuracy on the test rows")
    right.legend(frameon=False)
    figure.savefig(path)
