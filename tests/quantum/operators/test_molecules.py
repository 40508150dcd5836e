import itertools
import sys

import numpy as np
import pytest

from bitket.errors import InvalidInput, MissingExtra
from bitket.quantum.operators import GEOMETRIES, ConvergenceError, Molecule, molecular_hamiltonian

pytest.importorskip("pyscf")


def sector_energies(problem) -> np.ndarray:
    """Eigenvalues among the basis states that encode determinants with the right numbers of electrons."""
    n, (alpha, beta) = problem.num_orbitals, problem.num_electrons
    chosen = []
    for a in range(1 << n):
        for b in range(1 << n):
            if a.bit_count() == alpha and b.bit_count() == beta:
                filled = [a >> p & 1 for p in range(n)] + [b >> p & 1 for p in range(n)]
                chosen.append(int(problem.bitstring(filled), 2))
    assert len(set(chosen)) == len(chosen)
    matrix = problem.hamiltonian.sparse()
    inside = matrix[chosen][:, chosen].toarray()
    # Nothing leads out of the sector.
    assert np.isclose(np.linalg.norm(matrix[:, chosen].toarray()), np.linalg.norm(inside))
    return np.linalg.eigvalsh(inside)


def basis_state(bits: str) -> np.ndarray:
    state = np.zeros(1 << len(bits))
    state[int(bits, 2)] = 1
    return state


CASES = [
    (Molecule("H2"), {}),
    (Molecule("H2", basis="6-31g"), {}),
    (Molecule.named("LiH", bond_length=2.2), {"frozen_core": True, "removed_orbitals": (-3, -2)}),
    (Molecule("LiH"), {"active_space": (2, 4)}),
    (Molecule("H2O"), {"active_space": (6, 5)}),
    (Molecule("N2"), {"active_space": (6, 4)}),
    (Molecule("Li 0 0 0", spin=1), {}),  # open shells
    (Molecule("O 0 0 0; O 0 0 1.21", spin=2), {"active_space": (6, 4)}),
    (Molecule("LiH", charge=1, spin=1), {"frozen_core": True}),
]


@pytest.mark.parametrize(
    ("mapping", "reduction"), [("jordan_wigner", False), ("bravyi_kitaev", False), ("parity", False), ("parity", True)]
)
@pytest.mark.parametrize(("molecule", "options"), CASES)
def test_energies_of_hartree_fock_and_of_the_ground_state(molecule, options, mapping, reduction):
    problem = molecular_hamiltonian(molecule, mapping, two_qubit_reduction=reduction, **options)
    assert problem.num_qubits == 2 * problem.num_orbitals - 2 * reduction == len(problem.hf_bitstring)
    assert problem.hamiltonian.is_hermitian()
    assert problem.hamiltonian.expectation(basis_state(problem.hf_bitstring)) == pytest.approx(
        problem.hf_energy, abs=1e-8
    )
    energies = sector_energies(problem)
    assert energies[0] == pytest.approx(problem.fci_energy(), abs=1e-8)
    assert energies[0] <= problem.hf_energy + 1e-9


# Energies of the published qubit Hamiltonians that measurement papers share (Hadfield, Bravyi, Raymond, Mezzacapo 2020,
# arXiv:2006.15788), at geometries that give their nuclear repulsion and Hartree-Fock energy.
PUBLISHED = [
    (Molecule.named("H2", bond_length=0.735), -1.1373060357534, 15),
    (Molecule.named("H2", bond_length=0.7462, basis="6-31g"), -1.1516978499190, 185),
    (Molecule.named("LiH", bond_length=1.548), -7.8827622010083, 631),
    (Molecule.named("BeH2", bond_length=1.3038), -19.0450496028 + 3.449920457754, 666),
    (Molecule.named("H2O", bond_length=1.0285184, angle=96.779184), -75.0232914998, 1086),
]


@pytest.mark.parametrize(("molecule", "energy", "terms"), PUBLISHED)
def test_published_hamiltonians(molecule, energy, terms):
    problem = molecular_hamiltonian(molecule)
    assert len(problem.hamiltonian) == terms
    assert problem.fci_energy() == pytest.approx(energy, abs=1e-6)
    assert problem.hamiltonian.ground_energy() == pytest.approx(energy, abs=1e-6)


BOHR = 0.529177210903
WATER = [("H", (-0.021, -0.002, 0)), ("O", (0.835, 0.452, 0)), ("H", (1.477, -0.273, 0))]
SMALLER = {"frozen_core": True, "removed_orbitals": (-3, -2)}


@pytest.mark.parametrize(
    ("molecule", "options", "terms", "energy", "weight"),
    [
        (
            Molecule.named("LiH", bond_length=3.4),
            {"mapping": "parity", "two_qubit_reduction": True, **SMALLER},
            100,
            -7.789088898,
            3.0921256,
        ),
        (Molecule.named("LiH", bond_length=2.2), SMALLER, 118, None, 3.2402636),
        (
            Molecule([(element, [c * BOHR for c in x]) for element, x in WATER]),
            {"active_space": (4, 4)},
            193,
            -73.294106759,
            None,
        ),
    ],
)
def test_hamiltonians_of_an_architecture_search(molecule, options, terms, energy, weight):
    # Terms, ground energies and sums of |coefficients| (without the constant) of arXiv:2402.03500.
    problem = molecular_hamiltonian(molecule, **options)
    assert len(problem.hamiltonian) == terms
    if energy is not None:
        assert problem.hamiltonian.ground_energy() == pytest.approx(energy, abs=1e-6)
    if weight is not None:
        assert np.abs((problem.hamiltonian - problem.constant).coefficients).sum() == pytest.approx(weight, abs=1e-6)


