"""A linear layer's place taken by data re-uploading: the data make a unitary, trained gates stand between its repetitions
(Wang et al. 2024, arXiv:2409.17583).

The features, filled up with zeros and laid row by row into a 2^n x 2^n matrix X, give G = (X + Xᵀ)/2. From |+>^n, R times:

    |ψ> <- U(theta_r) exp(i G / R) |ψ>,   U in SU(2^n);        y_k = |<k|ψ>|² + b_k,  k = 0 ... d_out - 1

G is the same in all repetitions, so each sample is diagonalised once, G = V diag(λ) Vᵀ, and each repetition costs two products with a
vector. The gradient for G collects the repetitions in the eigenbasis (u_r: gradients there, w_r: states there) and never asks for that of
eigenvectors, which does not exist for blank or sparse inputs:

    dL/dG = V M Vᵀ,   M_jk = -Im[ (Σ_r conj(u_rj h_j*) h_k w_rk) ] sinc((λ_j - λ_k)/2R) / R,   h = e^{iλ/2R}
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from bitket.errors import InvalidInput
from bitket.quantum.learning.special_unitary import Parametrisation, SpecialUnitary, half_sinc

__all__ = ["ReuploadingLinear"]

_BLOCK = 1 << 19  # numbers of G that the gradient handles at a time: they stay in the cache


class ReuploadingLinear(torch.nn.Module):
    """A quantum layer in the place of ``torch.nn.Linear``; its outputs are probabilities plus a bias.

    With ``parametrisation="unitary"`` the outputs minus the bias lie in [0, 1], so the mean cross-entropy of scores over k equally
    frequent classes cannot fall below ln(1 + (k - 1)/e), 1.461 for ten, unless the bias favours some. The published figures that lie below
    were made with complex angles, for which ``parametrisation="complex"`` stands here, with a warning.

    Parameters
    ----------
    d_in, d_out
        Features in and out.
    qubits
        n, with 4^n >= d_in and 2^n >= d_out; None: as few as that.
    repetitions
        R.
    bias
        Whether b is there; it begins as standard normal numbers.
    parametrisation, generator, dtype
        As of `SpecialUnitary`.

    Raises
    ------
    InvalidInput
        A size is out of range, or the features or outputs do not fit the qubits.

    Examples
    --------
    >>> layer = ReuploadingLinear(64, 10, generator=torch.Generator().manual_seed(0))
    >>> layer.qubits, layer(torch.zeros(5, 64)).shape
    (4, torch.Size([5, 10]))
    """

    def __init__(
        self,
        d_in: int,
        d_out: int,
        qubits: int | None = None,
        repetitions: int = 10,
        *,
        bias: bool = True,
        parametrisation: Parametrisation = "unitary",
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if min(d_in, d_out, repetitions) < 1:
            raise InvalidInput(
                f"re-uploading: {d_in} features, {d_out} outputs, {repetitions} repetitions; at least 1 is needed"
            )
        least = max(1, (d_out - 1).bit_length(), ((d_in - 1).bit_length() + 1) // 2)
        if qubits is not None and qubits < least:
            raise InvalidInput(
                f"re-uploading: {d_in} features and {d_out} outputs on {qubits} qubits; {least} are needed "
                "(4^n features and 2^n outputs at most)"
            )
        self.d_in, self.d_out, self.repetitions = d_in, d_out, repetitions
        self.qubits = least if qubits is None else qubits
        self.gates = SpecialUnitary(
            self.qubits, repetitions, parametrisation=parametrisation, generator=generator, dtype=dtype
        )
        self.bias = torch.nn.Parameter(torch.randn(d_out, generator=generator, dtype=dtype)) if bias else None

    @classmethod
    def replacing(
        cls,
        layer: torch.nn.Module,
        *,
        qubits: int | None = None,
        repetitions: int = 10,
        parametrisation: Parametrisation = "unitary",
        generator: torch.Generator | None = None,
    ) -> ReuploadingLinear:
        """The layer of the same shapes, precision and device as a ``Linear``.

        Raises
        ------
        InvalidInput
            It is none, or the qubits are too few.
        """
        if not isinstance(layer, torch.nn.Linear):
            raise InvalidInput(f"a {type(layer).__name__} has no re-uploading layer; a Linear is needed")
        new = cls(
            layer.in_features,
            layer.out_features,
            qubits,
            repetitions,
            bias=layer.bias is not None,
            parametrisation=parametrisation,
            generator=generator,
            dtype=layer.weight.dtype,
        )
        return new.to(layer.weight.device)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw angles and bias anew."""
        self.gates.reset_parameters(generator)
        if self.bias is not None:
            with torch.no_grad():
                self.bias.copy_(torch.randn(self.d_out, generator=generator, dtype=self.bias.dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From ``[..., d_in]`` to ``[..., d_out]``.

        Raises
        ------
        InvalidInput
            Another number of features, or a value that is not finite.
        """
        if x.shape[-1:] != (self.d_in,):
            raise InvalidInput(f"re-uploading: inputs of shape {tuple(x.shape)}; the last axis must be {self.d_in}")
        if not bool(torch.isfinite(x).all()):
            raise InvalidInput("re-uploading: an input is not a finite number")
        side = 1 << self.qubits
        rows = x.reshape(-1, self.d_in)
        matrix = torch.nn.functional.pad(rows, (0, side * side - self.d_in)).reshape(-1, side, side)
        state = _Reuploaded.apply(matrix + matrix.mT, self.gates())
        scores = (state.real**2 + state.imag**2)[:, : self.d_out].reshape(*x.shape[:-1], self.d_out)
        return scores if self.bias is None else scores + self.bias

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"{self.d_in}, {self.d_out}, qubits={self.qubits}, repetitions={self.repetitions}"


class _Reuploaded(torch.autograd.Function):
    """States ``[B, d]`` of 2 G ``[B, d, d]`` and gates ``[R, d, d]`` (any matrices). Kept for the gradient: V, and 2 R vectors a sample."""

    @staticmethod
    def forward(ctx: Any, twice: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        side = twice.shape[-1]
        values, vectors = torch.linalg.eigh(twice)
        values = values / (2 * len(gates))
        phases = torch.exp(1j * values)
        state = gates.new_full(twice.shape[:-1], side**-0.5)
        rotated, encoded = [], []
        for gate in gates:
            w = _real_times(vectors.mT, state)
            rotated.append(w)
            state = _real_times(vectors, phases * w)
            encoded.append(state)
            state = state @ gate.mT
        ctx.save_for_backward(values, vectors, gates, torch.stack(rotated), torch.stack(encoded))
        return state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        values, vectors, gates, rotated, encoded = ctx.saved_tensors
        count, side = len(gates), vectors.shape[-1]
        phases = torch.exp(1j * values)
        of_gates, left = torch.empty_like(gates), torch.empty_like(rotated)
        for r in reversed(range(count)):
            of_gates[r] = gradient.mT @ encoded[r].conj()
            u = _real_times(vectors.mT, gradient @ gates[r].conj())
            left[r] = u
            gradient = _real_times(vectors, phases.conj() * u)
        if not ctx.needs_input_grad[0]:
            return None, of_gates
        half = torch.exp(0.5j * values)
        left, right = (left * half.conj()).conj(), half * rotated
        size = max(1, _BLOCK // side**2)
        of_data = torch.empty_like(vectors)
        parts = (
            values.split(size),
            vectors.split(size),
            left.split(size, 1),
            right.split(size, 1),
            of_data.split(size),
        )
        for lam, v, a, b, out in zip(*parts, strict=True):
            m = torch.cat((a.real, a.imag)).permute(1, 2, 0) @ torch.cat((b.imag, b.real)).transpose(0, 1)  # Im of a b
            m *= half_sinc(lam) / (-2 * count)
            out.copy_(v @ m @ v.mT)  # G is made symmetric from X: what is not symmetric here drops out there
        return of_data, of_gates


def _real_times(matrix: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """Real matrices ``[B, d, d]`` on complex vectors ``[B, d]``; as rows, which is twice as fast as two columns."""
    rows = torch.stack((state.real, state.imag), 1) @ matrix.mT
    return torch.complex(rows[:, 0], rows[:, 1])
