"""NumPy and the core alone: the values of the general way, without torch being imported."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, ParameterError
from bitket.quantum.noise import NoiseModel, amplitude_damping
from bitket.quantum.simulation import arrays, direct, expectation, native, sample, statevector, twin
from bitket.quantum.simulation.density import density_matrix
from bitket.quantum.simulation.program import PauliRotation, Unitary, lower

from .drawn import random_circuit, random_operator

NOISE = NoiseModel.depolarizing(0.02, 0.05).after(amplitude_damping(0.1), num_qubits=1).with_readout(0.02, 0.05)


@pytest.mark.parametrize("core", [True, False])
@pytest.mark.parametrize("noise", [None, NOISE])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_values_are_those_of_the_general_way(n, noise, core, monkeypatch):
    rng = np.random.default_rng(n)
    c = random_circuit(rng, n, 12, width=3 if noise is None else 2)
    operators = [random_operator(rng, n) for _ in range(2)]
    w, x = rng.normal(size=len(c.weights)), torch.tensor(rng.normal(size=len(c.inputs)), requires_grad=True)
    wanted = expectation(c, operators, w, x, noise=noise).detach().numpy()
    if not core:
        monkeypatch.setattr(native, "core", None)
    ended = c.copy().measure_all()
    for circuit in (c, ended):
        np.testing.assert_allclose(direct.expectation(circuit, operators, w, x, noise=noise), wanted, atol=1e-12)
    assert direct.expectation(c, operators[0], w, x, noise=noise) == pytest.approx(wanted[0], abs=1e-12)


@pytest.mark.parametrize("noise", [None, NOISE])
def test_estimates_are_unbiased_and_their_errors_right(noise):
    rng = np.random.default_rng(4)
    c = random_circuit(rng, 3, 10, width=2)
    operators = [random_operator(rng, 3, 6), PauliSum.parse("ZIX")]
    w, x = rng.normal(size=len(c.weights)), rng.normal(size=len(c.inputs))
    exact = direct.expectation(c, operators, w, x, noise=noise)
    runs = [
        direct.expectation_with_error(c, operators, w, x, shots=200, noise=noise, generator=rng) for _ in range(600)
    ]
    values, errors = np.array([v for v, _ in runs]), np.array([e for _, e in runs])
    assert (abs(values.mean(0) - exact) < 4.5 * errors.mean(0) / np.sqrt(600)).all()
    np.testing.assert_allclose(values.std(0), np.sqrt((errors**2).mean(0)), rtol=0.12)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_operations_are_those_of_the_twin(dtype):
    rng = np.random.default_rng(2)
    c = random_circuit(rng, 4, 60, width=4)
    program = lower(c)
    w, x = rng.normal(size=len(c.weights)), rng.normal(size=len(c.inputs))
    angles = arrays.angles_of(program, w, x)
    np.testing.assert_allclose(angles, program.angles(torch.tensor(w), torch.tensor(x)).numpy(), atol=1e-14)
    state = rng.normal(size=(3, 16, 2)).astype(np.empty(0, dtype).real.dtype).view(dtype)[..., 0]
    state /= np.linalg.norm(state, axis=-1, keepdims=True)
    for op in program.ops:
        assert isinstance(op, PauliRotation | Unitary)
        there = torch.from_numpy(state)
        if isinstance(op, PauliRotation):
            there = twin.apply_rotation(there, op, torch.tensor(angles[op.slot]))
            state = arrays.apply_rotation(state, op, angles[op.slot])
        else:
            there = twin.apply_unitary(there, op)
            state = arrays.apply_matrix(state, op.matrix, op.qubits, op.control_mask, op.control_value)
        assert state.dtype == dtype
        np.testing.assert_allclose(state, there.numpy(), atol=1e-14 if dtype == np.complex128 else 1e-6)


def test_states_and_density_matrices():
    rng = np.random.default_rng(3)
    c = random_circuit(rng, 3, 10, width=2)
    w, x = rng.normal(size=len(c.weights)), rng.normal(size=len(c.inputs))
    for noise in (None, NOISE):
        program = lower(c, noise)
        rho = arrays.density(program, arrays.angles_of(program, w, x), np.dtype(np.complex128))
        np.testing.assert_allclose(rho, density_matrix(c, w, x, noise=noise).numpy(), atol=1e-13)
    psi = statevector(c, w, x).numpy()
    np.testing.assert_allclose(rho.shape, (8, 8))
    np.testing.assert_allclose(np.linalg.norm(psi), 1, atol=1e-12)


def test_generators_of_numpy_draw_the_same_law():
    c = Circuit(2).ry(0.7, 0).cx(0, 1)
    counts = sample(c, 20_000, generator=np.random.default_rng(0))
    assert set(counts) == {"00", "11"}
    assert counts["11"] / 20_000 == pytest.approx(np.sin(0.35) ** 2, abs=0.01)
    assert counts == sample(c, 20_000, generator=np.random.default_rng(0))


@pytest.mark.skipif(native.core is None, reason="the compiled core is not built")
def test_torch_is_not_imported():
    script = """
import sys
import numpy as np
from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import direct, sample

c = Circuit(5, 5).h(0).cx(0, 1)
for q in range(5):
    c.measure(q, q)
turned = Circuit(2, 2).h(0).measure(0, 0).h(0).reset(1).measure(1, 1)
o, rng = [PauliSum.parse("ZZIII"), PauliSum.parse("XXIII")], np.random.default_rng(0)
for noise in (None, NoiseModel.depolarizing(0.01, 0.02).with_readout(0.02)):
    sample(c, 100, noise=noise, generator=rng)
    sample(turned, 100, noise=noise, generator=rng)
    direct.expectation(c, o, noise=noise)
    direct.expectation_with_error(c, o, shots=100, noise=noise, generator=rng)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c, z: direct.expectation(c, z), ParameterError, "has 1 weights, none were given"),
        (lambda c, z: direct.expectation(c, z, [[0.1], [0.2]]), InvalidInput, "one sample"),
        (lambda c, z: direct.expectation(c, z, [float("inf")]), ParameterError, "not finite"),
        (lambda c, z: direct.expectation(c, z, [1j]), InvalidInput, "real values"),
        (lambda c, z: direct.expectation(c, z, ["a"]), InvalidInput, "numbers, an array"),
        (lambda c, z: direct.expectation(c, PauliSum.parse("ZZ"), [0.1]), InvalidInput, "on 2 qubits"),
        (
            lambda c, z: direct.expectation(Circuit(1, 1).measure(0, 0).h(0), z),
            InvalidInput,
            "before its last gate",
        ),
        (
            lambda c, z: direct.expectation_with_error(c, z, [0.1], shots=0, generator=np.random.default_rng(0)),
            InvalidInput,
            "positive whole number",
        ),
        (
            lambda c, z: sample(c, 5, [0.1], generator=np.random.default_rng(0), dtype=np.float16),
            InvalidInput,
            "float32 and float64",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(Circuit(1).ry(Parameter("w"), 0), PauliSum.parse("Z"))
