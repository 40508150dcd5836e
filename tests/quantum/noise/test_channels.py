import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.quantum.circuits import Circuit, gate
from bitket.quantum.noise import (
    Channel,
    NoiseError,
    NoiseModel,
    NoiseWarning,
    amplitude_damping,
    bit_flip,
    coherent,
    depolarizing,
    pauli_channel,
    phase_damping,
    reset_error,
    thermal_relaxation,
)
from bitket.quantum.simulation import density_matrix


def random_channel(rng: np.random.Generator, qubits: int, operators: int) -> Channel:
    """Blocks of a random isometry are Kraus operators."""
    d = 2**qubits
    isometry, _ = np.linalg.qr(rng.normal(size=(operators * d, d)) + 1j * rng.normal(size=(operators * d, d)))
    return Channel(isometry.reshape(operators, d, d))


@given(st.integers(1, 2), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_forms_convert_and_stay_physical(qubits, operators, seed):
    rng = np.random.default_rng(seed)
    a, b = (random_channel(rng, qubits, operators) for _ in range(2))
    s = a.superoperator()
    for other in (
        Channel.from_choi(a.choi()),
        Channel.from_superoperator(s),
        Channel.from_pauli_transfer(a.pauli_transfer()),
    ):
        assert np.allclose(other.superoperator(), s, atol=1e-9)
    assert np.allclose((a @ b).superoperator(), s @ b.superoperator())
    rho = rng.normal(size=(2**qubits, 2**qubits)) + 1j * rng.normal(size=(2**qubits, 2**qubits))
    rho = rho @ rho.conj().T
    out = sum(k @ rho @ k.conj().T for k in a.kraus)
    assert np.allclose((s @ rho.reshape(-1)).reshape(rho.shape), out)
    assert np.linalg.eigvalsh(out)[0] > -1e-9
    assert np.trace(out) == pytest.approx(np.trace(rho))


@pytest.mark.parametrize("qubits", [1, 2])
def test_depolarising_conventions(qubits):
    d = 2**qubits
    rho = np.zeros((d, d), dtype=complex)
    rho[0, 0] = 1
    out = sum(k @ rho @ k.conj().T for k in depolarizing(0.3, qubits).kraus)
    assert np.allclose(out, 0.7 * rho + 0.3 * np.eye(d) / d)
    same = depolarizing(0.3 * (d * d - 1) / (d * d), qubits, "pauli")
    assert np.allclose(same.superoperator(), depolarizing(0.3, qubits).superoperator())


def test_thermal_relaxation_decays_as_told():
    rho = np.array([[0.3, 0.4], [0.4, 0.7]], dtype=complex)
    out = sum(k @ rho @ k.conj().T for k in thermal_relaxation(50.0, 30.0, 7.0).kraus)
    assert out[1, 1] == pytest.approx(0.7 * np.exp(-7 / 50))
    assert out[0, 1] == pytest.approx(0.4 * np.exp(-7 / 30))


def test_powers_and_fidelity():
    channel = depolarizing(0.1, 2)
    assert np.allclose(channel.power(2).superoperator(), (channel @ channel).superoperator())
    assert np.allclose(channel.power(1.5).pauli_transfer()[1:, 1:], np.eye(15) * 0.9**1.5)
    assert depolarizing(0.1).average_fidelity() == pytest.approx(1 - 0.05)
    assert np.allclose(amplitude_damping(0.2).twirled().pauli_transfer(), np.diag([1, 0.8**0.5, 0.8**0.5, 0.8]))


def test_model_round_trip_and_matching():
    model = (
        NoiseModel.depolarizing(0.01, 0.02)
        .after(amplitude_damping(0.1), "x", qubits=[1])
        .after(coherent(gate("rx", 0.1).matrix()), ["h"])
        .with_readout(0.1, 0.2, [0])
    )
    again = NoiseModel.from_dict(json.loads(json.dumps(model.to_dict())))
    c = Circuit(2).h(0).x(1).x(0).cx(0, 1)
    assert np.allclose(density_matrix(c, noise=model).numpy(), density_matrix(c, noise=again).numpy())
    assert [len(model.channels(i)) for i in c] == [2, 2, 1, 1]
    assert again.readout_matrix(1) is None
    assert np.allclose(again.readout_matrix(0), [[0.9, 0.2], [0.1, 0.8]])
    plain = density_matrix(c, noise=NoiseModel.depolarizing(0.01, 0.02).scaled(3))
    direct = density_matrix(c, noise=NoiseModel.depolarizing(1 - 0.99**3, 1 - 0.98**3))
    assert np.allclose(plain.numpy(), direct.numpy())


MIXED = NoiseModel.depolarizing(0.1).after(bit_flip(0.1))
ONE_WAY = NoiseModel().after(depolarizing(0.1, 2), "cx", qubits=[0, 1])
KRAUS = {"kraus": [[[[1, 0], [0, 0]], [[0, 0], [1, 0]]]]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Channel([[[1, 0], [0, 0.5]]]), "not trace preserving.*0.75"),
        (lambda: Channel([[1, 0], [0, 1]]), "is needed"),
        (lambda: Channel([[[np.nan, 0], [0, 1]]]), "finite"),
        (lambda: depolarizing(1.5), "between 0 and 1.33"),
        (lambda: depolarizing(1.2, 1, "pauli"), "between 0 and 1"),
        (lambda: bit_flip(float("nan")), "between"),
        (lambda: thermal_relaxation(10, 25, 1), "T2 <= 2 T1"),
        (lambda: pauli_channel({"X": 0.7, "Y": 0.6}), "sum at most 1"),
        (lambda: phase_damping(-0.1), "between"),
        (lambda: reset_error(0.6, 0.6), "sum must be at most 1"),
        (lambda: Channel.from_choi(np.diag([1, 0, 0, -1.0])), "not completely positive"),
        (lambda: NoiseModel.depolarizing(0.1).with_readout(1.1), "between 0 and 1"),
        (lambda: density_matrix(Circuit(3).ccx(0, 1, 2), noise=NoiseModel.depolarizing(0.1)), "acts on 3 qubits"),
        (lambda: density_matrix(Circuit(3).ccx(0, 1, 2), noise=MIXED), "acts on 3 qubits"),
        (lambda: NoiseModel.depolarizing("0.1"), "depolarising parameter 0.1: it must be"),
        (lambda: depolarizing(0.1, 9), "1 to 5 qubits"),
        (lambda: NoiseModel().with_readout(0.1, 0.1, [-1]), "whole numbers from 0"),
        (lambda: NoiseModel().after(bit_flip(0.1), ["measure"]), "measurements by with_readout"),
        (lambda: NoiseModel().after(depolarizing(0.1, 2), ["h"]), "it acts on 1 qubits, the rule is for gates on 2"),
        (
            lambda: NoiseModel().after(bit_flip(0.1), "cx", qubits=[0]),
            "it acts on 2 qubits, the rule is for gates on 1",
        ),
        (lambda: NoiseModel().after(depolarizing(0.1, 2), qubits=[1]), "2 qubits after gates on 1"),
        (lambda: NoiseModel().after(depolarizing(0.1, 2), qubits=[1, 1]), "2 different qubits"),
        (lambda: density_matrix(Circuit(2).cx(1, 0), noise=ONE_WAY), r"knows it on \(0, 1\) only: turn it round"),
        (lambda: NoiseModel.from_dict({"rules": [{}]}), "is needed"),
        (lambda: Channel.from_choi(np.full((4, 4), np.nan)), "finite"),
        (lambda: Channel.from_superoperator(np.full((4, 4), np.inf)), "finite"),
        (lambda: Channel.from_pauli_transfer("a"), "a matrix of numbers"),
        (lambda: Channel.from_pauli_transfer(np.diag([1, 1j, 1, 1])), "must be real"),
        (lambda: Channel.from_pauli_transfer(np.diag([0.9, 0.5, 0.5, 0.5])), "not trace preserving"),
        (lambda: Channel.from_pauli_transfer(np.diag([1.0, 1, 1, -1])), "not completely positive"),
        (lambda: coherent("x"), "a matrix of numbers"),
        (lambda: pauli_channel([1]), "labels with their probabilities"),
        (lambda: pauli_channel({"X" * 12: 0.1}), "at most 5 letters"),
        (lambda: thermal_relaxation("a", 1, 1), "T1 'a' is not a number"),
        (lambda: thermal_relaxation(float("nan"), 1, 1), "T1 > 0"),
        (lambda: NoiseModel.depolarizing(0.1).scaled("2"), "finite and not negative"),
        (lambda: bit_flip(0.7).power(0.5), "no real power"),
        (lambda: NoiseModel().after(0.1), "a Channel is needed"),
        (lambda: NoiseModel().after(bit_flip(0.1), 3), "their names are needed"),
        (lambda: NoiseModel().after(bit_flip(0.1), num_qubits=0), "a whole number from 1"),
        (lambda: NoiseModel().after(bit_flip(0.1), qubits=3), "a list of whole numbers"),
        (lambda: NoiseModel().with_readout(0.1, 0.1, 3), "a list of whole numbers"),
        (lambda: NoiseModel().with_readout("a"), "readout error a: it must be between 0 and 1"),
        (lambda: NoiseModel.from_dict([]), "list: "),
        (lambda: NoiseModel.from_dict({}), "rules: Field required"),
        (lambda: NoiseModel.from_dict({"rules": [], "colour": 1}), "colour"),
        (lambda: NoiseModel.from_dict({"rules": [], "native": "cx"}), "native"),
        (lambda: NoiseModel.from_dict({"rules": [KRAUS | {"gates": "cx"}]}), "rules.0.gates"),
        (lambda: NoiseModel.from_dict({"rules": [KRAUS | {"gates": [1]}]}), "rules.0.gates.0"),
        (lambda: NoiseModel.from_dict({"rules": [KRAUS | {"num_qubits": "1"}]}), "rules.0.num_qubits"),
        (lambda: NoiseModel.from_dict({"rules": [KRAUS | {"num_qubits": 0}]}), "rules.0.num_qubits"),
        (lambda: NoiseModel.from_dict({"rules": [KRAUS | {"qubits": [True]}]}), "rules.0.qubits.0"),
        (lambda: NoiseModel.from_dict({"rules": [KRAUS | {"qubits": [0, 1]}, {"kraus": 1}]}), "rules.1.kraus"),
        (lambda: NoiseModel.from_dict({"rules": [{"kraus": [[[1.0, 0.0], [0.0, 1.0]]]}]}), "rules.0.kraus"),
        (lambda: NoiseModel.from_dict({"rules": [{"kraus": []}]}), "rules.0"),
        (lambda: NoiseModel.from_dict({"rules": [{"kraus": [[[[1, 0]], [[0, 0], [1, 0]]]]}]}), "rules.0.kraus"),
        (lambda: NoiseModel.from_dict({"rules": [], "readout": [{"matrix": [[1, 0], [0.5, 1]]}]}), "columns of sum 1"),
        (lambda: NoiseModel.from_dict({"rules": [], "readout": [{"matrix": [[float("nan"), 0], [0, 1]]}]}), "sum 1"),
        (lambda: NoiseModel.from_dict({"rules": [], "readout": [{"matrix": [[2, 0], [-1, 1]]}]}), "between 0 and 1"),
        (lambda: NoiseModel.from_dict({"rules": [], "readout": [{"qubit": "0", "matrix": [[1, 0], [0, 1]]}]}), "qubit"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(NoiseError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spelling", "instruction"),
    [
        ("CX", Circuit(2).cx(0, 1)),
        ("cnot", Circuit(2).cx(0, 1)),
        ("Toffoli", Circuit(3).ccx(0, 1, 2)),
        ("u3", Circuit(1).u(0.1, 0.2, 0.3, 0)),
        ("mcx", Circuit(4).mcx([0, 1, 2], 3)),
        ("c3x", Circuit(4).mcx([0, 1, 2], 3)),
        ("cx", Circuit(2).append(gate("x").control(1, 0), [0, 1])),
        ("reset", Circuit(1).reset(0)),
        ("unitary", Circuit(1).unitary(np.eye(2), [0])),
    ],
)
@pytest.mark.filterwarnings("error")
def test_noise_finds_its_gate_by_any_customary_name(spelling, instruction):
    (i,) = instruction
    model = NoiseModel().after(bit_flip(0.1), spelling)
    assert [q for _, q in model.channels(i)] == [(q,) for q in i.qubits]


def test_a_name_that_no_gate_has_is_warned_of():
    with pytest.warns(NoiseWarning, match="noise after 'cxx': no gate is called so \\(did you mean 'cx'"):
        NoiseModel().after(bit_flip(0.1), "cxx")


def test_gates_without_a_direction_have_noise_both_ways():
    channel = amplitude_damping(0.4).tensor(bit_flip(0.1))  # the bit flip is on the rule's first qubit
    model = NoiseModel().after(channel, "cz", qubits=[1, 0])
    (straight,), (round_,) = (model.channels(c.instructions[0]) for c in (Circuit(2).cz(1, 0), Circuit(2).cz(0, 1)))
    assert straight[1] == round_[1] == (1, 0)
    both = model.after(bit_flip(0.2), "cz", qubits=[0, 1])  # each order has its own: they do not add up
    assert [len(both.channels(c.instructions[0])) for c in (Circuit(2).cz(1, 0), Circuit(2).cz(0, 1))] == [1, 2]


@pytest.mark.parametrize(
    ("model", "fidelity"),
    [
        (NoiseModel.depolarizing(0.01), 0.990625),
        (NoiseModel.depolarizing(0.01, convention="pauli"), 0.99),
        (NoiseModel().after(depolarizing(0.01)), 0.9925**2),
        (NoiseModel().after(depolarizing(0.01, 1, "pauli")), 0.99**2),
    ],
)
def test_the_table_of_depolarising_conventions(model, fidelity):
    """Entanglement fidelity of the noise after one cx."""
    kraus = [k for k, _ in model.channels(Circuit(2).cx(0, 1).instructions[0])]
    whole = kraus[0] if kraus[0].shape[-1] == 4 else np.array([np.kron(a, b) for a in kraus[0] for b in kraus[1]])
    assert np.sum(np.abs(np.trace(whole, axis1=1, axis2=2)) ** 2) / 16 == pytest.approx(fidelity, abs=1e-12)