@pytest.mark.parametrize("mapping", ["jordan_wigner", "parity", "bravyi_kitaev"])
@pytest.mark.parametrize(
    ("molecule", "options", "qubits"), [("H2", {}, 1), ("LiH", SMALLER, 4), ("H2O", {"active_space": (4, 4)}, 4)]
)
def test_tapering_keeps_the_sector_of_hartree_fock(molecule, options, qubits, mapping):
    full, less = (molecular_hamiltonian(molecule, mapping, taper=taper, **options) for taper in (False, True))
    assert less.num_qubits == qubits
    spectrum = np.linalg.eigvalsh(full.hamiltonian.matrix())
    smaller = np.linalg.eigvalsh(less.hamiltonian.matrix())
    assert smaller[0] == pytest.approx(full.fci_energy(), abs=1e-9)
    assert np.abs(smaller[:, None] - spectrum).min(axis=1).max() < 1e-9  # each level is one of the whole operator's
    state = int(less.hf_bitstring, 2)
    assert less.hamiltonian.matrix()[state, state].real == pytest.approx(less.hf_energy, abs=1e-9)
    if molecule == "H2":
        with pytest.raises(InvalidInput, match="its symmetry is not that"):
            less.bitstring([0, 1, 1, 0])


def test_the_same_molecule_gives_the_same_terms_wherever_it_lies():
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    water = Molecule("H2O")
    moved = Molecule([(element, turn @ np.array(x) + 1.5) for element, x in water.geometry])
    ours, theirs = (molecular_hamiltonian(m).hamiltonian for m in (water, moved))
    assert sorted(np.abs(ours.coefficients)) == pytest.approx(sorted(np.abs(theirs.coefficients)), abs=1e-7)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_named_geometries_have_the_stated_lengths_and_angles(name):
    length, angle, _ = GEOMETRIES[name]
    (_, centre), *others = Molecule(name).geometry
    arms = [np.subtract(x, centre) for _, x in others]
    assert [np.linalg.norm(arm) for arm in arms] == pytest.approx([length] * len(arms))
    if len(arms) > 1:
        cosine = arms[0] @ arms[1] / length**2
        assert np.degrees(np.arccos(cosine)) == pytest.approx(180 if angle is None else angle)
        assert all(a @ b / length**2 == pytest.approx(cosine) for a, b in itertools.pairwise(arms))


def test_geometry_is_read_in_every_form():
    water = Molecule("H2O")
    for (a, x), (b, y) in zip(Molecule(water.to_xyz()).geometry, water.geometry, strict=True):
        assert a == b
        assert x == pytest.approx(y, abs=1e-9)
    assert Molecule("h 0 0 0; LI 0 0 1.6").geometry == (("H", (0, 0, 0)), ("Li", (0, 0, 1.6)))
    assert Molecule("1\n\nHe 0 0 0\nthis line is not an atom") == Molecule([("He", [0, 0, 0])])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Molecule("Xx 0 0 0"), "unknown element 'Xx'"),
        (lambda: Molecule("H3O"), "not a known name"),
        (lambda: Molecule.named("H3O"), "known names are"),
        (lambda: Molecule.named("H2", bond_length=-1), "positive"),
        (lambda: Molecule.named("H2", angle=90), "linear"),
        (lambda: Molecule.named("NH3", angle=130), "between 0 and 120"),
        (lambda: Molecule(""), "without atoms"),
        (lambda: Molecule("H 0 0 0; H 0 0"), "line 2, 'H 0 0'"),
        (lambda: Molecule("H 0 0 zero"), "line 1"),
        (lambda: Molecule("3\n\nH 0 0 0"), "promises 3 atoms and has 1"),
        (lambda: Molecule([("H", (0, 0, np.inf))]), "must be finite"),
        (lambda: Molecule([("H", (0, 0))]), "three coordinates"),
        (lambda: Molecule("H 0 0 0; H 0 0 0"), "apart"),
        (lambda: Molecule("H2", charge=2), "at most 1"),
        (lambda: Molecule("H2", spin=1), "must be even"),
        (lambda: Molecule("H2", spin=4), "at most 2"),
        (lambda: Molecule("H2", spin=-2), "0 or more"),
        (lambda: molecular_hamiltonian(Molecule("H2", basis="sto-99g")), "'sto-99g'.*for H"),
        (lambda: molecular_hamiltonian("H2", "braille"), "known are"),
        (lambda: molecular_hamiltonian("H2", two_qubit_reduction=True), "it needs mapping='parity'"),
        (
            lambda: molecular_hamiltonian(Molecule("He 0 0 0"), "parity", two_qubit_reduction=True),
            "no qubit would be left",
        ),
        (lambda: molecular_hamiltonian("LiH", active_space=(3, 3)), "pairs to freeze"),
        (lambda: molecular_hamiltonian("LiH", active_space=(2, 9)), "from 1 to 5"),
        (lambda: molecular_hamiltonian("LiH", active_space=(2, 2), frozen_core=True), "one or the other"),
        (lambda: molecular_hamiltonian("LiH", removed_orbitals=[0]), "removed orbital 0"),
        (lambda: molecular_hamiltonian(Molecule("Li 0 0 0", charge=1), frozen_core=True), "no electrons to correlate"),
        (lambda: molecular_hamiltonian("H2").bitstring([1, 1, 0, 0]), "1 and 1 are needed"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_a_field_that_does_not_converge_is_named(monkeypatch):
    from pyscf import scf

    monkeypatch.setattr(scf.hf.SCF, "max_cycle", 0)
    with pytest.raises(ConvergenceError, match="LiH in sto-3g did not converge"):
        molecular_hamiltonian("LiH")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyscf", None)
    with pytest.raises(MissingExtra, match=r"pip install 'bitket\[chem\]'"):
        molecular_hamiltonian("H2")
