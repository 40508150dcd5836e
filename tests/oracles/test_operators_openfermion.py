"""Fermion mappings against OpenFermion."""

import numpy as np
import pytest

from bitket.algebra import PauliSum
from bitket.quantum.operators import FermionHamiltonian, Molecule, annihilation, molecular_hamiltonian

openfermion = pytest.importorskip("openfermion")


def terms(operator: PauliSum) -> dict:
    """In OpenFermion's form: ((qubit, letter), ...) to coefficient."""
    out = {}
    for label, coefficient in zip(operator.labels(), operator.coefficients, strict=True):
        key = tuple((q, letter) for q, letter in enumerate(reversed(label)) if letter != "I")
        out[key] = complex(coefficient)
    return out


def assert_same_terms(ours: PauliSum, theirs) -> None:
    mine, other = terms(ours), {k: complex(v) for k, v in theirs.terms.items()}
    for key in mine.keys() | other.keys():
        assert mine.get(key, 0) == pytest.approx(other.get(key, 0), abs=1e-10), key


def transforms(n: int) -> dict:
    of = openfermion
    return {
        "jordan_wigner": of.jordan_wigner,
        "bravyi_kitaev": lambda operator: of.bravyi_kitaev(operator, n),
        "parity": lambda operator: of.binary_code_transform(operator, of.parity_code(n)),
    }


def their_operator(fermions: FermionHamiltonian):
    return openfermion.get_fermion_operator(
        openfermion.InteractionOperator(fermions.constant, fermions.one_body, fermions.two_body)
    )


@pytest.mark.parametrize("mapping", ["jordan_wigner", "bravyi_kitaev", "parity"])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_random_integrals_term_by_term(mapping, n):
    rng = np.random.default_rng(n)
    h, g = rng.normal(size=(n, n)), rng.normal(size=(n,) * 4)
    if n <= 4:  # complex and not Hermitian: no structure may be taken for granted
        h, g = h + 1j * rng.normal(size=h.shape), g + 1j * rng.normal(size=g.shape)
    else:
        h, g = h + h.T, g + g.transpose(3, 2, 1, 0)
    ours = FermionHamiltonian(0.3, h, g)
    assert_same_terms(ours.to_paulis(mapping), transforms(n)[mapping](their_operator(ours)))


@pytest.mark.parametrize("mapping", ["jordan_wigner", "bravyi_kitaev", "parity"])
def test_ladder_operators(mapping):
    for n in (3, 7, 8):
        for mode in range(n):
            theirs = transforms(n)[mapping](openfermion.FermionOperator(((mode, 0),)))
            assert_same_terms(annihilation(mode, n, mapping), theirs)


@pytest.mark.parametrize(
    ("molecule", "options"),
    [
        (Molecule("H2"), {}),
        (Molecule("LiH"), {"frozen_core": True}),
        (Molecule("H2O"), {"active_space": (4, 4)}),
        (Molecule("O 0 0 0; O 0 0 1.21", spin=2), {"active_space": (4, 3)}),
    ],
)
def test_molecules_term_by_term_and_their_spectra(molecule, options):
    pytest.importorskip("pyscf")
    jordan_wigner = molecular_hamiltonian(molecule, **options)
    bravyi_kitaev = molecular_hamiltonian(molecule, "bravyi_kitaev", **options)
    n = jordan_wigner.num_qubits
    # OpenFermion builds spin orbitals from spatial ones itself, in alternating order.
    one, two = openfermion.chem.molecular_data.spinorb_from_spatial(
        jordan_wigner.one_body, jordan_wigner.two_body.transpose(0, 2, 3, 1)
    )
    theirs = openfermion.get_fermion_operator(openfermion.InteractionOperator(jordan_wigner.constant, one, two / 2))
    assert_same_terms(jordan_wigner.fermions.interleaved().to_paulis(), openfermion.jordan_wigner(theirs))
    blocks = openfermion.transforms.reorder(theirs, openfermion.up_then_down)
    assert_same_terms(jordan_wigner.hamiltonian, openfermion.jordan_wigner(blocks))
    assert_same_terms(bravyi_kitaev.hamiltonian, openfermion.bravyi_kitaev(blocks, n))
    if n <= 8:
        exact = openfermion.eigenspectrum(openfermion.jordan_wigner(theirs))
        for problem in (jordan_wigner, bravyi_kitaev, molecular_hamiltonian(molecule, "parity", **options)):
            assert np.allclose(np.linalg.eigvalsh(problem.hamiltonian.matrix()), np.sort(exact))


def test_two_qubit_reduction_equals_openfermion():
    pytest.importorskip("pyscf")
    reduced = molecular_hamiltonian("H2", "parity", two_qubit_reduction=True)
    theirs = openfermion.symmetry_conserving_bravyi_kitaev(
        their_operator(reduced.fermions.interleaved()), 4, sum(reduced.num_electrons)
    )
    exact = openfermion.eigenspectrum(theirs, n_qubits=2)
    assert np.allclose(np.linalg.eigvalsh(reduced.hamiltonian.matrix()), np.sort(exact))
