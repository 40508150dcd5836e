"""States in NumPy and the compiled core, without torch: one sample, no derivatives; what `sampling` and `direct` stand on.

States are arrays ``[..., 2^n]``; qubit 0 is the least significant bit of the last index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import ParameterError
from bitket.quantum.simulation import memory, native
from bitket.quantum.simulation.doubled import doubled
from bitket.quantum.simulation.planner import fits, prepare_at
from bitket.quantum.simulation.program import PauliRotation, Program, Unitary

__all__ = [
    "angles_of",
    "apply_matrix",
    "apply_rotation",
    "core_observable",
    "density",
    "joined",
    "readout",
    "runs",
    "scaled",
    "squared",
    "squares",
    "state",
    "zero",
]

_CHUNK = 1 << 14  # basis states
Kind = np.dtype[Any]
"""complex64 or complex128."""


def angles_of(program: Program, weights: Any, inputs: Any) -> NDArray[np.float64]:
    """`Program.angles` of one sample: ``[S]`` for weights and inputs ``[number of each]``, whatever `numpy.asarray` takes, or tensors.

    Raises
    ------
    ParameterError
        A shape does not fit, or a value is not finite.
    InvalidInput
        Values are not real numbers, or are those of several samples.
    """
    given = [_real(values, name) for values, name in ((weights, "weights"), (inputs, "inputs"))]
    program.check(*given)  # type: ignore[arg-type]
    for values in given:
        if values is not None and values.ndim != 1:
            raise InvalidInput(f"weights and inputs of one sample are needed, the batch shape is {values.shape[:-1]}")
    whole = np.concatenate([np.zeros(0), *(v for v in given if v is not None)])
    if not np.isfinite(whole).all():
        raise ParameterError("weights or inputs have values that are not finite")
    if program.affine is not None:
        constant, matrix = program.affine
        return np.asarray(whole @ matrix + constant) if len(whole) else constant
    lookup = dict(zip(program.weights + program.inputs, whole.tolist(), strict=True))
    return np.array([float(s.evaluate(lookup)) for s in program.slots])


def _real(values: Any, name: str) -> NDArray[np.float64] | None:
    if values is None:
        return None
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        array = np.asarray(values)
        if not np.iscomplexobj(array):
            return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name}: numbers, an array or a tensor are needed ({error})") from None
    raise InvalidInput(f"{name}: real values are needed, complex ones were given")


def runs(program: Program) -> bool:
    """Whether the core runs a unitary program, or one without conditions as its density matrix."""
    return native.core is not None and fits(program)


def state(program: Program, angles: NDArray[np.float64], kind: Kind) -> NDArray[Any]:
    """The state ``[2^n]`` that a unitary program makes of |0...0>, see `runs`."""
    memory.require(float(kind.itemsize << program.num_qubits) * memory.STATE, f"a state of {program.num_qubits} qubits")
    out = np.empty(1 << program.num_qubits, kind)
    prepare_at(program, np.ascontiguousarray(angles), kind, out.ctypes.data)
    return out


def squared(amplitudes: NDArray[Any]) -> NDArray[Any]:
    """Squared magnitudes of states ``[..., 2^n]``, contiguous, that nobody needs any more, written into its first half, chunk by chunk."""
    shape, amplitudes = amplitudes.shape, amplitudes.reshape(-1)
    out = amplitudes.view(amplitudes.real.dtype)  # entry k is written after amplitudes up to k are read
    for start in range(0, len(amplitudes), _CHUNK):
        part = amplitudes[start : start + _CHUNK]
        out[start : start + len(part)] = part.real**2 + part.imag**2
    return out[: len(amplitudes)].reshape(shape)


def density(program: Program, angles: NDArray[np.float64], kind: Kind) -> NDArray[Any]:
    """The density matrix ``[2^n, 2^n]`` that a program makes of |0...0>."""
    n = program.num_qubits
    memory.require(kind.itemsize * 4.0**n * 1.1, f"a density matrix of {n} qubits")
    double = program.cache("doubled", lambda: doubled(program))
    both = np.concatenate([angles, -angles])
    if runs(double):
        return state(double, both, kind).reshape(1 << n, 1 << n)
    out = np.zeros(4**n, kind)
    out[0] = 1
    for op in double.ops:
        if isinstance(op, PauliRotation):
            out = apply_rotation(out, op, both[op.slot])
        else:
            assert isinstance(op, Unitary)
            out = apply_matrix(out, op.matrix, op.qubits, op.control_mask, op.control_value)
    return out.reshape(1 << n, 1 << n)


def apply_matrix(
    state: NDArray[Any], matrix: NDArray[Any], qubits: tuple[int, ...], mask: int = 0, value: int = 0
) -> NDArray[Any]:
    """A matrix on some qubits of states ``[..., 2^n]``, where ``index & mask == value``; of the states' type."""
    n, k, batch = state.shape[-1].bit_length() - 1, len(qubits), state.shape[:-1]
    pick = tuple((value >> q & 1) if mask >> q & 1 else slice(None) for q in reversed(range(n)))
    tensor = state.reshape(*batch, *(2,) * n)
    part = tensor[(..., *pick)]
    left = [q for q in reversed(range(n)) if not mask >> q & 1]
    axes = [len(batch) + left.index(q) for q in reversed(qubits)]
    last = list(range(-k, 0))
    moved = np.moveaxis(part, axes, last)
    out = moved.reshape(*moved.shape[:-k], 1 << k) @ np.asarray(matrix, state.dtype).T
    out = np.moveaxis(out.reshape(moved.shape), last, axes)
    if not mask:
        return np.ascontiguousarray(out).reshape(*batch, 1 << n)
    tensor = tensor.copy()
    tensor[(..., *pick)] = out
    return tensor.reshape(*batch, 1 << n)


