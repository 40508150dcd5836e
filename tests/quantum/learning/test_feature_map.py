import copy
import io
import math

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitket.data.estimators import NotFitted
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, angle_encoding
from bitket.quantum.learning.feature_map import (
    CIRCUITS,
    FeatureLayer,
    QuantumFeatureMap,
    cascade_feature_map,
    folded_feature_map,
    interleaved_feature_map,
    recovered_features,
)

F64 = torch.float64


def drawn(count, n=5, seed=0):
    g = np.random.default_rng(seed)
    return np.column_stack([g.uniform(-np.pi / 2, np.pi / 2, count), g.uniform(0, np.pi, (count, n - 1))])


def layer(n=5, **options):
    return FeatureLayer(cascade_feature_map(n), dtype=F64, **options)


def closed_form(f):
    """The product of independent bits, its outcomes renamed by the cascade."""
    n = f.shape[1]
    zero = np.column_stack([(1 + np.sin(f[:, 0])) / 2, *(np.cos(f[:, q] / 2) ** 2 for q in range(1, n))])
    out = np.zeros((len(f), 1 << n))
    for bits in np.ndindex(*(2,) * n):
        p = np.prod([zero[:, q] if bits[q] == 0 else 1 - zero[:, q] for q in range(n)], axis=0)
        index = sum((sum(bits[: q + 1]) % 2) << q for q in range(n))
        out[:, index] += p
    return out


def test_probabilities_are_the_renamed_product():
    f = np.random.default_rng(1).uniform(-7, 7, (1000, 5))
    found = layer()(torch.tensor(f)).numpy()
    np.testing.assert_allclose(found, closed_form(f), atol=1e-12)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)


def test_probabilities_equal_pennylanes():
    qml = pytest.importorskip("pennylane")
    n = 5

    @qml.qnode(qml.device("default.qubit", wires=n))
    def node(x):
        for q in range(n):
            qml.RY(x[:, q], q)
        qml.Hadamard(0)
        for q in range(n - 1):
            qml.CNOT([q, q + 1])
        return qml.probs(wires=range(n - 1, -1, -1))  # their first wire is the most significant bit

    f = np.random.default_rng(2).uniform(-7, 7, (1000, n))
    np.testing.assert_allclose(layer()(torch.tensor(f)).numpy(), node(f), atol=1e-12)


def test_probabilities_equal_qiskits():
    info = pytest.importorskip("qiskit.quantum_info")
    qiskit = pytest.importorskip("qiskit")
    f = drawn(1)[0]
    c = qiskit.QuantumCircuit(5)
    for q in range(5):
        c.ry(f[q], q)
    c.h(0)
    for q in range(4):
        c.cx(q, q + 1)
    theirs = info.Statevector(c).probabilities_dict()  # keys: qubit 0 rightmost
    transformer = QuantumFeatureMap(scale=None).fit(drawn(2))
    ours = transformer.transform(f[None])[0]
    for name, p in zip(transformer.get_feature_names_out(), ours, strict=True):
        assert p == pytest.approx(theirs.get(name[1:], 0.0), abs=1e-12)


def test_order_of_bits():
    """Only the last qubit is turned over: bit 4 is 1, the others are 0 or, after the Hadamard gate, all turned."""
    p = layer()(torch.tensor([[0.0, 0, 0, 0, math.pi]], dtype=F64))[0]
    assert p.nonzero().ravel().tolist()[-2:] == [0b01111, 0b10000] or p[[0b01111, 0b10000]].sum() == pytest.approx(1)
    assert p[0b10000] == pytest.approx(0.5)
    z = layer(readout="expectations")(torch.tensor([[math.pi / 2, 0, math.pi, 0, 0]], dtype=F64))[0]
    np.testing.assert_allclose(z, [1, 1, -1, -1, -1], atol=1e-12)


