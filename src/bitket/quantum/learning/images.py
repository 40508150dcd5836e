"""Hybrid image classifiers and their classical peers (Senokosov et al. 2023, arXiv:2304.09224), modules from images to logits.

    HQNN-Parallel:  {conv 5x5, batch norm, ReLU, max pool 2} twice  ->  linear, batch norm, ReLU  ->  parallel circuits  ->  batch norm, linear
    HQNN-Quanv:     mean pool  ->  quanvolution 2x2  ->  linear

Layers that the paper leaves open are chosen so that its counts of parameters come out: 45,194 for HQNN-Parallel on 28x28 grey images and ten
classes, 372,234 for its peer. The quantum part can be put aside (``quantum=...``), all else left as it is: what it adds is then measured.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch

from bitket.errors import InvalidInput
from bitket.quantum.learning.parallel import Axis, ParallelQuantumLayer
from bitket.quantum.learning.quanvolution import Quanvolution2d

__all__ = [
    "ClassicalPeer",
    "HQNNParallel",
    "HQNNQuanv",
    "ParallelPart",
    "QuanvPart",
    "StridedCNN",
    "parameter_table",
]

ParallelPart = Literal["circuits", "fixed", "identity", "tanh"]
QuanvPart = Literal["circuits", "fixed", "convolution"]


class _ImageModel(torch.nn.Module):
    """Refuses images of another size in one line."""

    def __init__(self, in_channels: int, image_size: int | tuple[int, int], classes: int, least: int) -> None:
        super().__init__()
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if in_channels < 1 or classes < 2 or min(height, width) < least:
            raise InvalidInput(
                f"{type(self).__name__}: {in_channels} channels, {height} x {width} pixels, {classes} classes; at least 1 channel, "
                f"{least} x {least} pixels and 2 classes are needed"
            )
        self.shape = (in_channels, height, width)

    def _check(self, images: torch.Tensor) -> None:
        if images.ndim != 4 or tuple(images.shape[1:]) != self.shape:
            c, h, w = self.shape
            raise InvalidInput(
                f"{type(self).__name__}: images of shape {tuple(images.shape)}; [B, {c}, {h}, {w}] is needed"
            )


class HQNNParallel(_ImageModel):
    """Convolutions, parallel circuits, a linear head: ``[B, in_channels, h, w]`` to logits ``[B, classes]``.

    Parameters
    ----------
    in_channels, image_size, classes
        Of the images: channels, side (or height and width) in pixels, 4 at least, and number of classes.
    circuits, qubits, repetitions, embedding, observable, factor, shots
        Of the `ParallelQuantumLayer`.
    quantum
        ``"circuits"``; or for comparison ``"fixed"`` (circuits whose random angles are not trained), ``"identity"`` (nothing) or ``"tanh"``
        (a dense layer and tanh).
    generator
        Source of the first angles and of shots; other layers start from torch's own generator.
    device, dtype
        Place and precision.

    Examples
    --------
    >>> model = HQNNParallel(generator=torch.Generator().manual_seed(0))
    >>> model(torch.zeros(2, 1, 28, 28)).shape, parameter_table(model)[-1]["parameters"]
    (torch.Size([2, 10]), 45194)
    """

    def __init__(
        self,
        in_channels: int = 1,
        image_size: int | tuple[int, int] = 28,
        classes: int = 10,
        *,
        circuits: int = 4,
        qubits: int = 5,
        repetitions: int = 3,
        embedding: Axis = "x",
        observable: Literal["X", "Y", "Z"] = "Y",
        factor: float = 1.0,
        shots: int | None = None,
        quantum: ParallelPart = "circuits",
        generator: torch.Generator,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(in_channels, image_size, classes, least=4)
        _known(quantum, ParallelPart)
        width = circuits * qubits
        _, height, breadth = self.shape
        self.convolutions = torch.nn.Sequential(
            *_convolution(in_channels, 16), *_convolution(16, 32), torch.nn.Flatten()
        )
        self.compression = torch.nn.Sequential(
            torch.nn.Linear(32 * (height // 4) * (breadth // 4), width), torch.nn.BatchNorm1d(width), torch.nn.ReLU()
        )
        layer = ParallelQuantumLayer(
            circuits,
            qubits,
            repetitions,
            embedding=embedding,
            observable=observable,
            factor=factor,
            shots=shots,
            generator=generator,
        )
        self.quantum = _part(quantum, layer, width)
        self.head = torch.nn.Sequential(torch.nn.BatchNorm1d(width), torch.nn.Linear(width, classes))
        self.to(device=device, dtype=dtype)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, classes]``.

        Raises
        ------
        InvalidInput
            Images of another number of channels or size.
        """
        self._check(images)
        logits: torch.Tensor = self.head(self.quantum(self.compression(self.convolutions(images))))
        return logits


