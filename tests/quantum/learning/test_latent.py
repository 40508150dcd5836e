"""Latent circuits: closed forms, gradients three ways, dead ones refused, what torch asks of a module."""

import copy
import io
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, angle_encoding, qaoa_ansatz, random_circuit, real_amplitudes
from bitket.quantum.learning.latent import (
    LATENTS,
    LatentCircuit,
    QAOALayer,
    conserved,
    latent_layer,
    qaoa_circuit,
    require_alive,
)
from bitket.quantum.simulation import expectation, statevector


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def z_of_each(n):
    return [PauliSum.from_sparse([("Z", [q], 1.0)], n) for q in range(n)]


def layer_of(n, depth, **options):
    return QAOALayer(n, depth, generator=drawn(n), dtype=torch.float64, **options)


def test_features_turn_by_pi_tanh():
    layer = layer_of(4, 2)
    z = torch.randn(5, 4, generator=drawn(), dtype=torch.float64)
    torch.testing.assert_close(layer(z), layer.values(layer.weights, math.pi * torch.tanh(z)))


@pytest.mark.parametrize("n", [4, 5, 8])
def test_one_layer_without_data_has_its_closed_form(n):
    """Spec: <Z_i Z_i+1> = sin 4β sin 4γ / 2 on a ring, <Z_i> = 0."""
    c = qaoa_circuit(n, 1, embedding=None)
    rng = np.random.default_rng(n)
    weights = rng.uniform(-np.pi, np.pi, (20, 2))
    order = [p.name for p in c.weights]
    gamma, beta = (weights[:, order.index(name)] for name in ("gamma[0]", "beta[0]"))
    pairs = [PauliSum.from_sparse([("ZZ", [q, (q + 1) % n], 1.0)], n) for q in range(n)]
    values = expectation(c, [*pairs, *z_of_each(n)], weights).numpy()
    np.testing.assert_allclose(
        values[:, :n], (np.sin(4 * beta) * np.sin(4 * gamma) / 2)[:, None].repeat(n, 1), atol=1e-12
    )
    np.testing.assert_allclose(values[:, n:], 0, atol=1e-12)


@pytest.mark.parametrize(("graph", "multi_angle"), [("ring", False), ("line", True), ("complete", False)])
def test_without_costs_qubits_are_independent(graph, multi_angle):
    """Spec: with all γ = 0, <Z_i> = -sin z_i cos(2 Σ β)."""
    n, depth = 4, 3
    c = qaoa_circuit(n, depth, graph, multi_angle)
    rng = np.random.default_rng(1)
    z = rng.uniform(-np.pi, np.pi, (9, n))
    beta = rng.uniform(-1, 1, (depth, n)) if multi_angle else rng.uniform(-1, 1, (depth, 1)).repeat(n, 1)
    value = {f"beta[{k},{q}]" if multi_angle else f"beta[{k}]": beta[k, q] for k in range(depth) for q in range(n)}
    weights = np.array([value.get(p.name, 0.0) for p in c.weights])
    found = expectation(c, z_of_each(n), weights, z).numpy()
    np.testing.assert_allclose(found, -np.sin(z) * np.cos(2 * beta.sum(0)), atol=1e-12)


@pytest.mark.parametrize("multi_angle", [False, True])
@pytest.mark.parametrize("graph", ["ring", "complete", [(0, 2), (1, 3)]])
def test_three_gradients_agree(graph, multi_angle):
    n = 4
    c = qaoa_circuit(n, 2, graph, multi_angle)
    rng = np.random.default_rng(3)
    w = torch.tensor(rng.uniform(-3, 3, len(c.weights)), requires_grad=True)
    x = torch.tensor(rng.uniform(-3, 3, (3, n)), requires_grad=True)
    upstream = torch.tensor(rng.normal(size=(3, n)))

    def loss(w, x, gradient="auto"):
        return (expectation(c, z_of_each(n), w, x, gradient=gradient) * upstream).sum()

    reverse = torch.autograd.grad(loss(w, x), (w, x))
    for method in ("parameter_shift", "backprop"):
        for a, b in zip(torch.autograd.grad(loss(w, x, method), (w, x)), reverse, strict=True):
            torch.testing.assert_close(a, b, atol=1e-8, rtol=0)
    step = 1e-5
    with torch.no_grad():
        for k in range(len(w)):
            e = torch.zeros_like(w)
            e[k] = step
            finite = (loss(w + e, x) - loss(w - e, x)) / (2 * step)
            assert abs(finite - reverse[0][k]) < 1e-5


