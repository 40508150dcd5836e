"""Traces and eigenvalues beside PyHessian, which takes the blocks one at a time."""

import pytest
import torch

pytest.importorskip("pyhessian")

from tests.quantization.sensitivity.nets import batches

from bitket.quantization.sensitivity import hessian_trace, top_eigenvalues
from bitket.quantization.vision.networks import resnet8

LOSS = torch.nn.functional.cross_entropy


@pytest.fixture(scope="module")
def trained():
    generator = torch.Generator().manual_seed(0)
    model = resnet8(4, classes=4, channels=1, generator=generator).eval()
    return model, torch.randn(24, 1, 9, 9, generator=generator), torch.randint(4, (24,), generator=generator)


@pytest.mark.parametrize("layer", ["conv", "stages.1.0.skip.0", "stages.2.0.conv2", "head"])
def test_one_layer_at_a_time(trained, layer):
    from benchmarks.hessian import pyhessian_trace
    from pyhessian import hessian

    model, x, y = trained
    theirs, error = pyhessian_trace(model, layer, x, y, 0.05)
    blocks = {layer: [f"{layer}.weight"]}
    found = hessian_trace(
        model,
        LOSS,
        batches(x, y, (10, 14)),
        blocks,
        tolerance=0.05,
        max_probes=500,
        generator=torch.Generator().manual_seed(1),
    )[layer]
    assert found.relative_error <= 0.05
    assert abs(found.value - theirs) < 4 * (found.standard_error**2 + error**2) ** 0.5
    for name, p in model.named_parameters():
        p.requires_grad_(name == f"{layer}.weight")
    torch.manual_seed(0)
    peer = hessian(model, LOSS, data=(x, y), cuda=False).eigenvalues(maxIter=300, tol=1e-5)[0][0]
    model.zero_grad()
    ours = top_eigenvalues(
        model, LOSS, [(x, y)], blocks, tolerance=1e-6, max_iterations=500, generator=torch.Generator().manual_seed(2)
    )[layer]
    for p in model.parameters():
        p.requires_grad_(True)
    assert ours.value == pytest.approx(peer, rel=5e-3)
