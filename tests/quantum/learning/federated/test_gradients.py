"""Gradient states of both models: against autograd, against their circuits, with their success probabilities."""

import numpy as np
import pytest
import torch
from tests.quantum.learning.federated.scenes import random_samples, signed_samples

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, efficient_su2, real_amplitudes
from bitket.quantum.learning.federated import (
    CircuitModel,
    Copies,
    FixedDesignChip,
    OperatorModel,
    Samples,
    ZeroGradient,
    copies_for,
    gradient_state,
    measured_shifts,
    shift_state,
)
from bitket.quantum.learning.federated.circuits import error_circuit, kept_amplitudes, overlap_circuit
from bitket.quantum.learning.federated.references import read

BATCHES = ("superposition", "mixture")


def operator_model(n, draw, reference=0.5):
    model = OperatorModel(n, 2, reference)
    model.parameters = draw.normal(size=4**n)
    return model


def circuit_model(n, draw, reference=0.5):
    circuit = efficient_su2(n, 1) if n > 1 else Circuit(1).ry(Parameter("a"), 0).rz(Parameter("b"), 0)
    return CircuitModel(circuit, draw.normal(size=len(circuit.weights)), reference)


def through_the_protocol(model, samples, batch, copies=None, draw=None):
    """The gradient as a server reads it from what a client keeps, and the success probability."""
    draw = draw or np.random.default_rng(0)
    kept, share = Copies(model.state()[None], copies).through(model.apparatus(samples, batch), draw)
    return (model.gradient_scale() * share * read(kept, draw).product)[: len(model.parameters)], share


def autograd_of_the_operator(model, samples):
    operator = torch.tensor(model.operator, requires_grad=True)
    states, targets = torch.tensor(samples.states), torch.tensor(samples.targets)
    (0.5 * ((states @ operator.T - targets) ** 2).sum(1).mean()).backward()
    return model.chip.coefficients(operator.grad.numpy())


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_operator_model_against_autograd(n, batch):
    draw = np.random.default_rng(n)
    model, samples = operator_model(n, draw), random_samples(n, 9, draw)
    wanted = autograd_of_the_operator(model, samples)
    found, _ = through_the_protocol(model, samples, batch)
    assert np.abs(found - wanted).max() < 1e-10
    assert np.abs(model.gradient(samples) - wanted).max() < 1e-12
    flipped, _ = through_the_protocol(model, Samples(samples.states, -samples.targets), batch)
    model.parameters = -model.parameters
    back, _ = through_the_protocol(model, samples, batch)
    assert np.abs(back + flipped).max() < 1e-10  # g(-O, y) = -g(O, -y): signs are not lost


@pytest.mark.parametrize("n", [1, 2])
def test_pure_gradient_state_direction_norm_and_index(n):
    draw = np.random.default_rng(10 + n)
    model, samples = operator_model(n, draw), random_samples(n, 6, draw)
    state, norm, probability = gradient_state(model.operator, samples)
    wanted = model.chip.operator(autograd_of_the_operator(model, samples)).ravel()
    assert np.abs(state * norm - wanted).max() < 1e-10
    # The index register: (1/sqrt N) sum_s |s>|G_s>, projected on |+...+> of it.
    each = [
        gradient_state(model.operator, Samples(d[None], y[None]))
        for d, y in zip(samples.states, samples.targets, strict=True)
    ]
    joint = np.array([g * size for g, size, _ in each])
    joint /= np.linalg.norm(joint)
    projected = joint.sum(axis=0) / np.sqrt(len(each))
    assert abs(projected @ projected - probability) < 1e-12
    assert abs(abs(projected @ state) - np.linalg.norm(projected)) < 1e-12
    # The index traced out: another state, of which the mean gradient is no eigenvector.
    mixture = joint.T @ joint
    assert (
        probability - 1e-12 < state @ mixture @ state < 1 - 1e-3
    )  # the overlap is at least the probability of projecting
    assert np.linalg.norm(mixture @ state - (state @ mixture @ state) * state) > 1e-2


