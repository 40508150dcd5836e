import hashlib
import json

import numpy as np
import pytest
import torch

from bitket.errors import InvalidInput
from bitket.runs import Run


class Stop(Exception):
    """Stands for a kill at a given moment."""


def work(run, until):
    """Steps, loops, a break, nested parts and state of every kind; stops after ``until`` moments."""
    moments = iter(range(until))

    def moment():
        if next(moments, None) is None:
            raise Stop

    def data():
        moment()
        run.log(part="data")
        inner = run.step("inner", lambda: run.generator("inner").normal(size=3))
        moment()
        run.note("data are there")
        return {"x": torch.from_numpy(inner), "n": np.float32(2)}

    found = run.step("data", data)
    model = torch.nn.Linear(3, 1, dtype=torch.float64)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=run.torch_generator("weights"), dtype=p.dtype))
    optimiser = torch.optim.Adam(model.parameters(), 0.1)
    state = {
        "model": model,
        "optimiser": optimiser,
        "random": run.generator("loop"),
        "torch_random": run.torch_generator("loop"),
        "sum": np.float64(0),
        "trace": [],
    }
    for k in run.loop("train", state, 7, every=2):
        moment()
        noise = torch.randn(3, generator=state["torch_random"], dtype=torch.float64) * state["random"].normal()
        loss = (model(found["x"] + noise) ** 2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        state["sum"] += np.float64(loss.item()) ** 0.3
        state["trace"] = [*state["trace"], (k, loss.item())]
        if k % 3 == 0:
            state["sum"] += run.step(f"check {k}", lambda: float(run.generator("check").normal()))
        run.log(step=k, loss=loss.item())
        moment()
    until_small = {"x": 1.0}
    for k in run.loop("halve", until_small, 100, every=3):
        moment()
        until_small["x"] /= 2
        if until_small["x"] < 0.01:
            run.log(halvings=k + 1)
            break
    moment()
    figure, axes = run.subplots(1, 2, width=2, height=1)
    axes[0].plot([t[1] for t in state["trace"]])
    run.figure("loss", figure, caption="Loss.")
    moment()
    run.table("trace", [{"k": k, "loss": loss} for k, loss in state["trace"]], caption="Trace")
    return {"sum": state["sum"], "weights": [p.detach().tolist() for p in model.parameters()], "x": until_small["x"]}


def outcome(folder, run, result):
    entries = {kind: run.entries(kind) for kind in ("log", "figure", "table", "note")}
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("loss.svg", "loss.png")}
    return repr(result), json.dumps(entries), files, (folder / "metrics.jsonl").read_text()


def test_a_run_stopped_at_any_moment_ends_as_if_it_had_not_been(tmp_path):
    whole = Run(tmp_path / "whole", 5)
    expected = outcome(tmp_path / "whole", whole, work(whole, 1000))
    whole.close()
    last = 0
    for until in range(27):
        folder, attempts = tmp_path / str(until), 0
        while True:
            run = Run(folder, 5)
            try:
                result = work(run, until + attempts)  # each attempt gets one moment further
                break
            except Stop:
                attempts += 1
            finally:
                run.close()
        assert outcome(folder, run, result) == expected
        last = attempts
    assert last == 0  # the latest moments lie behind the end: all were covered


def test_a_finished_step_is_not_computed_again(tmp_path):
    calls = []
    for _ in range(3):
        run = Run(tmp_path, 1)
        assert run.step("once", lambda: calls.append(1) or len(calls)) == 1
        run.close()
    assert calls == [1]


def test_a_failed_step_stores_nothing(tmp_path):
    run = Run(tmp_path, 1)
    with pytest.raises(ZeroDivisionError):
        run.step("fails", lambda: 1 / 0)
    run.close()
    run = Run(tmp_path, 1)
    assert run.step("fails", lambda: 3) == 3
    run.close()


