import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.operators import (
    STORED,
    ElectronSector,
    Encoding,
    MolecularProblem,
    Molecule,
    annihilation,
    chemically_accurate,
    mapping_matrix,
    molecular_hamiltonian,
    stored_hamiltonian,
    stored_sector,
)

WAYS = [
    ("jordan_wigner", False, False),
    ("bravyi_kitaev", False, False),
    ("parity", False, False),
    ("parity", True, False),
    ("jordan_wigner", False, True),
    ("bravyi_kitaev", False, True),
    ("parity", True, True),
]


def random_problem(seed: int, n: int, electrons: tuple[int, int], way: tuple) -> MolecularProblem:
    """Integrals with the symmetries of real orbitals, and nothing else."""
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(n, n))
    factors = rng.normal(size=(3, n, n)) / 2
    factors = factors + factors.transpose(0, 2, 1)
    mapping, reduction, tapered = way
    return MolecularProblem(
        molecule=Molecule("H2"),  # not used
        mapping=mapping,
        two_qubit_reduction=reduction,
        tapered=tapered,
        constant=float(rng.normal()),
        one_body=h + h.T,
        two_body=np.einsum("kpq,krs->pqrs", factors, factors),
        num_electrons=electrons,
        hf_energy=0.0,
    )


def dense_spin(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of alpha and of beta electrons and S² from ladder operators, under Jordan-Wigner."""
    a = [annihilation(p, 2 * n).matrix() for p in range(2 * n)]
    alpha, beta = (sum(a[p].conj().T @ a[p] for p in part) for part in (range(n), range(n, 2 * n)))
    raising = sum(a[p].conj().T @ a[n + p] for p in range(n))
    m = (alpha - beta) / 2
    return alpha, beta, m @ m + m + raising.conj().T @ raising


@given(
    st.integers(0, 2**31),
    st.sampled_from([(n, (a, b)) for n in (2, 3) for a in range(1, n + 1) for b in range(n + 1)]),
    st.sampled_from(WAYS[:5]),
)
@settings(max_examples=40, deadline=None)
def test_all_eigenstates_equal_brute_force_with_number_operators(seed, size, way):
    n, electrons = size
    problem = random_problem(seed, n, electrons, way)
    alpha, beta, square = dense_spin(n)
    inside = np.flatnonzero((np.diag(alpha).real == electrons[0]) & (np.diag(beta).real == electrons[1]))
    whole = problem.fermions.to_paulis().matrix()
    block, spin = whole[np.ix_(inside, inside)], square[np.ix_(inside, inside)]
    energies = np.linalg.eigvalsh(block)
    found = problem.sector.eigenstates(problem.hamiltonian, 100)
    assert [s.energy for s in found] == pytest.approx(energies, abs=1e-9)
    assert problem.ground_state().energy == pytest.approx(energies[0], abs=1e-9)
    # S² commutes with H, so the pairs of eigenvalues are those of both together.
    both = np.linalg.eigvalsh(block + np.pi * spin)
    assert np.sort([s.energy + np.pi * s.spin_square for s in found]) == pytest.approx(both, abs=1e-8)
    for state in found:
        psi = state.vector
        assert np.linalg.norm(problem.hamiltonian.apply(psi) - state.energy * psi) < 1e-9
        report = problem.sector.report(psi)
        assert report.weight == pytest.approx(1)
        assert report.electrons == pytest.approx(sum(electrons))
        assert report.spin_projection == pytest.approx(state.spin_projection)
        assert report.spin_square == pytest.approx(state.spin_square, abs=1e-9)


@given(st.integers(0, 2**31), st.sampled_from(WAYS[:3]))
@settings(max_examples=20, deadline=None)
def test_reports_of_random_states(seed, way):
    problem = random_problem(0, 3, (2, 1), way)
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=64) + 1j * rng.normal(size=64)
    psi /= np.linalg.norm(psi)
    # Back to occupations: mode j is bit j.
    basis = [problem.sector.encoding.qubits([f >> j & 1 for j in range(6)]) for f in range(64)]
    phi = psi[[sum(q << k for k, q in enumerate(qubits)) for qubits in basis]]
    alpha, beta, square = dense_spin(3)
    report = problem.sector.report(psi)
    n, m = (np.vdot(phi, operator @ phi).real for operator in (alpha + beta, (alpha - beta) / 2))
    assert (report.electrons, report.spin_projection) == pytest.approx((n, m))
    assert report.spin_square == pytest.approx(np.vdot(phi, square @ phi).real)
    there = (np.diag(alpha).real == 2) & (np.diag(beta).real == 1)
    assert report.weight == pytest.approx((np.abs(phi[there]) ** 2).sum())
    off = (alpha - 2 * np.eye(64)) @ (alpha - 2 * np.eye(64)) + (beta - np.eye(64)) @ (beta - np.eye(64))
    assert problem.sector.penalty().expectation(psi) == pytest.approx(np.vdot(phi, off @ phi).real)


def fci(problem: MolecularProblem, roots: int) -> list[tuple[float, float]]:
    """Energies and S² by pyscf."""
    from pyscf import fci

    solver = fci.direct_spin1.FCI()
    solver.conv_tol, solver.max_cycle, solver.nroots, solver.max_space = 1e-13, 500, roots, 40
    energies, vectors = solver.kernel(problem.one_body, problem.two_body, problem.num_orbitals, problem.num_electrons)
    if np.ndim(energies) == 0:
        energies, vectors = [energies], [vectors]
    squares = [fci.spin_square(v, problem.num_orbitals, problem.num_electrons)[0] for v in vectors]
    return [(float(e) + problem.constant, float(s)) for e, s in zip(energies, squares, strict=True)]


MOLECULES = [
    (Molecule("He 0 0 0; H 0 0 0.772", charge=1), {}),
    (Molecule.named("H2", bond_length=0.735, charge=1), {}),
    (Molecule.named("H2", bond_length=0.735, spin=2), {}),
    (Molecule.named("H2", basis="6-31g"), {}),
    (Molecule("LiH", charge=2, spin=0), {}),  # with two electrons more it would lie lower
    (Molecule("LiH", charge=1), {"frozen_core": True}),
    (Molecule("LiH", spin=2), {}),
    (Molecule("H2O", charge=1), {"frozen_core": True}),
    (Molecule("O 0 0 0; O 0 0 1.21", spin=2), {"active_space": (8, 6)}),
    (Molecule("O 0 0 0; O 0 0 1.21", spin=0), {"active_space": (8, 6)}),  # its ground state is a triplet
    (Molecule("N 0 0 0", spin=3), {}),
]


@pytest.mark.parametrize("way", WAYS[:4])
@pytest.mark.parametrize(("molecule", "options"), MOLECULES)
def test_ground_states_and_their_spins_equal_pyscf(molecule, options, way):
    pytest.importorskip("pyscf")
    mapping, reduction, tapered = way
    problem = molecular_hamiltonian(molecule, mapping, two_qubit_reduction=reduction, taper=tapered, **options)
    ((energy, square),) = fci(problem, 1)
    state = problem.ground_state()
    assert state.energy == pytest.approx(energy, abs=1e-8) == pytest.approx(problem.fci_energy(), abs=1e-8)
    assert state.spin_square == pytest.approx(square, abs=1e-6)
    assert sum(state.num_electrons) == sum(problem.num_electrons)
    assert problem.hamiltonian.ground_energy(problem.sector.indices) == pytest.approx(energy, abs=1e-8)
    assert problem.hamiltonian.expectation(state.vector) == pytest.approx(energy, abs=1e-8)
    other = problem.ground_state("bravyi_kitaev")
    assert other.energy == pytest.approx(energy, abs=1e-8)
    assert other.sector.num_qubits == 2 * problem.num_orbitals


@pytest.mark.parametrize(
    ("molecule", "energy"),
    [
        (Molecule("He 0 0 0; H 0 0 0.772", charge=1), -2.85102403),
        (Molecule.named("H2", bond_length=0.735, charge=1), -0.53637008),  # one electron: that of Hartree-Fock
        (Molecule.named("H2", bond_length=0.735, spin=2), -0.52461556),
    ],
)
def test_ions_lie_above_the_lowest_eigenvalue_of_all_basis_states(molecule, energy):
    pytest.importorskip("pyscf")
    problem = molecular_hamiltonian(molecule)
    assert problem.ground_state().energy == pytest.approx(energy, abs=1e-8)
    assert problem.hamiltonian.ground_energy() < energy - 0.1


@pytest.mark.parametrize(
    ("molecule", "electrons", "orbitals"),
    [
        (Molecule("H2O"), 4, 4),
        (Molecule("H2O", charge=1), 5, 4),
        (Molecule("N2"), 6, 6),
        (Molecule("LiH", spin=2), 2, 4),
    ],
)
def test_active_spaces_equal_casci(molecule, electrons, orbitals):
    pytest.importorskip("pyscf")
    from pyscf import gto, mcscf, scf

    cell = gto.M(atom=list(molecule.geometry), charge=molecule.charge, spin=molecule.spin, basis="sto-3g", verbose=0)
    field = scf.ROHF(cell).run(conv_tol=1e-13)
    solver = mcscf.CASCI(field, orbitals, electrons)
    solver.fcisolver.conv_tol = 1e-13
    problem = molecular_hamiltonian(molecule, active_space=(electrons, orbitals))
    assert problem.ground_state().energy == pytest.approx(solver.kernel()[0], abs=1e-8)


@pytest.mark.parametrize(
    ("molecule", "options"),
    [(Molecule("H2", basis="6-31g"), {}), (Molecule("H2O"), {"active_space": (6, 5)}), (Molecule("LiH", spin=2), {})],
)
def test_excited_states_equal_pyscf(molecule, options):
    pytest.importorskip("pyscf")
    problem = molecular_hamiltonian(molecule, "parity", two_qubit_reduction=True, **options)
    theirs = fci(problem, 6)
    ours = [problem.ground_state(), *problem.excited_states(5)]
    assert [s.energy for s in ours] == pytest.approx([e for e, _ in theirs], abs=1e-8)
    for k, (energy, square) in enumerate(theirs):
        alone = all(abs(energy - e) > 1e-6 for j, (e, _) in enumerate(theirs) if j != k)
        if alone:
            assert ours[k].spin_square == pytest.approx(square, abs=1e-6)


def test_degenerate_levels_have_all_their_states_and_a_definite_spin():
    pytest.importorskip("pyscf")
    # The oxygen atom is a triplet P: three states. Far apart, two hydrogen atoms are a singlet and a triplet alike.
    oxygen = molecular_hamiltonian(Molecule("O 0 0 0", spin=2))
    states = [oxygen.ground_state(), *oxygen.excited_states(3)]
    assert [s.energy - states[0].energy for s in states[:3]] == pytest.approx([0, 0, 0], abs=1e-8)
    assert states[3].energy > states[0].energy + 0.01
    apart = molecular_hamiltonian("H 0 0 0; H 0 0 40")
    pair = [apart.ground_state(), *apart.excited_states(1)]
    assert pair[1].energy == pytest.approx(pair[0].energy, abs=1e-9)
    assert [s.spin_square for s in pair] == pytest.approx([0, 2], abs=1e-9)


@pytest.mark.parametrize("way", WAYS[4:])
@pytest.mark.parametrize(("molecule", "options"), MOLECULES[3:10])
def test_tapered_states_are_the_lowest_of_their_symmetry(molecule, options, way):
    pytest.importorskip("pyscf")
    mapping, reduction, _ = way
    problem = molecular_hamiltonian(molecule, mapping, two_qubit_reduction=reduction, taper=True, **options)
    assert problem.num_qubits < 2 * problem.num_orbitals - 2 * reduction
    found = problem.sector.eigenstates(problem.hamiltonian, 3)
    dense = problem.hamiltonian.sparse()[problem.sector.indices][:, problem.sector.indices].toarray()
    assert [s.energy for s in found] == pytest.approx(np.linalg.eigvalsh(dense)[: len(found)], abs=1e-9)
    assert found[0].energy >= problem.fci_energy() - 1e-8
    for state in found:
        report = problem.sector.report(state.vector)
        assert (report.weight, report.electrons) == pytest.approx((1, sum(problem.num_electrons)))
        assert report.spin_square == pytest.approx(state.spin_square, abs=1e-7)


@pytest.mark.parametrize("name", STORED)
def test_stored_operators_have_their_molecules_ground_state(name):
    H, sector = stored_hamiltonian(name), stored_sector(name)
    (state,) = sector.eigenstates(H, 1)
    assert state.energy == pytest.approx(H.ground_energy(), abs=1e-9)  # neutral molecules: no ion lies lower
    assert state.spin_square == pytest.approx(0, abs=1e-9)
    start = np.zeros(1 << H.num_qubits)
    start[int(sector.reference, 2)] = 1
    assert 0 < H.expectation(start) - state.energy < 0.3
    if name == "H2-2":
        assert H.expectation(start) == pytest.approx(-1.1166844, abs=1e-6)  # Hartree-Fock at 0.7414 ångström


@pytest.mark.parametrize(
    ("value", "error", "bias", "accurate"),
    [
        (1e-3, 0.0, 0.0, True),
        (-1.6e-3, 0.0, 0.0, True),
        (1.7e-3, 0.0, 0.0, False),
        (0.0, 7e-3, 0.0, False),  # by chance only
        (1e-3, 4e-4, 0.0, False),
        (1e-3, 2.9e-4, 0.0, True),
        (1e-3, 0.0, 1e-3, False),
        (float("nan"), 0.0, 0.0, False),
        (0.0, float("nan"), 0.0, False),
    ],
)
def test_chemical_accuracy_needs_value_and_error_bar(value, error, bias, accurate):
    assert chemically_accurate(-75 + value, -75.0, error, bias) is accurate


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ElectronSector(Encoding(mapping_matrix("parity", 4)), (3, 1)), "do not fit"),
        (lambda: ElectronSector(Encoding(mapping_matrix("parity", 3)), (1, 1)), "do not fit"),
        (lambda: ElectronSector(Encoding(mapping_matrix("parity", 64)), (16, 16)).indices, "choose a smaller active"),
        (
            lambda: ElectronSector(Encoding(mapping_matrix("parity", 24)), (6, 6)).eigenstates(PauliSum.zero(24), 1),
            "853776 determinants, at most 200000 are diagonalised",
        ),
        (lambda: stored_sector("H2-2").eigenstates(PauliSum.parse("ZZZ"), 1), "on 2 qubits"),
        (lambda: stored_sector("H2-2").eigenstates(PauliSum.parse("ZZ"), 0), "at least 1"),
        (lambda: stored_sector("H2-2").report(np.ones(8)), r"\[2\^2\]"),
        (lambda: stored_sector("He-2"), "are stored"),
        (lambda: random_problem(0, 2, (1, 1), WAYS[0]).excited_states(0), "at least 1"),
        (lambda: random_problem(0, 2, (1, 1), WAYS[0]).ground_state("braille"), "known are"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_the_lowest_spin_is_the_default():
    assert [Molecule("H2", charge=c).spin for c in (0, 1)] == [0, 1]
    assert list(itertools.chain(*(Molecule("LiH", charge=c).num_electrons for c in (0, 1, 2)))) == [2, 2, 2, 1, 1, 1]
