"""Traces of the Hessian of each block with error bars, by Hutchinson's method.

    Tr H = E[v . H v],   v of independent signs +-1;   the variance of one probe is 2 (|H|_F^2 - sum_k H_kk^2)

Probes are drawn until the standard error of their mean is small enough. *Separate* probes take each block on its own. A *joint* probe
takes all blocks in one pass: its values v_b . (H v)_b have the same means, but their variances gain sum_c |H_bc|_F^2 from the other blocks c.
``auto`` draws ten of each and goes on with the way that needs less work; a probe of one block is reckoned as half the share of blocks
that lie behind it: it runs through those, without the other blocks' own derivatives. Where separate probes would take long, a few large
eigenvalues make the spread; they are taken out exactly, with an orthonormal Q that spans ten products (Hutch++):

    Tr H = Tr Q'HQ + E[v'.H v'],   v' = v - Q Q'v

The same for activations: the loss of input k alone depends on the activations of input k, so one sign vector over a whole batch gives
sum_k z_k . H_k z_k, and the trace is the mean over inputs.

Source: Dong et al. 2020, arXiv:1911.03852, section 3; Hutchinson 1990; Meyer, Musco, Musco and Woodruff 2021, arXiv:2010.09649.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bitket.errors import InvalidInput
from bitket.quantization.sensitivity.hessian import Data, Graph, Loss, LossSurface, scalar_loss
from bitket.runs.storage import load_tree, save_tree

__all__ = ["Trace", "activation_trace", "hessian_trace"]

_MANY = 40  # probes from which on it pays to take out large eigenvalues, which costs thirty products
_CHUNK = 10  # probes for which a batch's first pass is shared, and after which the errors are looked at
Mode = Literal["auto", "separate", "joint"]


@dataclass(frozen=True)
class Trace:
    """An estimated trace.

    Attributes
    ----------
    value, standard_error
        Mean of the probes, and its standard error by their spread.
    probes
        How many there were; those that took out large eigenvalues are not counted.
    size
        Dimension n of the Hessian.
    """

    value: float
    standard_error: float
    probes: int
    size: int

    @property
    def mean(self) -> float:
        """Tr H / n, the mean eigenvalue."""
        return self.value / self.size

    @property
    def relative_error(self) -> float:
        """Standard error over the modulus of the value; infinite for zero."""
        return (
            self.standard_error / abs(self.value)
            if self.value
            else math.inf * self.standard_error
            if self.standard_error
            else 0.0
        )

    @classmethod
    def of(cls, samples: Sequence[float], size: int) -> Trace:
        """From the values of the probes."""
        m = len(samples)
        mean = math.fsum(samples) / m
        spread = math.fsum((s - mean) ** 2 for s in samples)
        return cls(mean, math.sqrt(spread / (m - 1) / m) if m > 1 else math.inf, m, size)


def _signs(shape: Sequence[int], like: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randint(2, tuple(shape), generator=generator, dtype=torch.int8)
    return drawn.to(like.device, like.dtype).mul_(2).sub_(1)


class _Weights:
    """Probes over blocks of weights."""

    def __init__(self, surface: LossSurface) -> None:
        self.surface = surface
        self.sizes = {b: surface.size(b) for b in surface.blocks}

    def sweep(
        self,
        groups: Sequence[Sequence[str]],
        count: int,
        generator: torch.Generator,
        without: Mapping[str, Tensor] | None = None,
    ) -> dict[str, list[float]]:
        """``count`` probes of each group of blocks that are taken together, orthogonal to the columns of ``without``."""
        names = [b for group in groups for b in group]
        found = {b: [0.0] * count for b in names}
        probes = [
            {b: [_signs(w.shape, w, generator) for w in self.surface.blocks[b].values()] for b in names}
            for _ in range(count)
        ]
        for b, q in (without or {}).items():
            for probe in probes:
                v = torch.cat([part.reshape(-1) for part in probe[b]]).to(q)
                probe[b] = self.surface.shaped(b, v - q @ (q.T @ v))
        for graph in self.surface.graphs(names):
            for j, probe in enumerate(probes):
                for group in groups:
                    for b, product in graph.product(group, probe).items():
                        found[b][j] += graph.share * _dot(probe[b], product)
        return found

    def dominant(self, block: str, generator: torch.Generator) -> tuple[Tensor, float]:
        """An orthonormal basis of ten products with random signs, ``[n, 10]``, and the trace of the Hessian within it."""
        n = self.sizes[block]
        like = next(iter(self.surface.blocks[block].values()))
        signs = _signs((n, min(_CHUNK, n)), like, generator)
        q, _ = torch.linalg.qr(self._products(block, signs).double())
        return q, float((q * self._products(block, q)).sum())

    def _products(self, block: str, columns: Tensor) -> Tensor:
        total = torch.zeros_like(columns)
        for graph in self.surface.graphs([block]):
            for k in range(columns.shape[1]):
                product = graph.product([block], {block: self.surface.shaped(block, columns[:, k])})[block]
                total[:, k] += graph.share * torch.cat([part.reshape(-1) for part in product]).to(columns)
        return total


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    return math.fsum(float((x.double() * y.double()).sum()) for x, y in zip(a, b, strict=True))


class _Activations:
    """Probes over the inputs of layers, independent for each image."""

    def __init__(self, model: nn.Module, loss: Loss, data: Data, layers: Sequence[str] | None) -> None:
        surface = LossSurface(model, loss, data)
        known = dict(model.named_modules())
        self.layers = list(surface.blocks if layers is None else layers)
        for name in self.layers:
            if name not in known:
                raise InvalidInput(f"activation trace: the model has no layer '{name}'")
        self.model, self.loss, self.data, self.samples = model, loss, data, surface.samples
        self.sizes = self._sizes()

    def _forward(self, inputs: Tensor, seen: dict[str, list[Tensor]]) -> Any:
        """Outputs; the layers' inputs are noted as tensors of their own, so that what else reads the same tensor is not counted in."""

        def hook(name: str) -> Callable[..., tuple[Any, ...]]:
            def replace(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
                if name in seen:
                    raise InvalidInput(
                        f"activation trace: layer '{name}' runs more than once; its input is no single tensor"
                    )
                x = arguments[0]
                seen[name] = [x.view_as(x) if x.requires_grad else x.detach().requires_grad_()]
                return (seen[name][0], *arguments[1:])

            return replace

        handles = [self.model.get_submodule(name).register_forward_pre_hook(hook(name)) for name in self.layers]
        try:
            return self.model(inputs)
        finally:
            for handle in handles:
                handle.remove()

    def _sizes(self) -> dict[str, int]:
        inputs, _ = next(iter(self.data))
        seen: dict[str, list[Tensor]] = {}
        with torch.no_grad():
            self._forward(inputs, seen)
        missing = [name for name in self.layers if name not in seen]
        if missing:
            raise InvalidInput(f"activation trace: layer '{missing[0]}' does not run")
        return {name: seen[name][0].numel() // len(inputs) for name in self.layers}

    def sweep(self, groups: Sequence[Sequence[str]], count: int, generator: torch.Generator) -> dict[str, list[float]]:
        """``count`` probes of each group of layers that are taken together."""
        names = [b for group in groups for b in group]
        found = {b: [0.0] * count for b in names}
        for k, (inputs, targets) in enumerate(self.data):
            seen: dict[str, list[Tensor]] = {}
            forward = partial(self._forward, inputs, seen)
            value = scalar_loss(self.loss, forward, targets, f"batch {k}") * len(inputs)  # the sum over inputs
            graph = Graph(value, {b: seen[b] for b in names}, 1 / self.samples)
            for j in range(count):
                probe = {b: [_signs(x.shape, x, generator) for x in seen[b]] for b in names}
                for group in groups:
                    for b, product in graph.product(group, probe).items():
                        found[b][j] += graph.share * _dot(probe[b], product)
        return found


def hessian_trace(
    model: nn.Module,
    loss: Loss,
    data: Data,
    blocks: Mapping[str, Sequence[str]] | None = None,
    *,
    tolerance: float = 0.05,
    max_probes: int = 200,
    mode: Mode = "auto",
    generator: torch.Generator,
    checkpoint: Path | None = None,
    callback: Callable[[int, int], None] | None = None,
) -> dict[str, Trace]:
    """The trace of each block's Hessian.

    Parameters
    ----------
    model, loss, data, blocks
        As in `LossSurface`.
    tolerance
        Relative standard error at which a block is done.
    max_probes
        At most so many a block, also where the error is still larger.
    mode
        ``"separate"``, ``"joint"`` or ``"auto"``, which also takes out large eigenvalues.
    generator
        Draws the signs.
    checkpoint
        File to go on from, if it is there, and to write after every ten probes; the result is the same.
    callback
        Called after every ten probes with the number of blocks that are done, and of all.

    Raises
    ------
    InvalidInput
        As `LossSurface`; a setting is not positive; the checkpoint is of another estimation.
    """
    return _estimate(
        _Weights(LossSurface(model, loss, data, blocks)), tolerance, max_probes, mode, generator, checkpoint, callback
    )


def activation_trace(
    model: nn.Module,
    loss: Loss,
    data: Data,
    layers: Sequence[str] | None = None,
    *,
    tolerance: float = 0.05,
    max_probes: int = 200,
    mode: Mode = "auto",
    generator: torch.Generator,
    checkpoint: Path | None = None,
    callback: Callable[[int, int], None] | None = None,
) -> dict[str, Trace]:
    """The mean over inputs of the trace of the loss's Hessian by the tensor that a layer reads; ``size`` is that tensor's, for one input.

    Parameters
    ----------
    layers
        Paths of the layers; by default every convolution and linear layer. A tensor that others read too (a skip) counts for the layer alone.
    model, loss, data, tolerance, max_probes, mode, generator, checkpoint, callback
        As in `hessian_trace`; the loss is a mean over the inputs of a batch.
    """
    return _estimate(
        _Activations(model, loss, data, layers), tolerance, max_probes, mode, generator, checkpoint, callback
    )


def _estimate(
    probes: _Weights | _Activations,
    tolerance: float,
    most: int,
    mode: Mode,
    generator: torch.Generator,
    checkpoint: Path | None,
    callback: Callable[[int, int], None] | None,
) -> dict[str, Trace]:
    if most < 2 or not tolerance > 0 or mode not in ("auto", "separate", "joint"):
        raise InvalidInput(
            f"trace: tolerance {tolerance}, at most {most} probes, mode '{mode}'; a positive tolerance, at least 2 probes, and "
            "'auto', 'separate' or 'joint' are known"
        )
    blocks = list(probes.sizes)
    settings = {"sizes": dict(probes.sizes), "mode": mode, "tolerance": tolerance, "most": most}
    state: dict[str, Any] = {
        "settings": settings,
        "way": mode,
        "samples": {b: [] for b in blocks},
        "long": [],  # blocks whose large eigenvalues are taken out, one after the other, and for the present one how
        "basis": {},
        "inside": {},
    }
    if checkpoint is not None and checkpoint.exists():
        state = load_tree(checkpoint)
        if state.get("settings") != settings:
            raise InvalidInput(f"{checkpoint}: the checkpoint is of another estimation")
        generator.set_state(state.pop("generator").get_state())
    samples: dict[str, list[float]] = state["samples"]

    def done(block: str) -> bool:
        values = samples[block]
        return len(values) >= min(_CHUNK, most) and (
            len(values) >= most or Trace.of(values, 1).standard_error <= tolerance * abs(Trace.of(values, 1).value)
        )

    while open_blocks := [b for b in blocks if not done(b)]:
        short = [b for b in open_blocks if b not in state["long"]]
        if state["way"] == "auto":
            count = min(_CHUNK, most)
            pilots = {way: probes.sweep(_groups(way, blocks), count, generator) for way in ("separate", "joint")}
            state["way"] = min(pilots, key=lambda way: _work(way, pilots[way], tolerance))
            samples.update(pilots[state["way"]])
            if state["way"] == "separate" and isinstance(probes, _Weights):
                state["long"] = [b for b in blocks if not done(b) and _needed(samples[b], tolerance) > _MANY]
        elif state["way"] == "joint" or short:
            active = blocks if state["way"] == "joint" else short
            count = min(_CHUNK, most - min(len(samples[b]) for b in active))
            for b, values in probes.sweep(_groups(state["way"], active), count, generator).items():
                samples[b] += values
        else:
            assert isinstance(probes, _Weights)
            block = open_blocks[0]
            if block not in state["basis"]:
                basis, inside = probes.dominant(block, generator)
                state["basis"], state["inside"], samples[block] = {block: basis}, {block: inside}, []
            count = min(_CHUNK, most - len(samples[block]))
            rest = probes.sweep([[block]], count, generator, state["basis"])[block]
            samples[block] += [state["inside"][block] + value for value in rest]
        if checkpoint is not None:
            save_tree(checkpoint, state | {"generator": generator})
        if callback is not None:
            callback(sum(map(done, blocks)), len(blocks))
    return {b: Trace.of(samples[b], probes.sizes[b]) for b in blocks}


def _groups(way: str, blocks: Sequence[str]) -> list[list[str]]:
    return [list(blocks)] if way == "joint" else [[b] for b in blocks]


def _needed(values: Sequence[float], tolerance: float) -> float:
    """Probes to the tolerance, by the spread of some."""
    return max(1.0, len(values) * (Trace.of(values, 1).relative_error / tolerance) ** 2)


def _work(way: str, pilots: Mapping[str, Sequence[float]], tolerance: float) -> float:
    """Passes through the whole network that the rest takes, by the pilots' spread."""
    needed = [_needed(v, tolerance) for v in pilots.values()]
    if way == "joint":
        return max(needed)
    return sum(min(m, _MANY) * (len(needed) - k) / len(needed) / 2 for k, m in enumerate(needed))
