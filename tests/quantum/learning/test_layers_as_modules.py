"""What users do with any torch module, done with the layers that stand in classical ones' places."""

import copy
import io

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from bitket.quantum.learning.flipped import FlippedQuanv2d
from bitket.quantum.learning.reuploading import ReuploadingLinear


def model(dtype=torch.float32, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.nn.Sequential(
        FlippedQuanv2d(1, 2, 3, generator=g, dtype=dtype),
        torch.nn.Flatten(),
        ReuploadingLinear(32, 3, repetitions=2, generator=g, dtype=dtype),
    )


def images(n, dtype=torch.float32):
    return torch.randn(n, 1, 6, 6, dtype=dtype, generator=torch.Generator().manual_seed(1))


def test_state_copies_and_files_give_the_same_outputs():
    first, x = model(), images(4)
    expected = first(x)
    other = model(seed=5)
    assert not torch.equal(other(x), expected)
    other.load_state_dict(first.state_dict())
    assert torch.equal(other(x), expected)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    third = model(seed=6)
    third.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(third(x), expected)
    twin = copy.deepcopy(first)
    assert torch.equal(twin(x), expected)
    with torch.no_grad():
        twin[0].gates.theta += 1
    assert torch.equal(first(x), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precisions_and_batches_of_none_and_one(dtype):
    net, x = model(dtype), images(5, dtype)
    whole = net(x)
    assert whole.dtype == dtype
    torch.testing.assert_close(net(x[:1]), whole[:1])
    none = net(x[:0])
    assert none.shape == (0, 3)
    none.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
    converted = model(torch.float64).float()
    torch.testing.assert_close(
        converted(images(3)), model(torch.float64)(images(3).double()).float(), atol=1e-4, rtol=0
    )


class Scored(Dataset):
    """Samples that a worker's process runs through the network."""

    def __init__(self, net):
        self.net, self.x = net, images(6)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, k):
        with torch.no_grad():
            return self.net(self.x[k : k + 1])[0]


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_in_the_workers_of_a_loader(how):
    net = model()
    loaded = torch.cat(list(DataLoader(Scored(net), 3, num_workers=1, multiprocessing_context=how)))
    torch.testing.assert_close(loaded, net(images(6)).detach())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu():
    net, x = model(torch.float64), images(5, torch.float64)
    expected = net(x)
    slopes = torch.autograd.grad(expected.square().sum(), list(net.parameters()))
    moved = net.to("cuda")
    found = moved(x.to("cuda"))
    torch.testing.assert_close(found.cpu(), expected)
    for a, b in zip(torch.autograd.grad(found.square().sum(), list(moved.parameters())), slopes, strict=True):
        torch.testing.assert_close(a.cpu(), b, atol=1e-9, rtol=1e-8)
