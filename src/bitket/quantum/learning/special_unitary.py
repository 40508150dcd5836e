"""Every gate there is on a few qubits, with one angle for each Pauli string: SU(2^n) as a layer's parameters (Wiersema et al. 2024).

    U(theta) = exp(i H),   H = Σ_P theta_P P   over the 4^n - 1 strings IX, IY, IZ, XI, ... ZZ   (the last letter is qubit 0)

H comes from theta by n small steps, one a letter, as a Walsh-Hadamard transform does. The gradient is exact also where eigenvalues
λ of H = V diag(λ) V† coincide, as it uses divided differences (Daleckii and Krein) and none of the eigenvectors' own gradient:

    dU = V [(V† dH V) ∘ Φ] V†,   Φ_jk = (e^{iλ_j} - e^{iλ_k}) / (λ_j - λ_k) = i e^{i(λ_j + λ_k)/2} sinc((λ_j - λ_k)/2)
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import torch
from torch.autograd.function import once_differentiable

from bitket.errors import InvalidInput
from bitket.quantum.simulation import memory

__all__ = ["Parametrisation", "SpecialUnitary", "hermitian_exponential", "pauli_generator"]

Parametrisation = Literal["unitary", "complex"]

# Entries 00, 01, 10, 11 of a 2 x 2 matrix (rows) from its coefficients of I, X, Y, Z (columns).
_LETTERS = torch.tensor([[1, 0, 0, 1], [0, 1, -1j, 0], [0, 1, 1j, 0], [1, 0, 0, -1]], dtype=torch.complex128)


def pauli_generator(theta: torch.Tensor) -> torch.Tensor:
    """Σ_P theta_P P, ``[..., 2^n, 2^n]``, of coefficients ``[..., 4^n - 1]``; Hermitian if they are real.

    >>> pauli_generator(torch.tensor([0.0, 0.0, 1.0])).real.tolist()
    [[1.0, 0.0], [0.0, -1.0]]
    """
    n = _qubits(theta.shape[-1])
    batch = theta.shape[:-1]
    kind = theta.dtype if theta.is_complex() else torch.promote_types(theta.dtype, torch.complex64)
    letters = _LETTERS.to(device=theta.device, dtype=kind)
    t = torch.nn.functional.pad(theta, (1, 0)).to(kind)
    for _ in range(n):  # the first letter becomes a pair of row and column and goes to the end
        t = t.reshape(*batch, 4, 4 ** (n - 1)).mT @ letters.mT
    k = len(batch)
    t = t.reshape(*batch, *(2,) * (2 * n))
    order = [*range(k), *range(k, k + 2 * n, 2), *range(k + 1, k + 2 * n, 2)]
    return t.permute(order).reshape(*batch, 2**n, 2**n)


def _qubits(count: int) -> int:
    n = (count.bit_length() + 1) // 2
    if n < 1 or count != 4**n - 1:
        raise InvalidInput(f"special unitary: {count} angles; 4^n - 1 (3, 15, 63, ...) are needed")
    return n


def hermitian_exponential(h: torch.Tensor) -> torch.Tensor:
    """exp(i H) of Hermitian matrices ``[..., d, d]``; its gradient exists for repeated eigenvalues too."""
    result: torch.Tensor = _HermitianExponential.apply(h)
    return result


class _HermitianExponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: torch.Tensor) -> torch.Tensor:
        values, vectors = torch.linalg.eigh(h)
        phases = torch.exp(0.5j * values)
        ctx.save_for_backward(values, vectors, phases)
        return (vectors * (phases**2).unsqueeze(-2)) @ vectors.mH

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        values, vectors, phases = ctx.saved_tensors
        phi = 1j * phases.unsqueeze(-1) * phases.unsqueeze(-2) * half_sinc(values)
        return vectors @ ((vectors.mH @ gradient @ vectors) * phi.conj()) @ vectors.mH


def half_sinc(values: torch.Tensor) -> torch.Tensor:
    """sin(x)/x at x = half of all differences of the values ``[..., d]``: ``[..., d, d]``, symmetric."""
    return torch.sinc((values.unsqueeze(-1) - values.unsqueeze(-2)) / (2 * math.pi))


class SpecialUnitary(torch.nn.Module):
    """Trainable unitaries ``[*shape, 2^n, 2^n]``, each with 4^n - 1 angles, which begin as standard normal numbers.

    Parameters
    ----------
    qubits
        n.
    shape
        Of the collection of unitaries; none: a single one.
    parametrisation
        ``"unitary"``: real angles. ``"complex"``: the angles are complex numbers, with an imaginary part of zero at first that training
        moves away. The matrices are then not unitary and no circuit can run them; it explains numbers that were published with such
        weights (see `ReuploadingLinear`) and warns.
    generator
        Source of the first angles; None: torch's own, as in torch's layers.
    dtype
        Precision of the angles, ``torch.float32`` or ``torch.float64``.

    Raises
    ------
    InvalidInput
        A size or setting is out of range.
    NotEnoughMemory
        The matrices would not fit.

    Examples
    --------
    >>> u = SpecialUnitary(2, generator=torch.Generator().manual_seed(0))()
    >>> torch.allclose(u @ u.mH, torch.eye(4, dtype=u.dtype), atol=1e-6)
    True
    """

    def __init__(
        self,
        qubits: int,
        *shape: int,
        parametrisation: Parametrisation = "unitary",
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if qubits < 1 or any(s < 1 for s in shape):
            raise InvalidInput(f"special unitary: {qubits} qubits, shape {shape}; sizes of at least 1 are needed")
        if parametrisation not in ("unitary", "complex"):
            raise InvalidInput(f"parametrisation '{parametrisation}': 'unitary' or 'complex' is needed")
        if dtype not in (torch.float32, torch.float64):
            raise InvalidInput(f"special unitary: precision {dtype}; torch.float32 or torch.float64 is needed")
        # H, V, U and what their gradient needs
        memory.require(
            8.0 * math.prod(shape) * 4.0**qubits * 2 * dtype.itemsize,
            f"{math.prod(shape)} unitaries of {qubits} qubits and their gradient",
        )
        if parametrisation == "complex":
            warnings.warn(
                "complex angles: training makes the matrices non-unitary, and no quantum circuit can run them",
                stacklevel=3,
            )
        self.qubits, self.parametrisation = qubits, parametrisation
        kind = dtype if parametrisation == "unitary" else torch.promote_types(dtype, torch.complex64)
        self.theta = torch.nn.Parameter(torch.empty(*shape, 4**qubits - 1, dtype=kind))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the angles anew."""
        real = self.theta.real.dtype if self.theta.is_complex() else self.theta.dtype
        with torch.no_grad():
            self.theta.copy_(torch.randn(self.theta.shape, generator=generator, dtype=real))

    def forward(self) -> torch.Tensor:
        """The matrices."""
        h = pauli_generator(self.theta)
        if self.parametrisation == "complex":
            result: torch.Tensor = torch.linalg.matrix_exp(1j * h)
            return result
        return hermitian_exponential(h)

    def defect(self) -> float:
        """How far from unitary: the largest ‖U†U - 1‖ (spectral norm) of all matrices."""
        with torch.no_grad():
            u = self()
            return float(
                torch.linalg.matrix_norm(u.mH @ u - torch.eye(u.shape[-1], dtype=u.dtype, device=u.device), 2).max()
            )

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"qubits={self.qubits}, shape={tuple(self.theta.shape[:-1])}, parametrisation={self.parametrisation}"
