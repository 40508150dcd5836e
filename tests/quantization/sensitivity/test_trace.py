import numpy as np
import pytest
import torch
from tests.quantization.sensitivity.nets import LOSS, batches, exact, net
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.sensitivity import Trace, activation_trace, hessian_trace, spectral_density
from bitket.quantization.sensitivity import trace as trace_module
from bitket.quantization.vision.networks import resnet8


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def signs_error(h, m):
    """The standard error that m probes of independent signs have."""
    return float(torch.sqrt(2 * (h.square().sum() - h.diagonal().square().sum()) / m))


@pytest.mark.parametrize("kind", ["mlp", "conv", "residual"])
def test_exact_traces_lie_within_the_reported_errors(kind):
    model, x, y = net(kind)
    dense = {n.removesuffix(".weight"): exact(model, LOSS, x, y, n) for n in _weights(model)}
    inside = dict.fromkeys(dense, 0)
    for seed in range(100):
        found = hessian_trace(
            model, LOSS, [(x, y)], tolerance=1e-9, max_probes=20, mode="separate", generator=generator(seed)
        )
        for b, t in found.items():
            assert t.probes == 20
            inside[b] += abs(t.value - float(dense[b].trace())) <= 3 * t.standard_error
    assert min(inside.values()) >= 97
    found = hessian_trace(
        model, LOSS, [(x, y)], tolerance=1e-9, max_probes=400, mode="separate", generator=generator(7)
    )
    for b, t in found.items():
        assert t.standard_error == pytest.approx(signs_error(dense[b], 400), rel=0.2)


def _weights(model):
    return [n for n, p in model.named_parameters() if p.dim() > 1]


def test_joint_probes_have_the_same_means_and_larger_errors():
    model, x, y = net("mlp")
    joint, separate = (
        hessian_trace(
            model, LOSS, batches(x, y, (10, 13)), tolerance=1e-9, max_probes=200, mode=mode, generator=generator()
        )
        for mode in ("joint", "separate")
    )
    for b, t in joint.items():
        trace = float(exact(model, LOSS, x, y, f"{b}.weight").trace())
        assert abs(t.value - trace) < 4 * t.standard_error
        assert t.standard_error > separate[b].standard_error
    auto = hessian_trace(model, LOSS, [(x, y)], tolerance=0.05, generator=generator())
    assert all(t.relative_error <= 0.05 or t.probes == 200 for t in auto.values())


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_large_eigenvalues_are_taken_out_exactly(kind, monkeypatch):
    monkeypatch.setattr(trace_module, "_MANY", 10)
    model, x, y = net(kind)
    exact_traces = {n.removesuffix(".weight"): float(exact(model, LOSS, x, y, n).trace()) for n in _weights(model)}
    monkeypatch.setattr(trace_module, "_work", lambda way, pilots, tolerance: way == "joint")
    values, errors = ({b: [] for b in exact_traces} for _ in range(2))
    for seed in range(24):
        found = hessian_trace(model, LOSS, [(x, y)], tolerance=1e-9, max_probes=20, generator=generator(seed))
        for b, t in found.items():
            values[b].append(t.value)
            errors[b].append(t.standard_error)
    for b, trace in exact_traces.items():  # no bias, and errors that are as large as reported
        assert abs(np.mean(values[b]) - trace) < 4 * np.std(values[b]) / 24**0.5
        assert 0.7 < np.sqrt(np.mean((np.array(values[b]) - trace) ** 2) / np.mean(np.square(errors[b]))) < 1.4
    plain = hessian_trace(model, LOSS, [(x, y)], tolerance=1e-9, max_probes=20, mode="separate", generator=generator())
    assert np.mean([np.mean(errors[b]) / plain[b].standard_error for b in plain]) < 0.8


