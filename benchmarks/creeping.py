"""Layers that stand in classical ones' places: time of a training step beside the direct ways to write them, and beside torch's layers.

The direct flipped quanvolution loops over patches and measures each as it is defined (its time is taken on a part of the batch, the rest
would take minutes); the direct re-uploading layer takes ``torch.linalg.matrix_exp`` of each sample in each repetition and leaves the
gradient to autograd.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch

from benchmarks._timing import interleaved, seconds
from bitket.quantum.learning.flipped import FlippedQuanv2d
from bitket.quantum.learning.reuploading import ReuploadingLinear
from bitket.quantum.learning.special_unitary import pauli_generator


def step(layer: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Callable[[], None]:
    """Forward and backward through a layer, for its input's gradient too."""
    x = x.clone().requires_grad_()
    return lambda: layer(x).square().mean().backward()


def patch_by_patch(layer: FlippedQuanv2d, images: torch.Tensor) -> torch.Tensor:
    """<psi|M|psi> of each patch M, for stride 1 and no padding."""
    k, side = layer.kernel_size[0], 1 << layer.gates.qubits
    psi = torch.linalg.matrix_exp(1j * pauli_generator(layer.gates.theta))[..., 0]
    rows = []
    for r in range(images.shape[2] - k + 1):
        row = []
        for c in range(images.shape[3] - k + 1):
            patch = torch.nn.functional.pad(images[:, :, r : r + k, c : c + k], (0, side - k, 0, side - k))
            observable = ((patch + patch.mT) / 2).to(psi.dtype)
            values = torch.einsum("oij,bijk,oik->bo", psi.conj(), observable, psi).real / layer.c_in
            row.append(values + layer.bias)
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


def direct(layer: ReuploadingLinear, x: torch.Tensor) -> torch.Tensor:
    """exp(i G / R) and U(theta_r) by ``matrix_exp``, one after the other."""
    side = 1 << layer.qubits
    matrix = torch.nn.functional.pad(x, (0, side * side - x.shape[1])).reshape(-1, side, side)
    g = (matrix + matrix.mT) / (2 * layer.repetitions)
    state = torch.full((len(x), side, 1), side**-0.5, dtype=torch.complex64)
    for theta in layer.gates.theta:
        state = torch.linalg.matrix_exp(1j * g) @ state
        state = torch.linalg.matrix_exp(1j * pauli_generator(theta)) @ state
    return (state[:, : layer.d_out, 0].abs() ** 2) + layer.bias


def peak_megabytes(batch: int, repetitions: int) -> float:
    """Memory that a process needs for one step on 12,544 features beyond what it had before (Linux alone)."""
    code = (
        "import re, torch; from benchmarks.creeping import *; torch.set_num_threads(1);"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]);"
        f"layer = ReuploadingLinear(12544, 10, repetitions={repetitions}); x = torch.randn({batch}, 12544);"
        f"step(layer, x[:2])(); before = peak(); step(layer, x)(); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024 / 1e6


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of a layer, its time for a step in milliseconds, and the others' times over it."""
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    runs = 3 if quick else 7
    for c_in, c_out, side in ((1, 32, 32), (32, 16, 30)):
        flipped, plain = FlippedQuanv2d(c_in, c_out), torch.nn.Conv2d(c_in, c_out, 3)
        x = torch.randn(64, c_in, side, side)
        times = interleaved({"ours": step(flipped, x), "Conv2d": step(plain, x)}, runs)
        part = 2 if quick else 8
        few = x[:part]
        deviation = float((flipped(few) - patch_by_patch(flipped, few)).detach().abs().max())
        peer = seconds(step(lambda t, layer=flipped: patch_by_patch(layer, t), few), 1)
        alone = seconds(step(flipped, few), runs)
        rows.append(
            {
                "layer": f"FlippedQuanv2d({c_in}, {c_out}), 64 of {side} x {side}",
                "step ms": 1e3 * times["ours"],
                "step / Conv2d": times["ours"] / times["Conv2d"],
                f"patch by patch / step ({part} images)": peer / alone,
                "deviation": deviation,
            }
        )
    batch = 20 if quick else 200
    layer, x = ReuploadingLinear(12544, 10), torch.randn(batch, 12544)
    with torch.no_grad():
        deviation = float((layer(x[:4]) - direct(layer, x[:4])).abs().max())
    ours = seconds(step(layer, x), runs)
    peer = seconds(step(lambda t: direct(layer, t), x), 1)
    rows.append(
        {
            "layer": f"ReuploadingLinear(12544, 10), batch {batch}",
            "step ms": 1e3 * ours,
            "direct / step": peer / ours,
            "deviation": deviation,
        }
    )
    for b, r in ((100, 10), (200, 10), (200, 20)):
        rows.append({"layer": f"its memory, batch {b}, {r} repetitions", "MB": peak_megabytes(b, r)})
    return rows


__all__ = ["ReuploadingLinear", "run", "step"]