def test_nothing_in_gives_all_zeros_and_all_ones():
    p = layer()(torch.zeros(1, 5, dtype=F64))[0]
    assert p[0] == pytest.approx(0.5)
    assert p[31] == pytest.approx(0.5)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_features_are_recovered(n):
    f = np.concatenate(
        [drawn(1000, n), np.zeros((1, n)), [[np.pi / 2] + [np.pi] * (n - 1)], [[-np.pi / 2] + [0] * (n - 1)]]
    )
    np.testing.assert_allclose(recovered_features(layer(n)(torch.tensor(f)).numpy()), f, atol=1e-8)
    with pytest.raises(InvalidInput, match="power of two"):
        recovered_features(np.ones(6))


def test_the_first_feature_is_folded_and_a_shift_unfolds_it():
    f = np.random.default_rng(3).uniform(0, np.pi, (200, 3))
    other = f.copy()
    other[:, 0] = np.pi - f[:, 0]
    plain = layer(3)
    torch.testing.assert_close(plain(torch.tensor(f)), plain(torch.tensor(other)))
    shifted = FeatureLayer(CIRCUITS["shifted"](3), dtype=F64)
    back = recovered_features(shifted(torch.tensor(f)).numpy())
    np.testing.assert_allclose(back + np.array([np.pi / 2, 0, 0]), f, atol=1e-8)


def test_another_map_does_not_give_a_product():
    """The closed form is the cascade's alone: after the same unnaming, bits of the IQP map depend on each other."""
    f = drawn(50, 3)
    outcome = np.arange(8)
    before = outcome ^ (outcome << 1) & 7

    def mutual(p):
        bits = before >> np.arange(3)[:, None] & 1
        ones = np.stack([p[:, b == 1].sum(1) for b in bits], 1)
        product = np.prod([np.where(b, ones[:, [q]], 1 - ones[:, [q]]) for q, b in enumerate(bits)], axis=0)
        return abs(p - product).max()

    assert mutual(layer(3)(torch.tensor(f)).numpy()) < 1e-12
    iqp = FeatureLayer(CIRCUITS["iqp"](3), dtype=F64)
    assert mutual(iqp(torch.tensor(f)).numpy()) > 0.01


def test_shots_scatter_as_a_multinomial():
    shots, repeats = 1024, 2000
    f = torch.tensor(drawn(1, 3)).expand(repeats, 3)
    exact = layer(3)(f[:1])[0]
    sampled = layer(3, shots=shots, generator=torch.Generator().manual_seed(0))(f)
    torch.testing.assert_close(sampled.sum(1), torch.ones(repeats, dtype=F64))
    assert ((sampled * shots).round() - sampled * shots).abs().max() < 1e-9
    expected = exact * (1 - exact) / shots
    found = (sampled - exact).square().mean(0)
    np.testing.assert_allclose(found, expected, rtol=0.1)
    covariance = ((sampled - exact)[:, 0] * (sampled - exact)[:, 1]).mean()
    assert covariance == pytest.approx(float(-exact[0] * exact[1] / shots), rel=0.5)


def test_gradients():
    x = torch.tensor(drawn(3, 3), requires_grad=True)
    for circuit in (cascade_feature_map(3), interleaved_feature_map(3, 2), folded_feature_map(3, 2)):
        for readout in ("probabilities", "expectations"):
            net = FeatureLayer(circuit, readout, dtype=F64, generator=torch.Generator().manual_seed(1))
            parameters = tuple(net.parameters())
            names = [name for name, _ in net.named_parameters()]

            def output(x, *values, net=net, names=names):
                return torch.func.functional_call(net, dict(zip(names, values, strict=True)), x)

            assert torch.autograd.gradcheck(output, (x, *parameters))
    sampled = layer(3, shots=100, generator=torch.Generator().manual_seed(0))
    slope = torch.autograd.grad(sampled(x)[:, 0].sum(), x)[0]
    torch.testing.assert_close(slope, torch.autograd.grad(layer(3)(x)[:, 0].sum(), x)[0])