def test_a_diagonal_hessian_needs_one_probe():
    class Separable(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.linspace(-1, 2, 30, dtype=torch.float64))

        def forward(self, x):
            return self.w[None] * x

    model, x = Separable(), torch.randn(8, 30, generator=generator(), dtype=torch.float64)
    found = hessian_trace(
        model, lambda z, t: (z**4).sum(1).mean(), [(x, x)], {"w": ["w"]}, mode="separate", generator=generator()
    )
    expected = float((12 * model.w.detach() ** 2 * (x**4).mean(0)).sum())
    assert found["w"].value == pytest.approx(expected, rel=1e-10)
    assert found["w"].standard_error < 1e-10 * expected
    assert found["w"].mean == found["w"].value / 30


def test_traces_of_a_relu_network_are_those_of_its_gauss_newton_matrix():
    """Between its kinks a ReLU network is linear in each layer's weights: Tr H_b = mean of E over its own labels of |dl/dW_b|^2."""
    model = resnet8(4, channels=1, generator=generator(3)).double().eval()
    x = torch.randn(6, 1, 12, 12, generator=generator(1), dtype=torch.float64)
    y = torch.randint(10, (6,), generator=generator(2))
    weights = {n: p for n, p in model.named_parameters() if p.dim() > 1}
    expected = dict.fromkeys(weights, 0.0)
    for k in range(6):
        log = model(x[k : k + 1]).log_softmax(1)[0]
        for c in range(10):
            for n, g in zip(
                weights, torch.autograd.grad(log[c], list(weights.values()), retain_graph=True), strict=True
            ):
                expected[n] += float(log[c].detach().exp() * g.square().sum()) / 6
    found = hessian_trace(
        model, LOSS, [(x[:4], y[:4]), (x[4:], y[4:])], tolerance=0.05, max_probes=150, generator=generator()
    )
    for b, t in found.items():
        assert abs(t.value - expected[f"{b}.weight"]) < 4 * t.standard_error
        assert t.relative_error < 0.1


@pytest.mark.parametrize("kind", ["mlp", "conv", "residual"])
def test_activation_traces_are_means_of_dense_ones(kind):
    model, x, y = net(kind)
    expected = {b: np.mean([float(h.trace()) for h in hs]) for b, hs in _dense_activations(model, x, y).items()}
    inside = dict.fromkeys(expected, 0)
    for seed in range(100):
        found = activation_trace(
            model, LOSS, [(x, y)], tolerance=1e-9, max_probes=20, mode="separate", generator=generator(seed)
        )
        for b, t in found.items():
            inside[b] += abs(t.value - expected[b]) <= 3 * t.standard_error
    assert min(inside.values()) >= 97
    many = activation_trace(model, LOSS, batches(x, y) * 2, tolerance=1e-9, max_probes=60, generator=generator())
    for b, t in many.items():
        assert abs(t.value - expected[b]) < 4 * t.standard_error


def _dense_activations(model, x, y):
    """Hessians of each sample's loss by each layer's own input."""
    found = {}
    for name, layer in model.named_modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        for k in range(len(x)):
            seen = []
            handle = layer.register_forward_pre_hook(lambda m, a, seen=seen: seen.append(a[0].detach()))
            model(x[k : k + 1])
            handle.remove()

            def value(flat, layer=layer, shape=seen[0].shape, k=k):
                handle = layer.register_forward_pre_hook(lambda m, a: (flat.reshape(shape),))
                out = LOSS(model(x[k : k + 1]), y[k : k + 1])
                handle.remove()
                return out

            found.setdefault(name, []).append(torch.autograd.functional.hessian(value, seen[0].flatten()))
    return found


def test_activation_errors_and_sizes():
    model, x, y = net("conv")
    dense = _dense_activations(model, x, y)
    found = activation_trace(
        model, LOSS, [(x, y)], ["3", "7"], tolerance=1e-9, max_probes=400, mode="separate", generator=generator()
    )
    for b, t in found.items():
        assert t.size == len(dense[b][0])
        assert t.standard_error == pytest.approx(sum(signs_error(h, 400) ** 2 for h in dense[b]) ** 0.5 / 23, rel=0.2)


class Killed(Exception):
    pass