def test_one_shift_of_a_shared_angle_is_wrong():
    """Σ ZZ has more than two eigenvalues: shifting γ as a whole by the two-term rule of RZZ(2γ) misses the slope."""
    n = 4
    c = qaoa_circuit(n, 1)
    rng = np.random.default_rng(5)
    w = torch.tensor(rng.uniform(-1, 1, 2), requires_grad=True)
    x = torch.tensor(rng.uniform(-2, 2, n))
    (exact,) = torch.autograd.grad(expectation(c, z_of_each(n), w, x, gradient="parameter_shift").sum(), w)
    k = [p.name for p in c.weights].index("gamma[0]")
    e = torch.zeros(2, dtype=torch.float64)
    e[k] = math.pi / 4  # RZZ(2γ) turned by π/2
    with torch.no_grad():
        naive = (expectation(c, z_of_each(n), w + e, x) - expectation(c, z_of_each(n), w - e, x)).sum()
    assert abs(naive - exact[k]) > 0.05 * abs(exact[k])


def test_evaluations_of_a_step_by_shifts(monkeypatch):
    """Spec: 2 (p|E| + pn + n) circuits a step, for the slopes of all weights and inputs."""
    from bitket.quantum.simulation.parameter_shift import ByShifts

    seen = []
    kept = ByShifts._engine

    def engine(self, asked):
        found = kept(self, asked)

        class Counting:
            @staticmethod
            def values(asked):
                seen.append(math.prod(asked.batch))
                return found.values(asked)

        return Counting

    monkeypatch.setattr(ByShifts, "_engine", engine)
    n, depth = 5, 2
    layer = layer_of(n, depth, gradient="parameter_shift")
    layer(torch.randn(1, n, dtype=torch.float64, requires_grad=True)).sum().backward()
    assert seen == [1, 2 * (depth * n + depth * n + n)]


# -- dead ones ------------------------------------------------------------------------------------------------------------
def label(x, z, n):
    return "".join("IXZY"[(x >> q & 1) | (z >> q & 1) << 1] for q in reversed(range(n)))


@pytest.mark.parametrize("embedding", [None, "rx"])
@pytest.mark.parametrize("graph", ["ring", "line", "complete"])
def test_the_parity_of_qaoa_is_found(embedding, graph):
    assert [label(*g, 5) for g in conserved(qaoa_circuit(5, 2, graph, embedding=embedding))] == ["XXXXX"]
    assert conserved(qaoa_circuit(5, 2, graph)) == []
    assert [label(*g, 3) for g in conserved(qaoa_ansatz({(0, 1): 1.0, (1, 2): 0.5}, 3))] == ["XXX"]


def test_a_dead_layer_can_be_built_and_simulated_but_is_refused():
    layer = layer_of(4, 2, embedding="rx")
    z = torch.randn(6, 4, generator=drawn(), dtype=torch.float64)
    torch.testing.assert_close(layer(z), torch.zeros(6, 4, dtype=torch.float64), atol=1e-12, rtol=0)
    with pytest.raises(InvalidInput, match=r"every output is zero.*conserves XXXX"):
        require_alive(layer)


def test_data_that_never_reach_the_readout_are_refused():
    c = Circuit(2).ry(Parameter("w"), 0).ry(Parameter("v"), 1)
    c.rz(Parameter("x", "input"), 0).rz(Parameter("y", "input"), 1)
    with pytest.raises(InvalidInput, match="no output depends on the data"):
        require_alive(LatentCircuit(c, weights=[0.3, 0.4]))


@pytest.mark.parametrize("name", [n for n in LATENTS if isinstance(latent_layer(n, 2, 1, drawn()), LatentCircuit)])
def test_circuits_of_the_table_are_alive(name):
    require_alive(latent_layer(name, 4, 2, drawn()))


@given(st.integers(0, 10_000), st.integers(2, 4))
@settings(max_examples=30, deadline=None)
def test_what_is_said_to_be_conserved_is(seed, n):
    """P U|0> = ±U|0>, for random circuits and values, by the states themselves."""
    rng = np.random.default_rng(seed)
    free = [Parameter("a"), Parameter("b", "input")]
    c = random_circuit(
        n, 4, rng, names=("h", "s", "cx", "cz", "rzz", "rx", "crz", "t", "swap"), parameters=free, max_controls=1
    )
    group = conserved(c)
    values = {p: float(v) for p, v in zip(c.parameters, rng.uniform(-3, 3, 2), strict=False)}
    state = statevector(c.bind(values)).numpy()
    for x, z in group:
        value = (PauliSum.from_masks(n, [(1.0, x, z)]).matrix() @ state).conj() @ state
        assert abs(abs(value) - 1) < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_of_clifford_circuits_all_is_found(seed):
    c = random_circuit(4, 8, np.random.default_rng(seed), names=("h", "s", "cx", "cz", "swap", "sx", "iswap"))
    group = conserved(c)
    bits = np.array([[(x | z << 4) >> k & 1 for k in range(8)] for x, z in group])
    assert len(group) == 4
    assert (
        len(
            {
                tuple(np.bitwise_xor.reduce(bits[np.array(s, dtype=bool)], axis=0))
                for s in np.ndindex(2, 2, 2, 2)
                if any(s)
            }
        )
        == 15
    )


