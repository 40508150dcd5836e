import numpy as np
import pytest

from bitket.algebra import PauliError, PauliSum
from bitket.algebra.subspaces import lowest_eigenpairs


def test_repeated_eigenvalues_of_large_matrices():
    import scipy.sparse

    rng = np.random.default_rng(4)
    part = rng.normal(size=(200, 200))
    matrix = scipy.sparse.csr_matrix(np.kron(np.eye(4), part + part.T))
    exact = np.sort(np.tile(np.linalg.eigvalsh(part + part.T), 4))
    for count in (1, 3, 6):
        values, vectors = lowest_eigenpairs(matrix, count)
        assert values == pytest.approx(exact[:count], abs=1e-8)
        assert np.abs(vectors.T @ vectors - np.eye(count)).max() < 1e-6
        assert np.abs(matrix @ vectors - vectors * values).max() < 1e-6


def test_ground_states_within_a_sector_of_any_operator():
    rng = np.random.default_rng(2)
    H = PauliSum.from_masks(
        4,
        [
            (float(c), int(x) & 7, int(z))
            for c, (x, z) in zip(rng.normal(size=9), rng.integers(16, size=(9, 2)), strict=True)
        ],
    )
    for top in (0, 8):  # no term flips qubit 3
        states = np.arange(8) + top
        rng.shuffle(states)
        energy, psi = H.ground_state(states)
        assert energy == pytest.approx(np.linalg.eigvalsh(H.matrix()[np.ix_(states, states)])[0])
        assert np.linalg.norm(H.apply(psi) - energy * psi) < 1e-9
    assert PauliSum.parse("ZZ").ground_energy([0, 3]) == 1
    for states, message in (([0], "leads out"), ([], "at least one"), ([0, 0], "different"), ([99], "0 to 15")):
        with pytest.raises(PauliError, match=message):
            (H + PauliSum.parse("IXII")).ground_energy(states)
