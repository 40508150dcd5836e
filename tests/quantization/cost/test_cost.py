import math

import pytest
import torch
from tests.quantization.allocation import resnet18 as published
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.cost import (
    bit_operation_table,
    bit_operations,
    float_bytes,
    multiplications,
    size_table,
    stored_bytes,
    weight_compression,
)
from bitket.quantization.grids import Scheme
from bitket.quantization.vision.networks import ResNet, resnet8, resnet18, resnet20, resnet50


def meta(make, *arguments):
    with torch.device("meta"):
        return make(*arguments).eval()


def layers(model):
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def test_resnet18_has_the_published_counts():
    model = meta(resnet18)
    macs = multiplications(model, torch.empty(2, 3, 224, 224))
    inner = [n for n in layers(model) if n not in ("conv", "head")]
    assert [macs[n] for n in _published_order(inner)] == published.MULTIPLICATIONS
    assert [layers(model)[n].weight.numel() for n in _published_order(inner)] == published.WEIGHTS
    assert sum(macs.values()) == pytest.approx(1814.07e6, rel=1e-5)
    # uniform rows of HAWQ-V3's table 1, G; first and last layer at 8 bits
    for bits, expected in ((8, 116.1), (4, 34.7)):
        width = {n: bits if n in inner else 8 for n in macs}
        assert bit_operations(macs, width, width) / 1e9 == pytest.approx(expected, abs=0.05)
    assert sum(macs.values()) * 32 * 32 / 1e9 == pytest.approx(1857.6, abs=0.05)


def _published_order(inner):
    """The skip convolution stands after its block's second one."""
    return sorted(
        inner, key=lambda n: (*map(int, n.split(".")[1:3]), {"conv1": 0, "conv2": 1, "skip": 2}[n.split(".")[3]])
    )


def test_sizes_of_the_published_networks():
    assert float_bytes(meta(resnet18)) / 2**20 == pytest.approx(44.6, abs=0.05)
    large = meta(resnet50)
    assert float_bytes(large) / 2**20 == pytest.approx(97.5, abs=0.05)
    assert sum(multiplications(large, torch.empty(1, 3, 224, 224)).values()) == pytest.approx(4089e6, rel=1e-3)
    assert float_bytes(meta(resnet20)) / 2**20 == pytest.approx(1.04, abs=0.01)
    eight = {n: {8: Scheme.parse("int8-c0")} for n in layers(large)}
    table, rest = size_table(large, eight)
    assert (sum(r[8] for r in table.values()) + rest) / 2**20 == pytest.approx(24.5, rel=0.02)


def test_compression_of_resnet50_is_hand_arithmetic():
    weights = {n: m.weight.numel() for n, m in layers(meta(resnet50)).items()}
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        bits = {n: int(torch.randint(2, 9, (), generator=generator)) for n in weights}
        by_width = {b: sum(n for k, n in weights.items() if bits[k] == b) for b in range(2, 9)}
        assert weight_compression(weights, bits) == 32 * sum(weights.values()) / sum(b * n for b, n in by_width.items())
    assert weight_compression(weights, dict.fromkeys(weights, 8)) == 4


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("int4", 4), ("int4-c0", 40), ("int4-c0-asym", 50), ("int4-c0-pow2", 10), ("int4-c0-dyadic31", 50), ("int4-c0-dyadic8", 20),
        ("int3-g8", 10 * 4 * 4), ("int3-g8-nested4", 10 * 2 + 10 * 4), ("int3-g8-nested4t", 10 * 2 + 4),
    ],
)  # fmt: skip
def test_stored_bytes_by_hand(name, extra):
    scheme = Scheme.parse(name)
    assert stored_bytes((10, 30), scheme) == 10 * math.ceil(30 * scheme.bits / 8) + extra


def test_counting_is_that_of_each_layer_by_hand():
    model = resnet8(4, channels=1)
    macs = multiplications(model, torch.randn(3, 1, 9, 9))
    seen = {}
    for name, m in layers(model).items():
        m.register_forward_hook(lambda m, a, out, name=name: seen.update({name: out.numel() * m.weight[0].numel()}))
    model(torch.randn(1, 1, 9, 9))
    assert macs == seen

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.query = nn.Linear(5, 4)

        def forward(self, x):
            return torch.matmul(self.query(x), x)

    assert multiplications(Attention(), torch.randn(2, 4, 5)) == {"": 4 * 4 * 5, "query": 4 * 5 * 4}


def test_tables_and_limits():
    table = bit_operation_table({"a": 3}, {"a": {"w4a8": (4, 8), 2: (2, 2)}})
    assert table == {"a": {"w4a8": 96.0, 2: 12.0}}
    with pytest.raises(InvalidInput, match="no layer 'x' with a weight"):
        size_table(resnet20(), {"x": {}})
    with pytest.raises(InvalidInput, match=r"a run of shapes \(1, 5\) through ResNet fails"):
        multiplications(resnet8(), torch.randn(1, 5))
    with pytest.raises(InvalidInput, match="0 channels"):
        ResNet(None, (1,), 4, channels=0)
