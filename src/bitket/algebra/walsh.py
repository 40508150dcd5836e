"""Walsh-Hadamard transform: ``y[k] = sum_j (-1)^(k·j) x[j]`` over the last axis, k·j the parity of the bitwise and.

The transform is its own inverse up to the length: H H = N. In *sequency* order rows are sorted by their number of sign changes.
Source: Fino and Algazi 1976, IEEE Trans. Comput. C-25 (11), 1142-1146.

>>> import numpy as np
>>> x = np.array([1.0, 0, 2, -1])
>>> walsh_hadamard(x)
array([ 2.,  4.,  0., -2.])
>>> np.allclose(walsh_hadamard(walsh_hadamard(x)), 4 * x)          # inverse
True
>>> y = np.array([0.5, 1, 0, 3])
>>> bool(np.isclose(walsh_hadamard(x) @ y, x @ walsh_hadamard(y)))     # symmetric, so its own adjoint
True
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import numpy as np

from bitket.errors import InvalidInput

__all__ = ["sequency_order", "walsh_hadamard"]

Tensor = TypeVar("Tensor")

# A product with a small Hadamard matrix does four butterfly levels at the speed of BLAS and reads memory once for them.
_BLOCK_BITS = 4
# All levels below this many bits are done piece by piece, so that only the levels above go to memory.
_CACHE_BITS = 16


def _length(shape: tuple[int, ...]) -> int:
    size = shape[-1] if shape else 0
    if size < 1 or size & (size - 1):
        raise InvalidInput(f"Walsh-Hadamard transform of shape {tuple(shape)}: the last axis must be a power of two")
    return int(size).bit_length() - 1


@cache
def _block(bits: int, width: int, dtype: str) -> np.ndarray:
    """The small Hadamard matrix, repeated for ``width`` interleaved columns."""
    return np.kron(_hadamard(bits), np.eye(width)).astype(dtype)


def _hadamard(bits: int) -> np.ndarray:
    index = np.arange(1 << bits)
    return 1 - 2.0 * (np.bitwise_count(index[:, None] & index) & 1)


def walsh_hadamard(x: Tensor, *, orthonormal: bool = False, sequency: bool = False, out: Any = None) -> Tensor:
    """Walsh-Hadamard transform over the last axis.

    Parameters
    ----------
    x
        NumPy array or torch tensor ``[..., 2^n]``, real, complex or integer. On tensors the transform is differentiable.
    orthonormal
        Divide by sqrt(2^n), which makes the transform a reflection: H H = 1. Not for integers.
    sequency
        Output in order of rising sequency instead of the natural (Hadamard) order.
    out
        For NumPy arrays: where the result goes; ``out=x`` transforms in place (contiguous arrays).

    Raises
    ------
    InvalidInput
        The last axis is not a power of two; an integer array with ``orthonormal``; an ``out`` of another shape, kind or layout.
    """
    if isinstance(x, np.ndarray):
        return _numpy(x, orthonormal, sequency, out)  # type: ignore[return-value]
    return _torch(x, orthonormal, sequency)


def _numpy(x: np.ndarray, orthonormal: bool, sequency: bool, out: np.ndarray | None) -> np.ndarray:
    bits = _length(x.shape)
    if x.dtype == bool:
        x = x.astype(np.int64)
    exact = np.issubdtype(x.dtype, np.integer)
    if exact and orthonormal:
        raise InvalidInput("orthonormal Walsh-Hadamard transform of integers: convert to floating point first")
    if out is None:
        out = np.array(x, order="C")
    elif out.shape != x.shape or out.dtype != x.dtype or not out.flags.c_contiguous:
        raise InvalidInput(
            f"out of shape {out.shape}, {out.dtype}: a contiguous array of shape {x.shape}, {x.dtype} is needed"
        )
    elif out is not x:
        out[...] = x
    if np.iscomplexobj(out):  # as pairs of reals; the bit that tells them apart, the lowest, is left as it is
        _passes(out.view(out.real.dtype).reshape(-1), 1, bits + 1)
    else:
        _passes(out.reshape(-1), 0, bits)
    if orthonormal:
        out *= 2 ** (-bits / 2)
    if sequency:
        out[...] = out[..., sequency_order(bits)]
    return out


def _passes(flat: np.ndarray, first: int, last: int) -> None:
    """Transform bits ``first`` to ``last - 1`` of the index of ``flat``, in place."""
    piece = 1 << max(_CACHE_BITS, first)
    scratch = np.empty(min(piece, len(flat)), dtype=flat.dtype)
    low = min(last, _CACHE_BITS)
    for start in range(0, len(flat), piece):
        part = flat[start : start + piece]
        for done, step in _steps(first, low, flat.dtype):
            _pass(part.reshape(-1, 1 << step, 1 << done), scratch)
    for done, step in _steps(low, last, flat.dtype):
        view, width = flat.reshape(-1, 1 << step, 1 << done), len(scratch) >> step
        for row in view:
            for column in range(0, 1 << done, width):
                _pass(row[None, :, column : column + width], scratch)


def _steps(first: int, last: int, dtype: np.dtype) -> Iterator[tuple[int, int]]:
    """Pairs of the lowest bit of a pass and its number of bits; integers have no BLAS and go bit by bit."""
    while first < last:
        step = 1 if dtype.kind in "iu" else min(_BLOCK_BITS, last - first)
        yield first, step
        first += step


def _pass(view: np.ndarray, scratch: np.ndarray) -> None:
    """Transform the middle axis of ``view`` in place."""
    count, size, width = view.shape
    if size == 2:
        half = scratch[: count * width].reshape(count, width)
        np.subtract(view[:, 0], view[:, 1], out=half)
        view[:, 0] += view[:, 1]
        view[:, 1] = half
        return
    result = scratch[: view.size].reshape(view.shape)
    if width <= 2:  # too narrow for a product per block: one product with all blocks as rows
        matrix = _block(size.bit_length() - 1, width, view.dtype.name)
        np.matmul(view.reshape(count, -1), matrix, out=result.reshape(count, -1))
    else:
        np.matmul(_block(size.bit_length() - 1, 1, view.dtype.name), view, out=result)
    view[...] = result


def _torch(x: Any, orthonormal: bool, sequency: bool) -> Any:
    import torch

    bits = _length(tuple(x.shape))
    if orthonormal and not (x.is_floating_point() or x.is_complex()):
        raise InvalidInput("orthonormal Walsh-Hadamard transform of integers: convert to floating point first")
    if x.device.type == "cpu" and x.dtype not in (torch.float16, torch.bfloat16, torch.bool):
        x = _on_cpu().apply(x)
    else:
        x = _on_any_device(x, bits)
    if orthonormal:
        x = x * 2 ** (-bits / 2)
    if sequency:
        x = x[..., torch.as_tensor(sequency_order(bits), device=x.device)]
    return x


def _on_any_device(x: Any, bits: int) -> Any:
    import torch

    shape, done = x.shape, 0
    while done < bits:
        step = min(_BLOCK_BITS, bits - done)
        matrix = torch.as_tensor(_hadamard(step)).to(dtype=x.dtype, device=x.device)
        x = torch.einsum("ab,nbc->nac", matrix, x.reshape(-1, 1 << step, 1 << done)).reshape(shape)
        done += step
    return x


@cache
def _on_cpu() -> Any:
    """The NumPy transform as a differentiable function of tensors (a class, made when PyTorch is first needed)."""
    import torch

    class WalshHadamard(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            out = x.detach().resolve_conj().clone(memory_format=torch.contiguous_format)
            array = out.numpy()
            _numpy(array, False, False, array)
            return out

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            """Nothing to keep: the transform is linear."""

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return WalshHadamard.apply(gradient)  # real and symmetric, so its own adjoint

        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            return WalshHadamard.apply(tangent)

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return WalshHadamard.apply(x.movedim(in_dims[0], 0)), 0

    return WalshHadamard


def sequency_order(bits: int) -> np.ndarray:
    """Natural index of the row with k sign changes, for k = 0 ... 2^bits - 1: bit-reversed Gray code."""
    k = np.arange(1 << bits)
    gray = k ^ (k >> 1)
    reversed_bits = np.zeros_like(gray)
    for b in range(bits):
        reversed_bits |= (gray >> b & 1) << (bits - 1 - b)
    return reversed_bits
