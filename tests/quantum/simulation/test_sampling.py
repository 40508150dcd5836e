import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.intervals import unseen
from bitket.quantum.circuits import Circuit, Condition, gate
from bitket.quantum.noise import NoiseModel, amplitude_damping
from bitket.quantum.simulation import Counts, density_matrix, sample, sampling


def chi_square(counts: Counts, probabilities: dict[str, float]) -> float:
    assert set(counts) <= {k for k, p in probabilities.items() if p > 0}
    return sum(
        (counts.get(k, 0) - counts.shots * p) ** 2 / (counts.shots * p) for k, p in probabilities.items() if p > 0
    )


def test_bell_counts():
    counts = sample(Circuit(2).h(0).cx(0, 1), 10_000, generator=torch.Generator().manual_seed(1))
    assert counts.shots == 10_000
    assert chi_square(counts, {"00": 0.5, "11": 0.5}) < 15
    assert counts.expectation(PauliSum.parse("ZZ")) == (1.0, unseen(10_000))


def test_measured_bits_go_where_they_are_told():
    c = Circuit(3, 2).x(2).measure(2, 0).measure(0, 1)
    assert dict(sample(c, 5, generator=torch.Generator())) == {"01": 5}


def test_teleportation_with_conditions():
    c = Circuit(3, 3).ry(0.7, 0).h(1).cx(1, 2).cx(0, 1).h(0).measure(0, 0).measure(1, 1)
    c.append(gate("x"), [2], condition=Condition((1,), 1))
    c.append(gate("z"), [2], condition=Condition((0,), 1))
    c.measure(2, 2)
    counts = sample(c, 20_000, generator=torch.Generator().manual_seed(3))
    one = sum(v for k, v in counts.items() if k[0] == "1") / 20_000
    p = np.sin(0.35) ** 2
    assert abs(one - p) < 4 * np.sqrt(p * (1 - p) / 20_000)


def test_reset_and_reuse():
    c = Circuit(1, 2).h(0).measure(0, 0).reset(0).x(0).measure(0, 1)
    counts = sample(c, 4000, generator=torch.Generator().manual_seed(0))
    assert set(counts) == {"10", "11"}


@pytest.mark.parametrize("seed", range(3))
def test_trajectories_agree_with_the_density_matrix(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    c = Circuit(3)
    for _ in range(4):
        for q in range(3):
            c.u(*rng.uniform(-3, 3, 3), q)
        c.cx(0, 1).cx(1, 2)
    noise = NoiseModel.depolarizing(0.05, 0.1).after(amplitude_damping(0.1), num_qubits=1).with_readout(0.04, 0.08)
    density = torch.diagonal(density_matrix(c, noise=noise)).real.numpy()
    read = np.array(noise.readout_matrix(0))
    probabilities = np.kron(np.kron(read, read), read) @ density
    monkeypatch.setattr(sampling, "_DENSITY_QUBITS", 0)
    counts = sample(c, 20_000, noise=noise, generator=torch.Generator().manual_seed(seed))
    assert chi_square(counts, {format(k, "03b"): p for k, p in enumerate(probabilities)}) < 30


def test_same_seed_same_counts():
    c = Circuit(4).h(0).h(1).h(2).h(3)
    a, b = (sample(c, 100, generator=torch.Generator().manual_seed(9)) for _ in range(2))
    assert a == b


def test_bad_input_is_named():
    with pytest.raises(InvalidInput, match="positive whole number"):
        sample(Circuit(1), 0, generator=torch.Generator())
    with pytest.raises(InvalidInput, match="of I and Z"):
        Counts({"0": 3}).expectation(PauliSum.parse("X"))