def test_generators_depend_on_seed_and_name_alone(tmp_path):
    one, two, other = Run(tmp_path / "a", 1), Run(tmp_path / "b", 1), Run(tmp_path / "c", 2)
    first = one.generator("x").normal(size=4)
    two.generator("y").normal(size=100)
    assert np.array_equal(first, two.generator("x").normal(size=4))
    assert not np.array_equal(first, other.generator("x").normal(size=4))
    assert not np.array_equal(first, one.generator("y").normal(size=4))
    draws = [torch.randn(3, generator=run.torch_generator("x")) for run in (one, two, other)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_two_processes_do_not_share_a_folder(tmp_path):
    run = Run(tmp_path, 1)
    with pytest.raises(InvalidInput, match="another process is running here"):
        Run(tmp_path, 1)
    run.close()
    Run(tmp_path, 1).close()


def test_wrong_use_is_named(tmp_path):
    run = Run(tmp_path / "r", 1)
    run.step("a", lambda: 1)
    with pytest.raises(InvalidInput, match="step 'a' is there twice"):
        run.step("a", lambda: 1)
    with pytest.raises(InvalidInput, match="step 'a' is there twice"):
        next(run.loop("a", {}, 3))
    figure, _ = run.subplots()
    run.figure("f", figure, caption="")
    for name, message in (("f", "there twice"), ("../f", "letters, digits"), ("", "letters, digits")):
        with pytest.raises(InvalidInput, match=message):
            run.figure(name, figure, caption="")
    with pytest.raises(InvalidInput, match="a dict cannot be logged or tabulated"):
        run.log(x={})
    with pytest.raises(InvalidInput, match="a ndarray cannot be logged"):
        run.log(x=np.zeros(2))
    with pytest.raises(InvalidInput, match=r"state'\]\['f'\]: a function cannot be stored"):
        list(run.loop("b", {"f": work}, 1))
    with pytest.raises(InvalidInput, match=r"cannot write .*/metrics.jsonl/x: Not a directory"):
        Run(tmp_path / "r" / "metrics.jsonl" / "x")


def test_a_loop_whose_state_has_changed_is_not_gone_on_with(tmp_path):
    run = Run(tmp_path, 1)
    list(run.loop("l", {"a": 1}, 2))
    run.close()
    run = Run(tmp_path, 1)
    with pytest.raises(InvalidInput, match="it has no 'b'; the study has changed"):
        next(run.loop("l", {"b": 1}, 3))


def test_logs_hold_numbers_of_any_library_and_null_for_none(tmp_path):
    run = Run(tmp_path, 1)
    run.log(a=np.float32(0.5), b=torch.tensor(2), c=float("nan"), d="é", e=np.bool_(True))
    run.close()
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line) == {"a": 0.5, "b": 2, "c": None, "d": "é", "e": True}


def test_figures_are_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        run = Run(tmp_path / name, 1)
        figure, axes = run.subplots()
        axes.plot([1, 3, 2], label="x")
        axes.legend()
        axes.imshow(np.eye(3))
        run.figure("f", figure, caption="c")
    for kind in ("svg", "png"):
        assert (tmp_path / "a" / f"f.{kind}").read_bytes() == (tmp_path / "b" / f"f.{kind}").read_bytes()


def test_progress_counts_and_stays_quiet_in_a_pipe(tmp_path, capfd):
    run = Run(tmp_path, 1)
    assert list(run.progress(3, "x")) == [0, 1, 2]
    assert list(run.progress(iter("ab"), "y")) == ["a", "b"]
    assert capfd.readouterr() == ("", "")


def test_progress_shows_bars_inside_bars_on_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    run = Run(tmp_path, 1)
    pairs = [(a, b) for a in run.progress(2, "outer") for b in run.progress("xy", "inner")]
    assert pairs == [(0, "x"), (0, "y"), (1, "x"), (1, "y")]
    shown = capsys.readouterr().err
    assert "outer" in shown
    assert "inner" in shown
