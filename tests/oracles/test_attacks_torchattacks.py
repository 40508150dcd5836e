"""FGSM, BIM and PGD against torchattacks on the same modules: a convolution, and a circuit behind a dense layer."""

import pytest
import torch

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.learning.attacks import bim, fgsm, pgd
from bitket.quantum.simulation import QuantumLayer

torchattacks = pytest.importorskip("torchattacks")

BOUNDS = (0.0, 1.0)


def convolution():
    torch.manual_seed(3)
    layers = [torch.nn.Conv2d(2, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(4 * 16, 3)]
    return torch.nn.Sequential(*layers).double()


def hybrid():
    torch.manual_seed(4)
    c = Circuit(3)
    for q in range(3):
        c.ry(Parameter(f"x{q}", "input"), q).rz(Parameter(f"w{q}"), q)
    c.cx(0, 1).cx(1, 2).rx(Parameter("v"), 2)
    operators = [PauliSum.from_sparse([("Z", [q], 1.0)], 3) for q in range(3)]
    quantum = QuantumLayer(c, operators, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(72, 3).double(), quantum)


@pytest.fixture(params=[convolution, hybrid], ids=["convolution", "hybrid"])
def attacked(request):
    generator = torch.Generator().manual_seed(7)
    x = torch.rand(12, 2, 6, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (12,), generator=generator)
    return request.param().eval(), x, y


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.6])
def test_fgsm_is_torchattacks(attacked, epsilon):
    model, x, y = attacked
    theirs = torchattacks.FGSM(model, eps=epsilon)(x, y)
    torch.testing.assert_close(fgsm(model, x, y, epsilon, bounds=BOUNDS).x, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("epsilon", "steps", "step"), [(0.1, 10, 0.02), (0.3, 25, 0.05), (0.02, 3, 0.05)])
def test_pgd_is_torchattacks(attacked, epsilon, steps, step):
    model, x, y = attacked
    theirs = torchattacks.PGD(model, eps=epsilon, alpha=step, steps=steps, random_start=False)(x, y)
    torch.testing.assert_close(pgd(model, x, y, epsilon, steps, step, bounds=BOUNDS).x, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("epsilon", "steps", "step"), [(0.5, 10, 0.1), (2.0, 25, 0.2), (0.05, 3, 0.2)])
def test_pgd_in_the_euclidean_norm_is_torchattacks(attacked, epsilon, steps, step):
    model, x, y = attacked
    theirs = torchattacks.PGDL2(model, eps=epsilon, alpha=step, steps=steps, random_start=False)(x, y)
    torch.testing.assert_close(pgd(model, x, y, epsilon, steps, step, "2", bounds=BOUNDS).x, theirs, rtol=0, atol=1e-6)


def test_bim_is_torchattacks(attacked):
    model, x, y = attacked
    theirs = torchattacks.BIM(model, eps=0.08, alpha=0.01, steps=12)(x, y)
    torch.testing.assert_close(bim(model, x, y, 0.08, 12, 0.01, bounds=BOUNDS).x, theirs, rtol=0, atol=1e-9)
