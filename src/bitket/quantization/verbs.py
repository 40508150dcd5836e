"""The verbs: quantise a model by any method, and compare methods side by side."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from bitket.errors import InvalidInput
from bitket.intervals import wilson
from bitket.quantization.calibration import digest, run, stream
from bitket.quantization.configs import Job, config_to_json, method_of
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph import Layer, left_float
from bitket.quantization.quantized import QuantizedModel, deploy
from bitket.quantization.report import Report, layer_macs, layer_rows, measured_seconds, stored_bytes
from bitket.runs.progress import Bars

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Comparison", "ComparisonRow", "compare", "quantize"]

Evaluate = Callable[[Any], float]


def quantize(
    model: torch.nn.Module, config: Any, calibration: Any, *, evaluate: Evaluate | None = None, progress: bool = True
) -> QuantizedModel:
    """Quantise a copy of a model.

    Parameters
    ----------
    model
        In evaluation mode; it is not changed.
    config
        A method's settings: `PostTraining` or another registered dataclass.
    calibration
        Batches of model inputs, without labels: a list, a loader, or one tensor. A tuple stands for positional inputs, a dict for named ones.
    evaluate
        From a model to a figure, accuracy say; called with the float model and the quantised one, for the report alone.
    progress
        Whether to show bars on a terminal.

    Returns
    -------
    quantized
        The simulated network; `deploy` packs it. Its report stands in ``.report``.

    Raises
    ------
    InvalidInput
        The model is in training mode, quantised already or holds NaN (the message says where); calibration is empty or does not fit; the
        method refuses its settings.
    """
    _check(model)
    method = method_of(config)
    config_to_json(config)  # refuses what could not be saved
    data = stream(calibration)
    bars = Bars(quiet=not progress)
    with torch.no_grad():
        first = next(iter(data))
        run(model, first)
    quantized = method(Job(copy.deepcopy(model), config, data, bars))
    quantized.model.eval()
    deployed = deploy(quantized)
    try:
        with torch.no_grad():
            run(deployed.model, first)
    except AttributeError as error:
        raise InvalidInput(
            f"model {type(model).__name__}: something reads the weight of a layer itself ({error}); quantise its graph, which sees that"
        ) from None
    seconds, float_seconds = measured_seconds((lambda: run(deployed.model, first), lambda: run(model, first)))
    before = quantized.report
    report = Report(
        layers=layer_rows(quantized.model, deployed.model, quantized.places, layer_macs(quantized.model, first)),
        bytes=stored_bytes(deployed.model),
        float_bytes=stored_bytes(model),
        left_float=tuple(left_float(quantized.places)),
        notes=() if before is None else before.notes,
        accuracy=None if evaluate is None else float(evaluate(quantized.model)),
        float_accuracy=None if evaluate is None else float(evaluate(model)),
        seconds=seconds,
        float_seconds=float_seconds,
    )
    if seconds > 1.05 * float_seconds:
        warnings.warn(
            f"the deployed network takes {seconds / float_seconds:.2f} times the time of the float one: it unpacks its weights and computes "
            "in float, so it saves bytes and no time",
            stacklevel=2,
        )
    return replace(quantized, config=config, report=report, calibration_digest=digest(data))


def _check(model: torch.nn.Module) -> None:
    if not isinstance(model, torch.nn.Module):
        raise InvalidInput(f"model: {type(model).__name__}; a torch.nn.Module is needed")
    if model.training:
        raise InvalidInput(
            "model in training mode: batch norm and dropout would change while it is calibrated; call .eval() first"
        )
    if any(isinstance(m, FakeQuantize | Layer) for m in model.modules()):
        raise InvalidInput("model: it is quantised already; start from the float model")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InvalidInput(f"model: {name} holds NaN or infinite values")
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise InvalidInput(f"model: {name} is {tensor.dtype}; float32 is quantised, call .float() first")


@dataclass(frozen=True)
class ComparisonRow:
    """One method of a comparison.

    Attributes
    ----------
    name
        Its type, or ``"float"``.
    bytes
        What is stored.
    score
        What ``evaluate`` gave, or the output's signal to noise in dB on the calibration data.
    seconds
        Median time of the first batch.
    on_front
        Whether no other row has at most as many bytes and at least the score, one of them better.
    """

    name: str
    bytes: int
    score: float
    seconds: float
    on_front: bool
    quantized: QuantizedModel | None = None


@dataclass(frozen=True)
class Comparison:
    """Methods side by side.

    Attributes
    ----------
    rows
        The float model and each method, in the order given.
    measure
        What the scores are.
    """

    rows: tuple[ComparisonRow, ...]
    measure: str

    def __str__(self) -> str:
        lines = [("", "method", "KiB", self.measure, "ms")]
        lines += [
            ("*" if r.on_front else "", r.name, f"{r.bytes / 1024:.1f}", f"{r.score:.6g}", f"{1e3 * r.seconds:.2f}")
            for r in self.rows
        ]
        widths = [max(len(row[i]) for row in lines) for i in range(5)]
        text = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in lines]
        return "\n".join([*text, "* on the Pareto front of bytes and score"])

    @property
    def front(self) -> tuple[ComparisonRow, ...]:
        """Rows that no other dominates, by bytes."""
        return tuple(sorted((r for r in self.rows if r.on_front), key=lambda r: r.bytes))

    def figure(self, samples: int | None = None) -> Figure:
        """Score against size, with the Pareto front.

        Parameters
        ----------
        samples
            If the scores are shares of so many samples: draw their 95 % intervals.
        """
        from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

        from bitket.runs.figures import subplots

        figure, axes = subplots()
        shown = [r for r in self.rows if math.isfinite(r.score)]
        front = [r for r in self.front if math.isfinite(r.score)]
        axes.step([r.bytes / 2**20 for r in front], [r.score for r in front], where="post", color="#8b93a3", zorder=1)
        for k, row in enumerate(shown):
            reach = None
            if samples is not None:
                low, high = wilson(round(row.score * samples), samples)
                reach = [[max(row.score - low, 0.0)], [max(high - row.score, 0.0)]]
            drawn = axes.errorbar(
                [row.bytes / 2**20], [row.score], reach, label=row.name, ls="", elinewidth=0.8, capsize=3 + k
            )
            drawn.lines[0].set(marker="os^Dvp*XhP<>"[k % 12], markersize=7)
            if not row.on_front:
                drawn.lines[0].set_markerfacecolor("white")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="size, MiB", ylabel=self.measure)
        axes.set_title(f"filled: on the Pareto front{'; bars: 95 % intervals' if samples else ''}")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        return figure


def compare(
    model: torch.nn.Module,
    configs: Sequence[Any] | Mapping[str, Any],
    calibration: Any,
    evaluate: Evaluate | None = None,
    *,
    progress: bool = True,
) -> Comparison:
    """Quantise a model by several methods and set them side by side as a Pareto table of bytes and score.

    Parameters
    ----------
    model, calibration, evaluate, progress
        As `quantize`; without ``evaluate`` the score is the signal-to-noise ratio of the output on the calibration data.
    configs
        Settings of the methods; by the names that the table shows, or in a row.

    Raises
    ------
    InvalidInput
        There is no configuration, or as `quantize`.
    """
    if not configs:
        raise InvalidInput("comparison: no configuration is given; one at least is needed")
    data = stream(calibration)
    named = (
        list(configs.items())
        if isinstance(configs, Mapping)
        else [(getattr(c, "name", "") or type(c).__name__, c) for c in configs]
    )
    found: list[tuple[str, int, float, float, QuantizedModel | None]] = []
    for name, config in named:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the times stand in the table
            quantized = quantize(model, config, data, evaluate=evaluate, progress=progress)
        report = quantized.report
        assert report is not None
        score = _output_db(model, quantized.model, data) if report.accuracy is None else report.accuracy
        if not found:
            best = math.inf if report.float_accuracy is None else report.float_accuracy
            found.append(("float", report.float_bytes, best, report.float_seconds or math.nan, None))
        found.append((name, report.bytes, score, report.seconds or math.nan, quantized))
    rows = tuple(
        ComparisonRow(name, size, score, seconds, not _dominated(size, score, found), quantized)
        for name, size, score, seconds, quantized in found
    )
    return Comparison(rows, "evaluation" if evaluate is not None else "output SNR dB")


def _dominated(size: int, score: float, rows: list[tuple[str, int, float, float, QuantizedModel | None]]) -> bool:
    return any(s <= size and v >= score and (s < size or v > score) for _, s, v, _, _ in rows)


def _output_db(model: torch.nn.Module, quantised: torch.nn.Module, data: Any) -> float:
    signal = noise = 0.0
    with torch.no_grad():
        for batch in data:
            want, got = (_first_tensor(run(m, batch)).double() for m in (model, quantised))
            signal += float(want.square().sum())
            noise += float((want - got).square().sum())
    return math.inf if noise == 0 else 10 * math.log10(max(signal, 1e-300) / noise)


def _first_tensor(output: Any) -> torch.Tensor:
    while isinstance(output, tuple | list):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise InvalidInput(
            f"model: its output is {type(output).__name__}; a tensor is needed for a comparison without 'evaluate'"
        )
    return output
