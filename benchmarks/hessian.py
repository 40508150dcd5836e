"""Curvature of a ResNet20's loss: products with the Hessian, traces beside PyHessian layer by layer, memory."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks._timing import interleaved
from bitket.quantization.sensitivity import LossSurface, hessian_trace
from bitket.quantization.vision.networks import resnet20

LOSS = torch.nn.functional.cross_entropy


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rows of: one joint product over one gradient of the same batch; a probe of every layer on its own over one gradient; memory of the
    graph that a product needs over that of a training step; seconds to a relative error of the traces, PyHessian's over ours."""
    width, images, tolerance = (8, 32, 0.1) if quick else (16, 512, 0.05)
    generator = torch.Generator().manual_seed(0)
    model = resnet20(width, channels=1, stem_stride=2, generator=generator).eval()
    x = torch.randn(images, 1, 28, 28, generator=generator)
    y = torch.randint(10, (images,), generator=generator)
    return [_products(model, x, y, 3 if quick else 7), _memory(model, x, y), _traces(model, x, y, tolerance)]


def _products(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, runs: int) -> dict[str, Any]:
    parameters = list(model.parameters())
    surface = LossSurface(model, LOSS, [(x, y)])
    blocks = list(surface.blocks)
    probe = {b: [torch.randn_like(w) for w in surface.blocks[b].values()] for b in blocks}
    graph = next(iter(surface.graphs()))
    times = interleaved(
        {
            "gradient": lambda: torch.autograd.grad(LOSS(model(x), y), parameters),
            "joint": lambda: graph.product(blocks, probe),
            "separate": lambda: [graph.product([b], probe) for b in blocks],
        },
        runs,
    )
    return {
        "what": f"products, {len(blocks)} layers, {len(x)} images",
        "gradient ms": 1e3 * times["gradient"],
        "joint / gradient": times["joint"] / times["gradient"],
        "each layer alone / gradient": times["separate"] / times["gradient"] / len(blocks),
    }


def _memory(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    def held(create: bool) -> int:
        seen: dict[int, int] = {}

        def pack(t: torch.Tensor) -> torch.Tensor:
            seen[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            loss = LOSS(model(x), y)
            if create:
                kept = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
                del kept
        return sum(seen.values())

    step = held(False)
    return {"what": "memory kept for a product / for a training step", "MiB": step / 2**20, "ratio": held(True) / step}


def _traces(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, tolerance: float) -> dict[str, Any]:
    start = time.perf_counter()
    ours = hessian_trace(
        model, LOSS, [(x, y)], tolerance=tolerance, max_probes=1000, generator=torch.Generator().manual_seed(1)
    )
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    theirs = {n: pyhessian_trace(model, n, x, y, tolerance) for n in ours}
    peer = time.perf_counter() - start
    off = max(
        abs(t.value - theirs[n][0]) / (t.standard_error**2 + theirs[n][1] ** 2) ** 0.5
        for n, t in ours.items()
        if t.standard_error
    )
    return {
        "what": f"traces of all layers to {tolerance:.0%}",
        "ours s": seconds,
        "PyHessian / ours": peer / seconds,
        "probes": max(t.probes for t in ours.values()),
        "largest deviation in errors": off,
    }


def pyhessian_trace(
    model: torch.nn.Module, layer: str, x: torch.Tensor, y: torch.Tensor, tolerance: float
) -> tuple[float, float]:
    """PyHessian's estimate for one layer, ten probes at a time until the standard error is small enough, and that error."""
    from pyhessian import hessian

    for name, p in model.named_parameters():
        p.requires_grad_(name == f"{layer}.weight")
    try:
        torch.manual_seed(0)
        peer = hessian(model, LOSS, data=(x, y), cuda=False)
        values: list[float] = []
        while True:
            values += peer.trace(maxIter=10, tol=-1.0)
            spread = torch.tensor(values, dtype=torch.float64)
            mean, error = float(spread.mean()), float(spread.std() / len(values) ** 0.5)
            if error <= tolerance * abs(mean) or len(values) >= 1000:
                return mean, error
    finally:
        model.zero_grad()
        for p in model.parameters():
            p.requires_grad_(True)
