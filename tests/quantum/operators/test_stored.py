import pytest

from bitket.errors import InvalidInput
from bitket.quantum.operators import STORED, stored_hamiltonian
from bitket.quantum.operators.stored import computed_hamiltonian

# Ground energy and sum of |coefficients| of the terms that are not the identity, as the paper's operators have them.
PUBLISHED = {
    "H2-2": (-1.137270174657, 0.9804927519),
    "H2-3": (-1.137270174657, 1.8850504923),
    "LiH-4": (-7.789088898, None),
    "LiH-6": (None, None),
    "H2O-8": (-73.294106759, None),
}


@pytest.mark.parametrize("name", STORED)
def test_stored_operators(name):
    operator = stored_hamiltonian(name)
    assert str(operator.num_qubits) == name[-1]
    energy, weight = PUBLISHED[name]
    if energy is not None:
        assert operator.ground_energy() == pytest.approx(energy, abs=1e-6)
    if weight is not None:
        assert sum(abs(c) for c, x, z in operator.masks() if x | z) == pytest.approx(weight, abs=1e-6)


@pytest.mark.parametrize("name", STORED)
def test_the_file_is_what_chemistry_gives(name):
    pytest.importorskip("pyscf")
    difference = stored_hamiltonian(name) - computed_hamiltonian(name)
    assert abs(difference.coefficients).max() < 1e-8


def test_unknown_names():
    for make in (stored_hamiltonian, computed_hamiltonian):
        with pytest.raises(InvalidInput, match="H2-2, H2-3, LiH-4, LiH-6, H2O-8 are stored"):
            make("He-2")