@pytest.mark.parametrize("batch", BATCHES)
def test_success_probability_of_the_operator_model(batch):
    draw = np.random.default_rng(4)
    model, samples = operator_model(2, draw, 0.7), random_samples(2, 5, draw)
    _, share = through_the_protocol(model, samples, batch)
    if batch == "superposition":
        size2 = gradient_state(model.operator, samples)[1] ** 2
    else:
        size2 = ((samples.states @ model.operator.T - samples.targets) ** 2).sum(axis=1).mean()
    norm2 = 1 + 16 * np.linalg.norm(model.parameters) ** 2
    assert abs(share - (0.7**2 + size2) / ((0.7**2 + 2) * norm2)) < 1e-14


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_circuit_model_against_autograd(n, batch):
    draw = np.random.default_rng(20 + n)
    model, samples = circuit_model(n, draw), signed_samples(n, 7, draw)
    # autograd through dense matrices in torch, no simulator
    angles = torch.tensor(model.parameters, requires_grad=True)
    total = torch.zeros((), dtype=torch.float64)
    paulis = {"ry": torch.tensor([[0, -1j], [1j, 0]]), "rz": torch.tensor([[1, 0], [0, -1 + 0j]])}
    for d, y in zip(samples.states, samples.targets, strict=True):
        state, k = torch.tensor(d, dtype=torch.complex128), iter(angles)
        for i in model.circuit:
            if i.name == "cx":
                control, target = i.qubits
                places = torch.arange(2**n)
                state = state[places ^ ((places >> control & 1) << target)]
            else:
                half = next(k) / 2
                turn = torch.cos(half) * torch.eye(2, dtype=torch.complex128) - 1j * torch.sin(half) * paulis[
                    i.name
                ].to(torch.complex128)
                parts = state.reshape(2 ** (n - 1 - i.qubits[0]), 2, 2 ** i.qubits[0])
                state = torch.einsum("ab,ibj->iaj", turn, parts).reshape(-1)
        z = 1 - 2.0 * (torch.arange(2**n) & 1)
        total = total + (1 - float(y) * (state.abs() ** 2 * z).sum()) / 2
    (total / len(samples)).backward()
    found, share = through_the_protocol(model, samples, batch)
    assert np.abs(found - angles.grad.numpy()).max() < 1e-10
    assert np.abs(model.gradient(samples) - angles.grad.numpy()).max() < 1e-10
    assert abs(model.loss(samples) - total.item() / len(samples)) < 1e-12
    if batch == "superposition":
        m, rho = len(model.parameters), model.reference
        assert abs(share - (rho**2 + 4 * found @ found) / ((rho**2 + m) * 4**n)) < 1e-13


def test_shifts_read_by_measuring():
    draw = np.random.default_rng(6)
    model, samples = circuit_model(2, draw), signed_samples(2, 5, draw)
    state = shift_state(model)
    assert abs(np.vdot(state, state) - 1) < 1e-12
    found, share = measured_shifts(model, samples, None, draw)
    assert np.abs(found - model.gradient(samples)).max() < 1e-12
    assert abs(share - 1 / 16) < 1e-12
    drawn, share = measured_shifts(model, samples, 4_000_000, draw)
    m = len(found)
    # ¼ of a difference of two means over some copies · share / 2m outcomes of variance at most 1
    bound = np.sqrt(m * 2 / 16 / (4e6 / 16 / (2 * m)))
    assert np.linalg.norm(drawn - found) < 2 * bound
    assert abs(share - 1 / 16) < 4 * np.sqrt(1 / 16 / 4e6)


@pytest.mark.parametrize(("n", "count"), [(1, 1), (1, 4), (2, 2)])
def test_circuits_of_the_clients(n, count):
    draw = np.random.default_rng(count)
    model, samples = operator_model(n, draw, 0.7), random_samples(n, count, draw)
    found = kept_amplitudes(*error_circuit(model.chip, samples, 0.7), model.state())
    assert np.abs(found - model.apparatus(samples).kraus(model.state()[None])[0, 0]).max() < 1e-12
    model, samples = circuit_model(n, draw), signed_samples(n, count, draw)
    found = kept_amplitudes(*overlap_circuit(model.chip, samples, model.length), model.state())
    assert np.abs(found - model.apparatus(samples).kraus(model.state()[None])[0, 0]).max() < 1e-12