def apply_rotation(state: NDArray[Any], op: PauliRotation, angle: float) -> NDArray[Any]:
    """``exp(-i angle/2 · P)`` on states ``[..., 2^n]``, where the controls match."""
    index = np.arange(state.shape[-1])
    flipped = index ^ op.x_mask
    sign = 1.0 - 2.0 * (np.bitwise_count(flipped & op.z_mask) & 1)
    factor = (1, 1j, -1, -1j)[(op.x_mask & op.z_mask).bit_count() % 4] * sign
    out = np.cos(angle / 2) * state - 1j * np.sin(angle / 2) * (factor * state[..., flipped])
    if op.control_mask:
        out = np.where((index & op.control_mask) == op.control_value, out, state)
    return np.asarray(out, state.dtype)


def zero(num_qubits: int, kind: Kind) -> NDArray[Any]:
    """|0...0>, ``[1, 2^n]``."""
    out = np.zeros((1, 1 << num_qubits), kind)
    out[0, 0] = 1
    return out


def squares(state: NDArray[Any]) -> NDArray[np.float64]:
    """Squared norms of states."""
    norms: NDArray[np.float64] = (state.real**2 + state.imag**2).sum(-1).astype(np.float64)
    return norms


def scaled(state: NDArray[Any], norms: NDArray[np.float64]) -> NDArray[Any]:
    """Each state over its norm."""
    return np.asarray(state / norms[:, None].astype(state.real.dtype))


def joined(states: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """States one after the other."""
    return np.concatenate(states)


def readout(p: NDArray[Any], noise: Any) -> NDArray[Any]:
    """Probabilities ``[..., 2^n]`` after the readout errors of a noise model (unchanged where it has none)."""
    if not getattr(noise, "readout", None):
        return p
    for q in range(p.shape[-1].bit_length() - 1):
        matrix = noise.readout_matrix(q)
        if matrix is not None:
            p = apply_matrix(p, matrix, (q,))
    return p


def core_observable(operator: PauliSum) -> Any:
    """Terms of one X part and phase side by side: the core adds them before it looks at the state."""
    terms = sorted(
        (x, (x & z).bit_count() % 2, z, (x & z).bit_count() % 4, c.real) for c, x, z in operator.simplify(0.0).masks()
    )
    masks = np.array([(x, z, ys) for x, _, z, ys, _ in terms], dtype=np.int64).reshape(-1, 3)
    return native.core.Observable(operator.num_qubits, masks, np.array([t[-1] for t in terms], dtype=float))