def test_values_with_gradients_are_those_without():
    """With a gradient they come from expectation values, up to 6 qubits; else from the state."""
    for n in (1, 3, 7):
        x = torch.tensor(drawn(4, n))
        net = FeatureLayer(interleaved_feature_map(n, 2), dtype=F64, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            expected = net(x)
        torch.testing.assert_close(net(x), expected, atol=1e-13, rtol=0)
        assert net(x).requires_grad


def test_amplitudes():
    x = torch.randn(4, 6, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    plain = FeatureLayer(Circuit(3), encoding="amplitude", dtype=F64)
    expected = torch.nn.functional.pad(x / x.norm(dim=1, keepdim=True), (0, 2)).square()
    torch.testing.assert_close(plain(x), expected)
    turned = FeatureLayer(Circuit(3).h(0).cx(0, 1).rx(0.3, 2), encoding="amplitude", dtype=F64)
    assert torch.autograd.gradcheck(turned, x)
    torch.testing.assert_close(turned(3 * x), turned(x))
    found = QuantumFeatureMap(encoding="amplitude").fit_transform(x.detach().numpy())
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-12)
    with pytest.raises(InvalidInput, match="all zero"):
        plain(torch.zeros(1, 6, dtype=F64))


def test_as_any_torch_module():
    net = FeatureLayer(interleaved_feature_map(2), generator=torch.Generator().manual_seed(0))
    x = torch.rand(4, 2)
    other = FeatureLayer(interleaved_feature_map(2), generator=torch.Generator().manual_seed(9))
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(x), net(x))
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    assert net(x[:0]).shape == (0, 4)
    torch.testing.assert_close(net(x[:1]), net(x)[:1])
    assert net(x.double()).dtype == F64
    assert net(x.reshape(2, 2, 2)).shape == (2, 2, 4)
    if torch.cuda.is_available():
        moved = copy.deepcopy(net).cuda()
        torch.testing.assert_close(moved(x.cuda()).cpu(), net(x), atol=1e-5, rtol=1e-4)


def test_scaling_is_that_of_the_fitted_samples():
    train, other = np.random.default_rng(0).normal(size=(2, 200, 3))
    model = QuantumFeatureMap().fit(train)
    kept = model.transform(train[:5])
    np.testing.assert_allclose(model.angles(train.mean(0)[None]), np.pi / 2)
    assert model.angles(other * 100).min() == 0
    assert model.angles(other * 100).max() == pytest.approx(np.pi)
    model.transform(other)
    np.testing.assert_array_equal(model.transform(train[:5]), kept)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: QuantumFeatureMap().fit([[1.0, 2], [1, 3]]), "feature 0 has the same value in all samples"),
        (lambda: QuantumFeatureMap().fit([[1.0, math.nan], [1, 3]]), "NaN"),
        (lambda: QuantumFeatureMap().fit(drawn(9, 2)).transform(np.ones((2, 3))), "3 features"),
        (lambda: QuantumFeatureMap(angle_encoding(4)).fit(drawn(9, 3)), "3 features; its circuit takes 4"),
        (lambda: QuantumFeatureMap().fit(drawn(9, 40)), "40 features, one qubit each; 16 at most"),
        (lambda: QuantumFeatureMap("loop").fit(drawn(9, 2)), "circuit 'loop'; a circuit or one of cascade"),
        (lambda: QuantumFeatureMap(shots=0).fit(drawn(9, 2)), "0 shots"),
        (lambda: QuantumFeatureMap(readout="state").fit(drawn(9, 2)), "readout 'state'"),
        (lambda: QuantumFeatureMap(scale=2.0).fit(drawn(9, 2)), "two angles or None"),
        (lambda: QuantumFeatureMap(Circuit(1), encoding="amplitude").fit(drawn(9, 3)), "1 qubits have 2 amplitudes"),
        (lambda: QuantumFeatureMap(Circuit(2)).fit(drawn(9, 3)), "has no inputs cannot take features by angle"),
        (lambda: FeatureLayer(interleaved_feature_map(2)), "a generator is needed"),
    ],
)  # fmt: skip
def test_wrong_input_is_named_in_one_line(act, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_asked_too_early():
    with pytest.raises(NotFitted):
        QuantumFeatureMap().transform([[1.0]])


CHECKS = [
    pytest.param(made, check, id=f"{k}-{number}")
    for k, model in enumerate([QuantumFeatureMap(), QuantumFeatureMap("iqp", "expectations")])
    for number, (made, check) in enumerate(estimator_checks_generator(model))
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_keeps_scikit_learns_contract(estimator, check):
    check(estimator)
