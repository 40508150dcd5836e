"""Pauli-transfer simulation against density matrices: every gate, every kind of channel, gradients, batches, both precisions."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter, gate
from bitket.quantum.circuits.gates import GATES
from bitket.quantum.noise import (
    Channel,
    NoiseModel,
    amplitude_damping,
    coherent,
    pauli_channel,
    phase_damping,
    reset_error,
    thermal_relaxation,
)
from bitket.quantum.simulation import expectation, expectation_with_error, native, observables, transfer, transfer_core
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.density import run_density
from bitket.quantum.simulation.program import lower
from bitket.quantum.simulation.transfer import pauli_values, pauli_vector
from bitket.quantum.simulation.transfer_maps import to_maps
from bitket.quantum.simulation.transfer_plan import fuse, stages

CHANNELS = {
    "depolarizing": NoiseModel.depolarizing(0.05, 0.1),
    "useless": NoiseModel.depolarizing(1.0, 1.0),
    "pauli": NoiseModel()
    .after(pauli_channel({"X": 0.1, "Z": 0.05}), num_qubits=1)
    .after(pauli_channel({"XY": 0.1, "ZI": 0.03, "IX": 0.02}), num_qubits=2),
    "damping": NoiseModel().after(amplitude_damping(0.1, 0.2)).after(phase_damping(0.05), num_qubits=2),
    "thermal": NoiseModel().after(thermal_relaxation(50.0, 70.0, 5.0, 0.1)),
    "coherent": NoiseModel()
    .after(coherent(gate("rx", 0.1).matrix()), num_qubits=1)
    .after(coherent(gate("rzz", 0.2).matrix()), num_qubits=2),
    "correlated damping": NoiseModel().after(amplitude_damping(0.2).tensor(reset_error(0.1, 0.05)), num_qubits=2),
    "mixed": NoiseModel.depolarizing(0.02, 0.03).after(amplitude_damping(0.05), ["cx", "rx", "h"]),
}


def transfer_values(program, angles, sums):
    return transfer.values(Asked(program, None, angles, sums, angles.dtype, angles.device, True, by_angle=True))


def random_circuit(n: int, length: int, rng: np.random.Generator, *, symbolic: float = 0.6) -> Circuit:
    """Gates of every kind that fits, with numbers, weights and inputs as angles."""
    names = [name for name, g in GATES.items() if g.num_qubits <= n and name != "gphase"]
    c = Circuit(n)
    for k in range(length):
        name = names[rng.integers(len(names))]
        definition = GATES[name]
        qubits = rng.permutation(n)[: definition.num_qubits].tolist()
        angles = []
        for _ in range(definition.num_params):
            w, x = Parameter(f"w{rng.integers(6)}"), Parameter(f"x{rng.integers(3)}", "input")
            symbol = [w, 0.5 * x + 0.3, w - 2 * x][rng.integers(3)]
            angles.append(symbol if rng.random() < symbolic else float(rng.uniform(-3, 3)))
        c.append(gate(name, *angles), qubits)
        if k % 9 == 8 and n > 1:
            c.append(gate("ry", float(rng.uniform(-3, 3))).control(1), rng.permutation(n)[:2].tolist())
    return c


def random_sums(n: int, rng: np.random.Generator) -> list[PauliSum]:
    def label() -> str:
        return "".join(rng.choice(list("IXYZ"), n))

    many = PauliSum.from_list([(label(), float(rng.normal())) for _ in range(7)] + [("I" * n, 0.3)])
    return [many, PauliSum.from_list([("Z" + "I" * (n - 1), 1.0)]), PauliSum.from_list([(label(), -0.7)])]


def parameters(c: Circuit, batch: tuple[int, ...], rng: np.random.Generator) -> torch.Tensor:
    return torch.tensor(rng.uniform(-3, 3, (*batch, len(c.weights) + len(c.inputs))))


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_twin_equals_density_matrix(name, n):
    rng = np.random.default_rng(n)
    noise = CHANNELS[name].after(Channel(np.eye(2)[None]))  # so that larger gates are allowed
    for _ in range(3):
        c = random_circuit(n, 25, rng)
        program = lower(c, noise)
        values = parameters(c, (2,), rng)
        angles = program.angles(values[:, : len(c.weights)], values[:, len(c.weights) :])
        sums = random_sums(n, rng)
        ours = pauli_values(pauli_vector(program, angles, torch.float64), sums)
        theirs = observables.density_values(run_density(program, angles, torch.float64), sums)
        torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=0)


def both_ways(c, sums, w, x, noise, dtype=torch.float64, **options):
    """Values and gradients by the transfer walk and by the density matrix."""
    results = []
    for method, kind in (("auto", dtype), ("backprop", torch.float64)):
        a, b = w.clone().to(kind).requires_grad_(), x.clone().to(kind).requires_grad_()
        values = expectation(c, sums, a, b, noise=noise, gradient=method, dtype=kind)
        upstream = torch.cos(torch.arange(values.numel(), dtype=kind)).reshape(values.shape)
        gradients = torch.autograd.grad((values * upstream).sum(), (a, b), allow_unused=True)
        results.append([values.detach(), *(torch.zeros(1) if g is None else g for g in gradients)])
    return results


needs_core = pytest.mark.skipif(native.core is None, reason="the compiled core was not built")


@needs_core
@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("batch", [1, 11])
def test_core_equals_density_matrix(name, n, batch):
    rng = np.random.default_rng(10 * n + batch)
    noise = CHANNELS[name].after(Channel(np.eye(2)[None]))
    c = random_circuit(n, 10 + 5 * n, rng)
    values = parameters(c, (batch,), rng)
    w, x = values[:, : len(c.weights)], values[:, len(c.weights) :]
    for sums in (random_sums(n, rng), random_sums(n, rng)[0]):
        for ours, theirs in zip(*both_ways(c, sums, w, x, noise), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)


def layered(n: int, layers: int, rng: np.random.Generator) -> Circuit:
    c = Circuit(n)
    for k in range(layers):
        for q in rng.permutation(n).tolist():
            c.ry(Parameter(f"a{k},{q}"), q).rz(Parameter(f"b{q}"), q)
        for a, b in rng.permutation(n)[: n // 2 * 2].reshape(-1, 2).tolist():
            c.cx(a, b)
        for q in range(n - 1):
            c.cx(q, q + 1)
        c.rzz(Parameter(f"c{k}"), *rng.permutation(n)[:2].tolist())
    return c


@needs_core
@pytest.mark.parametrize("n", [5, 6, 7])
@pytest.mark.parametrize("noise", [CHANNELS["depolarizing"], CHANNELS["thermal"], CHANNELS["correlated damping"]])
@pytest.mark.parametrize("most", [3, 1000])
def test_lanes_tiles_and_checkpoints(n, noise, most, monkeypatch):
    """Single vectors whose digits pass through lanes, tiles smaller than the vector, stages of few blocks; in both precisions."""
    monkeypatch.setattr(transfer_core, "_tile", lambda *_: 3)
    monkeypatch.setattr(transfer_core, "_most_blocks", lambda *_: most)
    rng = np.random.default_rng(n)
    c, (many, local, string) = layered(n, 2, rng), random_sums(n, rng)
    program = lower(c, noise)
    for sums, batch, dtype, atol in (
        ([many, local, string], 2, torch.float64, 1e-11),
        ([many, local, string], 9, torch.float64, 1e-11),
        ([local], 1, torch.float64, 1e-11),  # qubits leave the vector on the way
        ([many], 1, torch.float32, 1e-5),
    ):
        angles = torch.tensor(rng.uniform(-3, 3, (batch, len(program.slots))))
        found = []
        for function, kind in ((transfer_values, dtype), (twin_values, torch.float64)):
            a = angles.to(kind).requires_grad_()
            values = function(program, a, sums)
            upstream = torch.cos(torch.arange(values.numel(), dtype=kind)).reshape(values.shape)
            found.append((values.detach().double(), torch.autograd.grad((values * upstream).sum(), a)[0].double()))
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


def twin_values(program, angles, sums):
    return pauli_values(pauli_vector(program, angles, angles.dtype), sums)


def test_gradient_equals_parameter_shift():
    rng = np.random.default_rng(5)
    c, sums = layered(4, 2, rng), random_sums(4, rng)
    w = torch.tensor(rng.uniform(-3, 3, len(c.weights)), requires_grad=True)
    first, second = (
        torch.autograd.grad(expectation(c, sums, w, noise=CHANNELS["mixed"], gradient=g).sum(), w)[0]
        for g in ("adjoint", "parameter_shift")
    )
    torch.testing.assert_close(first, second, atol=1e-11, rtol=0)


@pytest.mark.parametrize("noise", [CHANNELS["depolarizing"], CHANNELS["thermal"]])
def test_measurements_dephase_and_resets_reset(noise):
    c = Circuit(3, 1).ry(0.7, 0).cx(0, 1).measure(0, 0).ry(0.4, 0).cx(1, 2).reset(1).rx(Parameter("w"), 1).cx(1, 0).h(2)
    sums = random_sums(3, np.random.default_rng(3))
    ours, theirs = (expectation(c, sums, [0.3], noise=noise, gradient=g) for g in ("auto", "backprop"))
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


def test_what_has_no_maps_takes_the_density_matrix():
    flip = NoiseModel().after(coherent(np.kron(np.kron(gate("x").matrix(), np.eye(2)), np.eye(2))), num_qubits=3)
    c = Circuit(3).ccx(0, 1, 2)
    z = PauliSum.from_list([("ZII", 1.0)])
    assert float(expectation(c, z, noise=flip)) == pytest.approx(-1)
    with pytest.raises(InvalidInput, match="one and two qubits"):
        expectation(c, z, noise=flip, gradient="adjoint")


@pytest.mark.parametrize("method", ["auto", "backprop"])
def test_readout_errors_are_what_shots_converge_to(method):
    noise = NoiseModel.depolarizing(0.02).with_readout(0.03, 0.1).with_readout(0.2, 0.05, [1])
    c = Circuit(3).h(0).cx(0, 1).ry(0.8, 2).cx(1, 2)
    sums = [PauliSum.from_list([("ZZI", 1.0), ("IIZ", 0.5)]), PauliSum.from_list([("XXX", 1.0), ("IYY", -2.0)])]
    exact = expectation(c, sums, noise=noise, gradient=method)
    values, errors = expectation_with_error(
        c, sums, noise=noise, shots=200_000, generator=torch.Generator().manual_seed(1)
    )
    assert (abs(exact - values) < 4.5 * errors).all()
    assert abs(exact - expectation(c, sums, noise=NoiseModel.depolarizing(0.02))).min() > 0.02
    one = expectation(Circuit(1).x(0), PauliSum.parse("Z"), noise=NoiseModel().with_readout(0.1, 0.3), gradient=method)
    assert float(one) == pytest.approx(-0.4)


def test_light_cones_leave_work_out():
    """Gates that no term sees are not planned; a qubit joins with its first block."""
    c = Circuit(6)
    for q in range(6):
        c.ry(Parameter(f"a{q}"), q)
    for q in range(5):
        c.cx(q, q + 1)
    for q in range(6):
        c.rz(Parameter(f"b{q}"), q)
    maps = to_maps(lower(c, NoiseModel.depolarizing(0.1)))
    z0 = fuse(maps, 6, [PauliSum.from_list([("IIIIIZ", 1.0)])])
    assert not z0.blocks  # CX takes Z of its control to itself
    assert list(z0.starts) == [0]
    double = layered(6, 2, np.random.default_rng(0))
    walk = stages(
        fuse(to_maps(lower(double, CHANNELS["thermal"])), 6, [PauliSum.from_list([("ZZIIII", 1.0)])]), False, 6, 100
    )
    sizes = [len(s.digits) for s in walk]
    assert sizes[0] == 2
    assert sizes[-1] < max(sizes) == 6  # qubits leave when nothing looks at them


ISA_CHECK = """
import sys, torch, numpy as np
sys.path.insert(0, sys.argv[1])
from test_transfer import *
assert native.core.instruction_set() == sys.argv[2]
rng = np.random.default_rng(1)
for n in (3, 6):
    c, sums = layered(n, 2, rng), random_sums(n, rng)
    program = lower(c, CHANNELS["thermal"])
    for batch in (1, 12):
        a, b = (torch.tensor(np.random.default_rng(n).uniform(-3, 3, (batch, len(program.slots))), requires_grad=True) for _ in "ab")
        ours, theirs = transfer_values(program, a, sums), twin_values(program, b, sums)
        torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=0)
        ours.sum().backward(); theirs.sum().backward()
        torch.testing.assert_close(a.grad, b.grad, atol=1e-11, rtol=0)
"""


@needs_core
@pytest.mark.parametrize("isa", ["generic", "v3"])
def test_other_instruction_sets(isa):
    if isa != "generic" and native.core.instruction_set() == "generic":
        pytest.skip("not an x86-64-v3 processor")
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", ISA_CHECK, here, isa],
        env={**os.environ, "BITKET_ISA": isa},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