class ClassicalPeer(_ImageModel):
    """The classical network that HQNN-Parallel is compared with: the same convolutions without batch norm, then two dense layers."""

    def __init__(
        self,
        in_channels: int = 1,
        image_size: int | tuple[int, int] = 28,
        classes: int = 10,
        *,
        hidden: tuple[int, int] = (224, 32),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(in_channels, image_size, classes, least=4)
        _, height, breadth = self.shape
        self.layers = torch.nn.Sequential(
            *_convolution(in_channels, 16, norm=False),
            *_convolution(16, 32, norm=False),
            torch.nn.Flatten(),
            torch.nn.Linear(32 * (height // 4) * (breadth // 4), hidden[0]),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden[0], hidden[1]),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden[1], classes),
        )
        self.to(device=device, dtype=dtype)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, classes]``; raises as `HQNNParallel`."""
        self._check(images)
        logits: torch.Tensor = self.layers(images)
        return logits


class HQNNQuanv(_ImageModel):
    """A quanvolution over the reduced image and a linear head: ``[B, in_channels, h, w]``, pixels from 0 to 1, to logits ``[B, classes]``.

    Parameters
    ----------
    in_channels, image_size, classes
        As of `HQNNParallel`, but the side is 2 · reduce at least.
    reduce
        Side of the squares of pixels whose mean enters the circuits.
    layers, embedding, factor, shots
        Of the `Quanvolution2d`, with patches of 2 x 2.
    quantum
        ``"circuits"``; or for comparison ``"fixed"`` (random angles, not trained) or ``"convolution"`` (a classical convolution of the same
        patches to the same channels).
    generator, device, dtype
        As of `HQNNParallel`.

    Examples
    --------
    >>> model = HQNNQuanv(generator=torch.Generator().manual_seed(0))
    >>> model(torch.zeros(2, 1, 28, 28)).shape, model.quantum.layer.weights.numel(), model.head.in_features
    (torch.Size([2, 10]), 16, 196)
    """

    def __init__(
        self,
        in_channels: int = 1,
        image_size: int | tuple[int, int] = 28,
        classes: int = 10,
        *,
        reduce: int = 2,
        layers: int = 4,
        embedding: Axis = "x",
        factor: float = torch.pi,
        shots: int | None = None,
        quantum: QuanvPart = "circuits",
        generator: torch.Generator,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(in_channels, image_size, classes, least=2 * reduce)
        _known(quantum, QuanvPart)
        _, height, breadth = self.shape
        self.reduction = torch.nn.AvgPool2d(reduce) if reduce > 1 else torch.nn.Identity()
        channels = 4 * in_channels
        if quantum == "convolution":
            self.quantum: torch.nn.Module = torch.nn.Conv2d(in_channels, channels, 2, 2)
        else:
            self.quantum = Quanvolution2d(
                in_channels, 2, 2, layers, embedding=embedding, factor=factor, shots=shots, generator=generator
            )
            self.quantum.requires_grad_(quantum == "circuits")
        self.head = torch.nn.Linear(channels * (height // reduce // 2) * (breadth // reduce // 2), classes)
        self.to(device=device, dtype=dtype)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, classes]``; raises as `HQNNParallel`."""
        self._check(images)
        logits: torch.Tensor = self.head(self.quantum(self.reduction(images)).flatten(1))
        return logits


class StridedCNN(_ImageModel):
    """CNN4 (``kernels=4``) and CNN1 (``kernels=1``) of the paper: one convolution of 4 x 4 pixels with stride 4, and a linear head."""

    def __init__(
        self,
        in_channels: int = 1,
        image_size: int | tuple[int, int] = 28,
        classes: int = 10,
        *,
        kernels: int = 4,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(in_channels, image_size, classes, least=4)
        _, height, breadth = self.shape
        self.convolution = torch.nn.Conv2d(in_channels, kernels, 4, 4)
        self.head = torch.nn.Linear(kernels * (height // 4) * (breadth // 4), classes)
        self.to(device=device, dtype=dtype)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, classes]``; raises as `HQNNParallel`."""
        self._check(images)
        logits: torch.Tensor = self.head(self.convolution(images).flatten(1))
        return logits


def parameter_table(model: torch.nn.Module) -> list[dict[str, Any]]:
    """A row for each layer with parameters of its own, ``{"layer", "kind", "parameters"}``, and last the total; frozen ones do not count."""
    rows = []
    for name, layer in model.named_modules():
        count = sum(p.numel() for p in layer.parameters(recurse=False) if p.requires_grad)
        if count:
            rows.append({"layer": name, "kind": type(layer).__name__, "parameters": count})
    return [*rows, {"layer": "total", "kind": "", "parameters": sum(int(row["parameters"]) for row in rows)}]


def _convolution(channels: int, kernels: int, norm: bool = True) -> list[torch.nn.Module]:
    """5 x 5 with its own size kept, ReLU, halved."""
    between = [torch.nn.BatchNorm2d(kernels)] if norm else []
    return [torch.nn.Conv2d(channels, kernels, 5, padding=2), *between, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]


def _part(quantum: ParallelPart, layer: ParallelQuantumLayer, width: int) -> torch.nn.Module:
    if quantum == "identity":
        return torch.nn.Identity()
    if quantum == "tanh":
        return torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.Tanh())
    return layer.requires_grad_(quantum == "circuits")


def _known(quantum: str, of: Any) -> None:
    if quantum not in get_args(of):
        raise InvalidInput(f"quantum part {quantum!r}; {', '.join(map(repr, get_args(of)))} are known")
