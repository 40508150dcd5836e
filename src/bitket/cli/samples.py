"""What a network is quantised with: its samples from files or by name, shaped as it takes them, some to calibrate and some to judge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bitket.data import load
from bitket.data.files import read_arrays
from bitket.data.idx import holds_idx
from bitket.errors import InvalidInput
from bitket.quantization.formats.float_program import FloatProgram, plain, read_float_program
from bitket.quantization.vision.recipes import RECIPES, pretrained

__all__ = ["Judged", "Work", "read_work"]

_CALIBRATION, _JUDGED, _BATCH = 256, 2000, 64  # samples at most


@dataclass(frozen=True)
class Judged:
    """Samples that were not calibrated on, with the labels that answers are held against."""

    x: torch.Tensor
    y: torch.Tensor
    what: str
    batch: int

    @property
    def count(self) -> int:
        """How many."""
        return len(self.y)

    def share(self, network: Any) -> float:
        """Of samples that are put into their class."""
        return float((_answers(network, self.x, self.batch)[0] == self.y).double().mean())


@dataclass(frozen=True)
class Work:
    """A float network, the batches that it is calibrated on, and what it is judged on, if its output can be."""

    model: torch.nn.Module
    batches: list[torch.Tensor]
    judged: Judged | None


def _answers(network: Any, x: torch.Tensor, batch: int) -> tuple[Any, int]:
    """The largest logit's place, sample by sample, and how many there are; None where the output is no table of logits."""
    with torch.no_grad():
        made = [network(part) for part in x.split(batch)]
    if not all(isinstance(m, torch.Tensor) and m.ndim == 2 and m.shape[1] > 1 for m in made):
        return None, 0
    return torch.cat(made).argmax(1), made[0].shape[1]


def read_work(name: str, calibration: str | None, seed: int) -> Work:
    """A network by its file or name, with samples: one part calibrates, another is judged.

    Raises
    ------
    InvalidInput, MissingExtra
        The network or its samples cannot be read, do not fit each other, or are too few.
    """
    generator = torch.Generator().manual_seed(seed)
    if Path(name).suffix or Path(name).exists():
        program = read_float_program(name)
    else:
        trained, images = pretrained(name), RECIPES[name].images()
        network = plain(trained, images.x[:2])
        program = FloatProgram(network, tuple(images.x.shape[1:]), torch.float32, None)
        if calibration is None:
            some = torch.randperm(len(images.x), generator=generator)[:_CALIBRATION]
            rest = torch.randperm(len(images.test_x), generator=generator)[:_JUDGED]
            judged = Judged(images.test_x[rest], images.test_y[rest], "accuracy", _BATCH)
            return Work(network, list(images.x[some].split(_BATCH)), judged)
    assert calibration is not None
    x, y = _samples(calibration, program)
    batch = program.batch or _BATCH
    least = 2 * (program.batch or 1)
    if len(x) < least:
        raise InvalidInput(
            f"{calibration}: {len(x)} samples are too few; {least} at least are needed, half of them to be judged"
        )
    order = torch.randperm(len(x), generator=generator)
    count = min(max(_CALIBRATION, program.batch or 1), len(x) // 2)
    parts = [order[:count], order[count : count + _JUDGED]]
    if program.batch:  # whole batches alone
        parts = [p[: len(p) // batch * batch] for p in parts]
    kept, rest = parts
    answers, width = _answers(program.model, x[rest], batch)
    if answers is not None and y is not None and not 0 <= int(y.min()) <= int(y.max()) < width:
        raise InvalidInput(
            f"{calibration}: labels from {int(y.min())} to {int(y.max())}, but the network has {width} outputs, from 0"
        )
    batches = list(x[kept].split(batch))
    if answers is None:
        return Work(program.model, batches, None)
    measure = ("agreement with float", answers) if y is None else ("accuracy", y[rest])
    return Work(program.model, batches, Judged(x[rest], measure[1], measure[0], batch))


def _samples(calibration: str, program: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Inputs in the network's shape, and labels if there are any."""
    path = Path(calibration)
    values: Any = None
    labels: Any = None
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path)
        if "X" not in arrays:
            raise InvalidInput(f"{path}: there is no array 'X'; there are {', '.join(arrays) or 'none'}")
        values, labels = arrays["X"], arrays.get("y")
        if values.dtype.kind not in "fiub" or values.ndim < 2:
            raise InvalidInput(
                f"{path}: X of shape {values.shape} and type {values.dtype}; numbers [N, ...] are needed"
            )
        if labels is not None and (labels.dtype.kind not in "iub" or labels.shape != values.shape[:1]):
            raise InvalidInput(
                f"{path}: y of shape {labels.shape} and type {labels.dtype}; whole numbers [{len(values)}] are needed"
            )
        if values.dtype == np.uint8 and program.dtype.is_floating_point:
            values = values / np.float32(255)
    else:
        rows = load(calibration, **({"colour": True} if _coloured(path, program.shape) else {}))
        values = getattr(rows, "X", None) if hasattr(rows, "X") else getattr(rows, "pixels", None)
        if values is None:
            raise InvalidInput(f"{calibration}: texts; numbers or images are needed")
        labels = rows.y
    if len(values) == 0:
        raise InvalidInput(f"{calibration}: there is no sample in it")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0]))
        raise InvalidInput(f"{calibration}: X[{bad}] is not finite")
    if (
        values.ndim == 4
        and values.shape[1:] != program.shape
        and (values.shape[3], *values.shape[1:3]) == program.shape
    ):
        values = np.moveaxis(values, 3, 1)  # colours first
    if math.prod(values.shape[1:]) != math.prod(program.shape):
        raise InvalidInput(f"{calibration}: samples of shape {values.shape[1:]}, but the network takes {program.shape}")
    x = torch.tensor(np.ascontiguousarray(values)).to(program.dtype).reshape(len(values), *program.shape)
    return x, None if labels is None else torch.tensor(np.asarray(labels, dtype=np.int64))


def _coloured(path: Path, shape: tuple[int, ...]) -> bool:
    return path.is_dir() and not holds_idx(path) and len(shape) == 3 and shape[0] == 3
