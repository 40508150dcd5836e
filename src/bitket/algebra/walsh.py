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

from typing import Any, TypeVar

import numpy as np

from bitket.errors import InvalidInput

__all__ = ["sequency_order", "walsh_hadamard"]

Tensor = TypeVar("Tensor")

# Blocks of this many bits are transformed by one product with a small Hadamard matrix: the product runs at the speed of BLAS
# and reads memory once for four butterfly levels.
_BLOCK_BITS = 4


def _length(shape: tuple[int, ...]) -> int:
    size = shape[-1] if shape else 0
    if size < 1 or size & (size - 1):
        raise InvalidInput(f"Walsh-Hadamard transform of shape {tuple(shape)}: the last axis must be a power of two")
    return int(size).bit_length() - 1


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
    done = 0
    while done < bits:
        step = 1 if exact else min(_BLOCK_BITS, bits - done)  # integers have no BLAS: add and subtract
        view = out.reshape(-1, 1 << step, 1 << done)
        if step == 1:
            low = view[:, 0].copy()
            view[:, 0] += view[:, 1]
            np.subtract(low, view[:, 1], out=view[:, 1])
        else:
            matrix = _hadamard(step).astype(out.real.dtype)
            if done == 0:
                flat = out.reshape(-1, 1 << step)
                flat[...] = flat @ matrix.astype(out.dtype)
            elif np.iscomplexobj(out):  # complex as pairs of reals: a real product on twice the columns
                real = out.view(out.real.dtype).reshape(-1, 1 << step, 2 << done)
                real[...] = matrix @ real
            else:
                view[...] = matrix @ view
        done += step
    if orthonormal:
        out *= 2 ** (-bits / 2)
    if sequency:
        out[...] = out[..., sequency_order(bits)]
    return out


def _torch(x: Any, orthonormal: bool, sequency: bool) -> Any:
    import torch

    bits = _length(tuple(x.shape))
    if orthonormal and not (x.is_floating_point() or x.is_complex()):
        raise InvalidInput("orthonormal Walsh-Hadamard transform of integers: convert to floating point first")
    shape, done = x.shape, 0
    while done < bits:
        step = min(_BLOCK_BITS, bits - done)
        matrix = torch.as_tensor(_hadamard(step)).to(dtype=x.dtype, device=x.device)
        x = torch.einsum("ab,nbc->nac", matrix, x.reshape(-1, 1 << step, 1 << done)).reshape(shape)
        done += step
    if orthonormal:
        x = x * 2 ** (-bits / 2)
    if sequency:
        x = x[..., torch.as_tensor(sequency_order(bits), device=x.device)]
    return x


def sequency_order(bits: int) -> np.ndarray:
    """Natural index of the row with k sign changes, for k = 0 ... 2^bits - 1: bit-reversed Gray code."""
    k = np.arange(1 << bits)
    gray = k ^ (k >> 1)
    reversed_bits = np.zeros_like(gray)
    for b in range(bits):
        reversed_bits |= (gray >> b & 1) << (bits - 1 - b)
    return reversed_bits