@pytest.mark.parametrize("mode", ["auto", "separate", "joint", "dominant"])
def test_an_interrupted_estimation_ends_with_the_same_values(mode, tmp_path, monkeypatch):
    stop = 2
    if mode == "dominant":  # killed while large eigenvalues are being taken out
        monkeypatch.setattr(trace_module, "_MANY", 10)
        monkeypatch.setattr(trace_module, "_work", lambda way, pilots, tolerance: way == "joint")
        mode, stop = "auto", 3
    model, x, y = net("conv")
    data, path = batches(x, y, (20, 3)), tmp_path / "trace"
    options = {"mode": mode, "tolerance": 0.03, "max_probes": 45}
    whole = hessian_trace(model, LOSS, data, generator=generator(), **options)

    def kill(done, of):
        calls.append(done)
        if len(calls) == stop:
            raise Killed

    calls = []
    with pytest.raises(Killed):
        hessian_trace(model, LOSS, data, generator=generator(), checkpoint=path, callback=kill, **options)
    resumed = hessian_trace(model, LOSS, data, generator=generator(99), checkpoint=path, **options)
    assert resumed == whole
    assert max(t.probes for t in whole.values()) > 10
    with pytest.raises(InvalidInput, match="of another estimation"):
        hessian_trace(model, LOSS, data, generator=generator(), checkpoint=path, mode=mode, tolerance=0.01)


def test_what_cannot_be_estimated_is_refused():
    model, x, y = net("conv")
    for options in ({"tolerance": 0}, {"max_probes": 1}, {"mode": "fast"}):
        with pytest.raises(InvalidInput, match="a positive tolerance, at least 2 probes"):
            hessian_trace(model, LOSS, [(x, y)], generator=generator(), **options)
    with pytest.raises(InvalidInput, match="no layer 'a'"):
        activation_trace(model, LOSS, [(x, y)], ["a"], generator=generator())
    with pytest.raises(InvalidInput, match=r"'1' \(BatchNorm2d\) works on the batch"):
        activation_trace(model.train(), LOSS, [(x, y)], generator=generator())
    shared = nn.Linear(3, 3).double()
    with pytest.raises(InvalidInput, match="layer '0' runs more than once"):
        activation_trace(
            nn.Sequential(shared, nn.Tanh(), shared), LOSS, [(x[:, 0, 0, :3], y)], ["0"], generator=generator()
        )


def test_a_trace_says_how_sure_it_is():
    t = Trace.of([1.0, 2.0, 3.0], 4)
    assert (t.value, t.mean, t.probes) == (2.0, 0.5, 3)
    assert t.standard_error == pytest.approx(3**-0.5)
    assert t.relative_error == pytest.approx(3**-0.5 / 2)
    assert Trace.of([0.0, 0.0], 1).relative_error == 0
    assert Trace.of([-1.0, 1.0], 1).relative_error == float("inf")


def test_the_spectrum_has_the_moments_of_the_dense_hessian():
    model, x, y = net("residual")
    found = spectral_density(model, LOSS, [(x, y)], steps=100, probes=20, generator=generator())
    for b, s in found.items():
        values = np.linalg.eigvalsh(exact(model, LOSS, x, y, f"{b}.weight").numpy())
        assert s.size == len(values)
        np.testing.assert_allclose(s.weights.sum(1), 1, rtol=1e-12)
        for power in (1, 2):
            mean, error = s.moment(power)
            assert abs(mean - (values**power).mean()) < 4 * error
        assert s.nodes.max() == pytest.approx(values.max(), rel=1e-6)
        t = np.linspace(values.min() - 1, values.max() + 1, 4000)
        assert np.trapezoid(s.density(t, 0.02), t) == pytest.approx(1, abs=1e-6)


def test_lanczos_on_an_identity_ends_after_one_step():
    model = nn.Linear(6, 1, bias=False).double()
    x = torch.eye(6, dtype=torch.float64) * 3**0.5
    found = spectral_density(model, nn.functional.mse_loss, [(x, x[:, :1])], steps=5, probes=2, generator=generator())
    np.testing.assert_allclose(found[""].moment(1)[0], 1.0)
    np.testing.assert_allclose(found[""].weights[:, 0], 1.0)
    with pytest.raises(InvalidInput, match="0 steps"):
        spectral_density(model, nn.functional.mse_loss, [(x, x[:, :1])], steps=0, generator=generator())
