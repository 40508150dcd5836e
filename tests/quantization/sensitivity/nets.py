"""Small networks in double precision with their exact Hessians."""

import torch
from torch import nn

LOSS = nn.functional.cross_entropy


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(6, 12), nn.Linear(12, 12), nn.Linear(12, 3)

    def forward(self, x):
        y = torch.tanh(self.first(x))
        return self.last(torch.tanh(self.inner(y)) + y)


def _mlp():
    return nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 12), nn.Tanh(), nn.Linear(12, 3))


def _conv():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 4, 3),
    )  # fmt: skip


def net(kind, seed=0):
    """A network of a kind ('mlp', 'conv', 'residual') and 23 samples."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = {"mlp": _mlp, "conv": _conv, "residual": Residual}[kind]().double()
        x = torch.randn(23, *((1, 8, 8) if kind == "conv" else (6,)), dtype=torch.float64)
        y = torch.randint(3, (23,))
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_(0, 0.3)
                m.running_var.uniform_(0.5, 2)
    return model.eval(), x, y


def exact(model, loss, x, y, name):
    """The Hessian's block of one parameter, ``[n, n]``."""
    weights = {n: p.detach() for n, p in model.named_parameters()}
    w = weights[name]

    def value(flat):
        return loss(torch.func.functional_call(model, weights | {name: flat.reshape(w.shape)}, (x,)), y)

    return torch.autograd.functional.hessian(value, w.flatten(), vectorize=True)


def batches(x, y, sizes=(1, 2, 3, 4, 5, 6, 2)):
    return list(zip(x.split(list(sizes)), y.split(list(sizes)), strict=True))
