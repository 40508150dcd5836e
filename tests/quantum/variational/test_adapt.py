import numpy as np
import pytest

from bitket.algebra import PauliString, PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.measurement.variance import transition_values
from bitket.quantum.operators import molecular_hamiltonian, transverse_field_ising
from bitket.quantum.simulation import expectation, statevector
from bitket.quantum.variational.adapt import adapt_vqe, append_rotation, hamiltonian_pool


@pytest.mark.parametrize("label", ["Y", "XZ", "YIX", "ZYXY"])
def test_rotations_are_exponentials(label):
    circuit = Circuit(len(label))
    append_rotation(circuit, label, 0.7)
    P = PauliString.from_label(label).matrix()
    expected = np.cos(0.35) * np.eye(len(P)) - 1j * np.sin(0.35) * P
    assert np.abs(circuit.matrix() - expected).max() < 1e-12


def test_slopes_of_the_pool_are_derivatives():
    g = np.random.default_rng(0)
    n = 4
    H = PauliSum.from_masks(n, [(float(g.normal()), *map(int, g.integers(1 << n, size=2))) for _ in range(12)])
    pool = hamiltonian_pool(H)
    psi = g.normal(size=1 << n) + 1j * g.normal(size=1 << n)
    psi /= np.linalg.norm(psi)
    x, z = (words[:, 0].astype(np.int64) for words in (pool.x, pool.z))
    slopes = transition_values(H.apply(psi), psi, x, z).imag
    for k, label in enumerate(pool.labels()):
        P = PauliString.from_label(label).matrix()
        values = []
        for angle in (1e-4, -1e-4):
            turned = np.cos(angle / 2) * psi - 1j * np.sin(angle / 2) * (P @ psi)
            values.append(float(H.expectation(turned)))
        assert slopes[k] == pytest.approx((values[0] - values[1]) / 2e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("molecule", "options", "error"),
    [
        ("H2", {}, 1e-9),
        ("H2", {"mapping": "parity", "two_qubit_reduction": True}, 1e-9),
        ("LiH", {"mapping": "bravyi_kitaev", "frozen_core": True}, 1.6e-3),
    ],
)
def test_molecules_reach_chemical_accuracy(molecule, options, error):
    problem = molecular_hamiltonian(molecule, **options)
    steps = []
    found = adapt_vqe(problem.hamiltonian, problem.hf_bitstring, progress=lambda *step: steps.append(step))
    exact = problem.hamiltonian.ground_energy()
    assert -1e-10 < found.energy - exact < error
    assert found.converged
    assert list(found.energies) == sorted(found.energies, reverse=True)
    assert [s[0] for s in steps] == list(range(1, len(found.strings) + 1))
    value = float(expectation(found.circuit, problem.hamiltonian, found.weights))
    assert value == pytest.approx(found.energy, abs=1e-10)


def test_an_ising_chain_from_a_basis_state():
    import networkx

    H = transverse_field_ising(networkx.path_graph(5))
    found = adapt_vqe(H)
    assert found.energy - H.ground_energy() < 1e-3
    assert np.linalg.norm(statevector(found.circuit, found.weights).numpy()) == pytest.approx(1)


def test_largest_stops_it():
    problem = molecular_hamiltonian("LiH", frozen_core=True)
    found = adapt_vqe(problem.hamiltonian, problem.hf_bitstring, largest=3)
    assert len(found.strings) == 3
    assert not found.converged


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adapt_vqe(1j * PauliSum.parse("XX")), "not Hermitian"),
        (lambda: adapt_vqe(PauliSum.parse("XX"), "0"), "2 bits"),
        (lambda: adapt_vqe(PauliSum.parse("XX"), pool=PauliSum.parse("Y")), "on 2 qubits"),
        (lambda: adapt_vqe(PauliSum.parse("XX"), tolerance=0), "must be positive"),
        (lambda: append_rotation(Circuit(2), "II", 0.1), "other than I"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