@pytest.mark.parametrize("kind", ["operator", "circuit"])
def test_mixed_states_pass_as_their_members_do(kind):
    draw = np.random.default_rng(8)
    model = operator_model(1, draw) if kind == "operator" else circuit_model(1, draw)
    samples = random_samples(1, 3, draw) if kind == "operator" else signed_samples(1, 3, draw)
    size = len(model.state())
    members = draw.normal(size=(3, size))
    for batch in BATCHES:
        apparatus = model.apparatus(samples, batch)
        both = apparatus.kraus(members)
        each = np.concatenate([apparatus.kraus(m[None]) for m in members])
        assert np.abs(both - each).max() < 1e-12


def test_gradients_that_vanish():
    samples = Samples(np.eye(2), np.eye(2))
    model = OperatorModel(1, 2)
    model.parameters = model.chip.coefficients(np.eye(2))
    with pytest.raises(ZeroGradient, match="gradient of 2 samples is zero"):
        gradient_state(model.operator, samples)
    found, share = through_the_protocol(model, samples, "superposition")
    assert np.abs(found).max() < 1e-12
    assert share > 0  # the reference still comes
    model.parameters = np.zeros(4)  # the zero operator: its state is the reference alone
    found, _ = through_the_protocol(model, samples, "superposition")
    assert np.abs(found - model.gradient(samples)).max() < 1e-12


@pytest.mark.parametrize("kind", ["operator", "circuit"])
def test_copies_for_an_error(kind):
    """The promised copies give the promised root mean square error, within what 200 repetitions can tell."""
    draw = np.random.default_rng(9)
    model = operator_model(1, draw) if kind == "operator" else circuit_model(2, draw)
    samples = random_samples(1, 4, draw) if kind == "operator" else signed_samples(2, 4, draw)
    exact = model.gradient(samples)
    copies = copies_for(model, float(np.linalg.norm(exact)), 0.05)
    errors = [
        np.sum((through_the_protocol(model, samples, "superposition", copies, draw)[0] - exact) ** 2)
        for _ in range(200)
    ]
    # The bound counts all D entries without their squares; of the circuit model, those of entries that are not there are never read.
    least = 0.0025 * len(exact) / model.length - np.sum((0.05 * exact) ** 2)
    assert 0.75 * least < np.mean(errors) < 1.2 * 0.0025
    with pytest.raises(InvalidInput, match="positive number"):
        copies_for(model, 1.0, 0.0)


def test_what_is_no_model_or_sample():
    eye = np.eye(2)
    shared = Circuit(1)
    a = Parameter("a")
    for call, message in (
        (lambda: Samples(eye[:0], eye[:0]), r"states of shape \(0, 2\)"),
        (lambda: Samples(2 * eye, eye), "each must have norm 1"),
        (lambda: Samples(eye, 2 * eye), "targets: each must have norm 1"),
        (lambda: OperatorModel(1, 3), "3 classes on 1 data qubits"),
        (lambda: OperatorModel(1, 2, 0.0), "reference 0.0"),
        (lambda: OperatorModel(1, 2).apparatus(Samples(np.eye(4), np.eye(4))), r"states and targets \[N, 2\]"),
        (lambda: CircuitModel(shared, np.zeros(0)), "one weight at least"),
        (lambda: CircuitModel(Circuit(1).rx(a, 0).rz(a, 0), np.zeros(1)), "each weight once"),
        (lambda: CircuitModel(Circuit(1).rx(2 * a, 0), np.zeros(1)), "each weight once"),
        (lambda: CircuitModel(Circuit(2).crx(a, 0, 1), np.zeros(1)), "each weight once"),
        (lambda: CircuitModel(Circuit(1).rx(a, 0), np.array([np.nan])), "finite angles"),
        (lambda: CircuitModel(real_amplitudes(2, 1), np.zeros(4)).apparatus(Samples(np.eye(4), np.eye(4))), "signs"),
        (lambda: error_circuit(FixedDesignChip(1), Samples(units3(), units3()), 1.0), "a power of two"),
    ):
        with pytest.raises(InvalidInput, match=message):
            call()


def units3():
    return np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
