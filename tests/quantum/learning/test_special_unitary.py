import itertools

import numpy as np
import pytest
import scipy.linalg
import torch

from bitket.errors import InvalidInput, NotEnoughMemory
from bitket.quantum.learning.special_unitary import SpecialUnitary, hermitian_exponential, pauli_generator

LETTERS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def explicit(theta, n):
    """Σ theta_P P, string by string."""
    words = list(itertools.product("IXYZ", repeat=n))[1:]
    total = np.zeros((2**n, 2**n), complex)
    for word, t in zip(words, theta, strict=True):
        product = np.eye(1)
        for letter in word:
            product = np.kron(product, LETTERS[letter])
        total += t * product
    return total


@pytest.mark.parametrize("n", [1, 2, 3])
def test_gate_is_the_exponential_of_the_pauli_sum(n):
    theta = torch.randn(3, 4**n - 1, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    found = hermitian_exponential(pauli_generator(theta))
    for u, t in zip(found.numpy(), theta.numpy(), strict=True):
        np.testing.assert_allclose(u, scipy.linalg.expm(1j * explicit(t, n)), atol=1e-12)


def test_gate_equals_pennylanes():
    qml = pytest.importorskip("pennylane")
    theta = torch.randn(63, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    ours = hermitian_exponential(pauli_generator(theta)).numpy()
    np.testing.assert_allclose(ours, qml.SpecialUnitary(theta.numpy(), wires=[0, 1, 2]).matrix(), atol=1e-12)


@pytest.mark.parametrize(
    "theta", [torch.zeros(15), torch.eye(15)[3], torch.randn(15, generator=torch.Generator().manual_seed(1))]
)
def test_gradients_where_eigenvalues_repeat(theta):
    theta = theta.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: hermitian_exponential(pauli_generator(t)), theta)


def test_defect_of_unitary_and_of_complex_angles():
    unitary = SpecialUnitary(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert unitary.defect() < 1e-12
    with pytest.warns(UserWarning, match="non-unitary"):
        other = SpecialUnitary(
            3, 2, parametrisation="complex", generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
    assert other.defect() < 1e-12  # the imaginary parts begin at zero
    np.testing.assert_allclose(other().detach(), unitary().detach(), atol=1e-10)
    with torch.no_grad():
        other.theta += 0.1j
    expected = scipy.linalg.expm(1j * explicit(other.theta[1].detach().numpy(), 3))
    np.testing.assert_allclose(other()[1].detach(), expected, atol=1e-10)
    assert other.defect() > 0.1


def test_wrong_settings_are_named():
    with pytest.raises(InvalidInput, match="0 qubits"):
        SpecialUnitary(0)
    with pytest.raises(InvalidInput, match="parametrisation 'real': 'unitary' or 'complex'"):
        SpecialUnitary(2, parametrisation="real")
    with pytest.raises(InvalidInput, match=r"torch.float16; torch.float32 or torch.float64"):
        SpecialUnitary(2, dtype=torch.float16)
    with pytest.raises(NotEnoughMemory):
        SpecialUnitary(20)
    with pytest.raises(InvalidInput, match=r"14 angles; 4\^n - 1"):
        pauli_generator(torch.zeros(14))