# -- what torch asks ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [(), (0,), (1,), (7,), (2, 3)])
def test_batches_and_precisions(dtype, batch):
    layer = QAOALayer(3, 2, generator=drawn(), dtype=dtype)
    z = torch.randn(*batch, 3, dtype=dtype, requires_grad=True)
    out = layer(z)
    assert (out.shape, out.dtype) == ((*batch, 3), dtype)
    out.sum().backward()
    assert z.grad.shape == z.shape
    assert layer.weights.grad.dtype == dtype


def test_a_layer_becomes_double():
    layer = QAOALayer(3, 1, generator=drawn()).double()
    assert layer(torch.zeros(2, 3, dtype=torch.float64)).dtype == torch.float64


def test_copies_and_files(tmp_path):
    layer = QAOALayer(3, 2, generator=drawn())
    z = torch.randn(4, 3, generator=drawn())
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(z), layer(z))
        with torch.no_grad():
            other.weights.zero_()
        assert not torch.equal(other(z), layer(z))
    stored = io.BytesIO()
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    other = QAOALayer(3, 2, generator=drawn(9))
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert torch.equal(other(z), layer(z))


class _ThroughALayer(torch.utils.data.Dataset):
    def __init__(self, layer):
        self.layer = layer

    def __len__(self):
        return 6

    def __getitem__(self, k):
        with torch.no_grad():
            return self.layer(torch.full((3,), k / 5))


def test_workers_of_a_loader_use_a_layer():
    layer = QAOALayer(3, 1, generator=drawn())
    loader = torch.utils.data.DataLoader(_ThroughALayer(layer), batch_size=3, num_workers=2, timeout=120)
    expected = layer(torch.arange(6.0)[:, None].expand(6, 3) / 5)
    torch.testing.assert_close(torch.cat(list(loader)), expected)


def test_the_torch_path_is_the_same(monkeypatch):
    """What another device runs: the twin in torch operators."""
    from bitket.quantum.simulation import native

    layer = layer_of(4, 2)
    z = torch.randn(5, 4, generator=drawn(), dtype=torch.float64, requires_grad=True)
    compiled = torch.autograd.grad(layer(z).square().sum(), (z, layer.weights))
    monkeypatch.setattr(native, "core", None)
    for a, b in zip(torch.autograd.grad(layer(z).square().sum(), (z, layer.weights)), compiled, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same():
    layer = layer_of(4, 2)
    z = torch.randn(5, 4, generator=drawn(), dtype=torch.float64)
    there = copy.deepcopy(layer).to("cuda")(z.to("cuda"))
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), layer(z), atol=1e-12, rtol=0)


def test_parameters_of_the_table():
    count = {name: sum(p.numel() for p in latent_layer(name, 8, 3, drawn()).parameters()) for name in LATENTS}
    assert count == {
        "qaoa": 6, "qaoa-multi": 48, "qaoa-fixed": 6, "hardware-efficient": 48, "real-amplitudes": 24, "strongly-entangling": 72,
        "product": 48, "random": 72, "identity": 0, "sine": 0, "repeated": 6, "dense": 72, "wide": 552,
    }  # fmt: skip
    trained = {name for name in LATENTS if any(p.requires_grad for p in latent_layer(name, 4, 1, drawn()).parameters())}
    assert {"qaoa-fixed", "random", "identity", "sine"}.isdisjoint(trained)
    assert len(trained) == len(LATENTS) - 4


def test_the_sine_is_a_circuit_without_gates():
    c = Circuit(3)
    for q in range(3):
        c.h(q)
    bare = LatentCircuit(c.compose(angle_encoding(3)), weights=[])
    z = torch.randn(4, 3, generator=drawn())
    torch.testing.assert_close(latent_layer("sine", 3, 1, drawn())(z), -bare(z), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: QAOALayer(1, 1, generator=drawn()), "needs at least 2"),
        (lambda: QAOALayer(3, -1, generator=drawn()), "reps = -1"),
        (lambda: QAOALayer(3, 1, "star", generator=drawn()), "graph 'star'"),
        (lambda: QAOALayer(3, 1, [(0, 3)], generator=drawn()), r"term \(0, 3\)"),
        (lambda: QAOALayer(3, 1, embedding="h", generator=drawn()), "embedding 'h'"),
        (lambda: LatentCircuit(real_amplitudes(2, 1), generator=drawn()), "no input"),
        (lambda: latent_layer("quantum", 4, 2, drawn()), "there are qaoa"),
        (lambda: latent_layer("dense", 1, 2, drawn()), "width 1"),
        (lambda: conserved(Circuit(1, 1).measure(0, 0)), "gates alone"),
    ],
)
def test_wrong_layers_are_refused(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()


def test_shots_take_bounded_memory(monkeypatch):
    """Blocks of shots, of any size, give the same counts."""
    from bitket.quantum.simulation import shots

    layer = QAOALayer(3, 1, generator=drawn(), shots=500)
    z = torch.randn(30, 3, generator=drawn())
    found = []
    for most in (1 << 22, 1700, 1):
        monkeypatch.setattr(shots, "_DRAWN", most)
        layer.generator = drawn(5)
        found.append(layer(z))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    layer.shots = 10**6
    assert layer(z[:0]).shape == (0, 3)
