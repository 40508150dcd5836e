"""Grids against gfloat, ml_dtypes, Brevitas, ONNX's reference evaluator, ONNX Runtime and torch's decomposed operators."""

import numpy as np
import pytest
import torch
import torch.ao.quantization.fx._decomposed  # registers torch.ops.quantized_decomposed

from bitket.quantization.grids import Scheme, minifloat, pack, quantize, rounded, scales_of
from bitket.quantization.grids.minifloat import float_codes, float_decode

FORMATS = [(e, w - 1 - e) for w in range(3, 9) for e in range(1, min(6, w))]


def values(scheme, count, seed=0):
    v = np.random.default_rng(seed).normal(size=count) * min(scheme.largest, 1e4) / 2
    return np.concatenate([v, v * 1e-2, -v * 1e-4])


@pytest.mark.parametrize(("e", "m"), [f for f in FORMATS if f[1] >= 1], ids=str)
def test_gfloat(e, m):
    gfloat = pytest.importorskip("gfloat")
    scheme = minifloat(e, m)
    theirs = gfloat.FormatInfo(
        name=str(scheme), k=scheme.bits, precision=m + 1, bias=scheme.exponent_bias, is_signed=True,
        domain=gfloat.Domain.Finite, has_nz=True, num_high_nans=0, has_subnormals=True, is_twos_complement=False,
    )  # fmt: skip
    v = values(scheme, 33_400)
    want = gfloat.round_ndarray(theirs, v, gfloat.RoundMode.TiesToEven, sat=True)
    assert np.array_equal(rounded(torch.from_numpy(v), scheme, torch.ones((), dtype=torch.float64)).numpy(), want)
    decoded = [gfloat.decode_float(theirs, c).fval for c in range(1 << scheme.bits)]
    assert np.array_equal(float_decode(torch.arange(1 << scheme.bits), scheme).numpy(), decoded)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("e2m1", "float4_e2m1fn"), ("e2m3", "float6_e2m3fn"), ("e3m2", "float6_e3m2fn"), ("e4m3-nan", "float8_e4m3fn"),
        ("e5m2-ieee", "float8_e5m2"),
    ],
)  # fmt: skip
def test_ml_dtypes(name, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    scheme = Scheme.parse(name)
    v = np.clip(values(scheme, 5000), -scheme.largest, scheme.largest).astype(np.float32)
    theirs = v.astype(getattr(ml_dtypes, dtype))
    ours = rounded(torch.from_numpy(v), scheme, torch.ones(()))
    assert np.array_equal(ours.numpy(), theirs.astype(np.float32))
    assert np.array_equal(float_codes(ours, scheme).numpy(), theirs.view(np.uint8))


@pytest.mark.parametrize(("e", "m"), [(2, 1), (3, 2), (4, 3), (3, 4), (5, 2)], ids=str)
def test_brevitas_minifloats(e, m):
    pytest.importorskip("brevitas")
    from brevitas.nn import QuantLinear
    from brevitas.quant.float import Fp8e4m3WeightPerChannelFloat

    torch.manual_seed(e * 10 + m)
    layer = QuantLinear(
        64, 20, bias=False, weight_quant=Fp8e4m3WeightPerChannelFloat, weight_bit_width=1 + e + m,
        weight_exponent_bit_width=e, weight_mantissa_bit_width=m, weight_exponent_bias=2 ** (e - 1) - 1,
    ).eval()  # fmt: skip
    scheme = Scheme.parse(f"e{e}m{m}-c0")
    w = layer.weight.detach()
    ours = rounded(w, scheme, *scales_of(w, scheme))
    assert torch.allclose(ours, layer.quant_weight().value, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["int8-c0", "uint8-asym", "uint8-c0-asym", "int16-c0", "int4-c0", "uint4-asym", "int4-g8@1", "int2-c0"]
)
def test_onnx_quantize_linear(name):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    scheme = Scheme.parse(name)
    x = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    scale, zero = scales_of(x, scheme)
    codes = quantize(x, scheme, scale, zero)
    kind = {"int8": "INT8", "uint8": "UINT8", "int16": "INT16", "int4": "INT4", "uint4": "UINT4", "int2": "INT2"}[
        name.split("-")[0]
    ]
    zeros = np.zeros(scale.shape, dtype=np.int64) if zero is None else zero.numpy()
    extra = {"axis": 1, "block_size": 8} if "g8" in name else {"axis": 0}
    helper = onnx.helper
    zero_point = helper.make_tensor("z", getattr(onnx.TensorProto, kind), list(scale.shape), zeros.ravel().tolist())
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], **extra),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], **extra),
        ],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(n, t, x.shape) for n, t in (("q", getattr(onnx.TensorProto, kind)), ("y", 1))],
        [onnx.numpy_helper.from_array(scale.numpy(), "s"), zero_point],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25 if kind == "INT2" else 21)])
    q, y = ReferenceEvaluator(model).run(None, {"x": x.numpy()})
    assert np.array_equal(np.asarray(q).astype(np.int64), codes.numpy().astype(np.int64))
    assert np.array_equal(y, rounded(x, scheme, scale, zero).numpy())
    if kind.endswith("4"):  # our packing is ONNX's: low nibble first
        packed = onnx.helper.make_tensor(
            "t", getattr(onnx.TensorProto, kind), list(codes.shape), codes.flatten().tolist()
        )
        assert packed.raw_data == b""
        stored = bytes(b & 255 for b in packed.int32_data)
        assert stored == bytes(pack(codes.flatten(), 4).tolist())


@pytest.mark.parametrize("name", ["int8", "uint8-asym"])
def test_torch_decomposed(name):
    scheme = Scheme.parse(name)
    x = torch.randn(7, 90, generator=torch.Generator().manual_seed(2))
    scale, zero = scales_of(x, scheme)
    ops = torch.ops.quantized_decomposed
    dtype = torch.int8 if scheme.signed else torch.uint8
    z = 0 if zero is None else int(zero)
    theirs = ops.quantize_per_tensor(x, float(scale), z, scheme.lowest, scheme.highest, dtype)
    ours = quantize(x, scheme, scale, zero)
    # They multiply by 1/s: ties, and what round-off brings next to them, may part.
    apart = theirs != ours
    assert bool(((x / scale)[apart].frac().abs() - 0.5).abs().lt(1e-4).all())
    assert apart.sum() <= 2
    y = ops.dequantize_per_tensor(ours, float(scale), z, scheme.lowest, scheme.highest, dtype)
    assert torch.equal(y, rounded(x, scheme, scale, zero))
