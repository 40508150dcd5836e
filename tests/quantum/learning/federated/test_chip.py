"""The chip: emulation, Choi route, circuit."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from tests.quantum.learning.federated.scenes import units

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, prepare_state
from bitket.quantum.circuits.qasm import read_qasm, write_qasm
from bitket.quantum.learning.federated import FixedDesignChip, ZeroOperator
from bitket.quantum.simulation import statevector

CHIPS = [(n, basis) for n in (1, 2, 3) for basis in ("real", "pauli")]


def drawn(n, basis, seed):
    draw = np.random.default_rng(seed)
    chip = FixedDesignChip(n, basis)
    operator = draw.normal(size=(chip.size, chip.size))
    if basis == "pauli":
        operator = operator + 1j * draw.normal(size=operator.shape)
    return chip, operator, units(chip.size, draw)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CHIPS), st.integers(0, 2**32 - 1))
def test_any_operator_is_emulated(case, seed):
    chip, operator, d = drawn(*case, seed)
    o = chip.coefficients(operator)
    assert np.abs(chip.operator(o) - operator).max() < 1e-12
    state, probability = chip.emulate(chip.operator_state(operator), d)
    image = operator @ d
    assert np.abs(state - image / np.linalg.norm(image)).max() < 1e-12
    assert abs(probability - np.linalg.norm(image) ** 2 / (4**chip.n * np.linalg.norm(o) ** 2)) < 1e-12
    choi, same = chip.emulate_choi(operator.ravel() / np.linalg.norm(operator), d)
    assert np.abs(choi - state).max() < 1e-12
    assert abs(same - probability) < 1e-12


@pytest.mark.parametrize(("n", "basis"), CHIPS)
def test_coefficients_are_traces(n, basis):
    """o_i = Tr(O_i† O)/2^n with O_i a product, its last factor on qubit 0."""
    chip, operator, _ = drawn(n, basis, 5)
    x, z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])
    single = [np.eye(2), x, z, x @ z] if basis == "real" else [np.eye(2), x, 1j * x @ z, z]
    o = chip.coefficients(operator)
    for i in range(4**n):
        element = np.eye(1)
        for k in range(n):
            element = np.kron(single[i >> 2 * k & 3], element)
        assert abs(o[i] - np.trace(element.conj().T @ operator) / 2**n) < 1e-13


@pytest.mark.parametrize(("n", "basis"), CHIPS)
def test_the_circuit_and_its_file_agree(n, basis):
    chip, operator, d = drawn(n, basis, n)
    prepared = (
        Circuit(3 * n).compose(prepare_state(d)).compose(prepare_state(chip.operator_state(operator)), range(n, 3 * n))
    )
    state, probability = chip.emulate(chip.operator_state(operator), d)
    for circuit in (chip.circuit(), read_qasm(write_qasm(chip.circuit()))):
        kept = statevector(prepared.compose(circuit)).numpy()[: chip.size]
        assert np.abs(kept - np.sqrt(probability) * state).max() < 1e-12


@pytest.mark.parametrize(("n", "basis"), CHIPS)
def test_pairs_lead_to_the_choi_state(n, basis):
    chip, operator, _ = drawn(n, basis, 7)
    circuit = Circuit(2 * n).compose(prepare_state(chip.operator_state(operator))).compose(chip.pairs())
    axes = statevector(circuit).numpy().reshape((2,) * (2 * n))  # qubit 2n - 1 first
    order = [2 * n - 1 - (2 * k + half) for half in (0, 1) for k in reversed(range(n))]
    choi = axes.transpose(order).reshape(chip.size, chip.size)
    assert np.abs(choi - operator / np.linalg.norm(operator)).max() < 1e-12


def test_unitaries_succeed_alike_on_all_data():
    from bitket.quantum.circuits import random_unitary

    draw = np.random.default_rng(3)
    chip = FixedDesignChip(2, "pauli")
    u = chip.operator_state(random_unitary(2, draw))
    for _ in range(5):
        assert abs(chip.emulate(u, units(4, draw))[1] - 1 / 16) < 1e-12


def test_zero_has_a_name():
    chip = FixedDesignChip(1)
    with pytest.raises(ZeroOperator, match=r"the operator \[2, 2\] is zero"):
        chip.operator_state(np.zeros((2, 2)))
    with pytest.raises(ZeroOperator, match="takes this data to zero"):
        chip.emulate(chip.operator_state([[0, 1], [0, 0]]), [1, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FixedDesignChip(0), "chip of 0 data qubits"),
        (lambda: FixedDesignChip(True), "chip of True data qubits"),
        (lambda: FixedDesignChip(1.5), "chip of 1.5 data qubits"),
        (lambda: FixedDesignChip(1, "x"), "'real' and 'pauli' are known"),
        (lambda: FixedDesignChip(1).coefficients(np.eye(4)), r"finite numbers \[2, 2\] are needed"),
        (lambda: FixedDesignChip(1).coefficients([[np.nan, 0], [0, 1]]), "finite numbers"),
        (lambda: FixedDesignChip(1).coefficients(1j * np.eye(2)), "basis 'pauli' is needed"),
        (lambda: FixedDesignChip(1).emulate([1, 1, 0, 0], [1, 0]), "operator state of shape"),
        (lambda: FixedDesignChip(1).emulate([1, 0, 0, 0], [1, 0, 0]), "data state of shape"),
        (lambda: FixedDesignChip(1).emulate_choi([2, 0, 0, 0], [1, 0]), "Choi state of shape"),
    ],
)
def test_what_is_no_chip_operator_or_state(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
