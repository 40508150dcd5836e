"""One large state in the compiled core: circuits are cut into stages, each of which is one pass over memory.

One-qubit gates are gathered lazily into one matrix until an entangling gate needs them; phases into products of phases with common
controls (gather.cpp). A stage takes, in order, every gate whose targets fit a tile of qubits, the lowest among them for whole cache
lines, and which commutes with all it overtakes. Controls and phases need no place in the tile. The core chooses the tiles (plan.cpp).
A program of few qubits goes gate by gate instead (walk.cpp), whether it is run once or often: results do not depend on history.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitket.quantum.simulation import native
from bitket.quantum.simulation.program import PauliRotation, Program, Unitary

if TYPE_CHECKING:
    import torch

    Kind = torch.dtype | np.dtype[Any]
    """complex64 or complex128, torch's or NumPy's."""

__all__ = [
    "fits",
    "lowered",
    "num_stages",
    "prepare",
    "prepare_at",
    "run_native",
    "state_plan",
    "takes",
    "walked_fixed",
    "walks",
]

_TILE = {8: 14, 16: 13}  # by bytes of an amplitude; qubits: 128 KiB of amplitudes, in the second cache
_CLOSE = {8: 5, 16: 4}  # lowest qubits, always in the tile: 256 bytes
_DENSE = 5
_WALKED = 10
"""Qubits up to which one state goes gate by gate. A plan takes 5 to 40 runs to make and is then 1.1 to 3 times as fast in the core, but less
than the call around it takes; with more qubits it soon pays."""


def takes(program: Program, kind: torch.dtype, device: torch.device) -> bool:
    """Whether the core runs a program: it is built, states lie in main memory, and each gate is unconditional on 5 qubits at most."""
    return (
        native.core is not None
        and device.type == "cpu"
        and kind.is_complex
        and kind.itemsize in _TILE
        and fits(program)
    )


def fits(program: Program) -> bool:
    """Whether the core has a plan for a program: each gate is unconditional, a rotation or on 5 qubits at most."""
    return bool(program.cache("state plan fits", lambda: _fits(program)))


def walks(program: Program) -> bool:
    """Whether one state goes gate by gate, for programs that fit (see `fits`)."""
    return program.num_qubits <= _WALKED


def state_plan(program: Program, kind: Kind) -> Any:
    """The plan of a program for states of a type (cached on it)."""
    return program.cache(("state plan", kind.itemsize), lambda: _plan(program, kind.itemsize))


def num_stages(program: Program, kind: Kind) -> int:
    """Passes over memory that a program takes."""
    return int(state_plan(program, kind).stages)


def prepare(program: Program, angles: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """The states ``[..., 2^n]`` that a program makes of |0...0>, for angles ``[..., S]``; see `takes`."""
    import torch

    shape = (*angles.shape[:-1], 1 << program.num_qubits)
    # Not torch's zeros: here the system gives zeroed pages, large ones for large states, and untouched ones cost nothing.
    state = torch.from_numpy(np.zeros(shape, dtype=np.complex64 if kind == torch.complex64 else np.complex128))
    return _run(program, state, angles, fresh=True)


def walked_fixed(program: Program, kind: np.dtype[Any]) -> NDArray[Any] | None:
    """The state ``[2^n]`` that a program without slots makes of |0...0>, or None where it does not go gate by gate: the shortest way, as
    all that a small circuit seen once takes is the calls on it."""
    if native.core is None or not walks(program) or program.slots or not fits(program):
        return None
    out = np.empty(1 << program.num_qubits, kind)
    lowered(program).run(kind.itemsize == 16, 0, 0, out.ctypes.data)
    return out


def prepare_at(program: Program, angles: NDArray[np.float64], kind: Kind, address: int) -> None:
    """The state that a program makes of |0...0> for the angles ``[S]``, in memory of one's own."""
    if walks(program):
        lowered(program).run(kind.itemsize == 16, angles.ctypes.data, 0, address)
        return
    native.threads()
    ctypes.memset(address, 0, kind.itemsize << program.num_qubits)
    state_plan(program, kind).run(angles.ctypes.data, address, True)


def run_native(program: Program, state: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Applies a program to states in place.

    Parameters
    ----------
    program
        Constant matrices (unitary or not) on at most 5 qubits, and Pauli rotations; see `takes`.
    state
        ``[..., 2^n]``, complex64 or complex128; overwritten where it is contiguous and of the full leading shape, else copied first.
    angles
        ``[..., S]``, see `Program.angles`; leading shapes broadcast.

    Returns
    -------
    Tensor
        The states, in the memory of ``state`` where that was overwritten.
    """
    batch = np.broadcast_shapes(state.shape[:-1], angles.shape[:-1])
    state = state.expand(*batch, state.shape[-1]).resolve_conj().contiguous()
    return _run(program, state, angles.expand(*batch, angles.shape[-1]), fresh=False)


def _run(program: Program, state: torch.Tensor, angles: torch.Tensor, *, fresh: bool) -> torch.Tensor:
    count = math.prod(state.shape[:-1])
    values = angles.detach().double().reshape(count, angles.shape[-1]).contiguous()
    first, step, place = state.data_ptr(), state.shape[-1] * state.itemsize, values.data_ptr()
    if count == 1 and walks(program):
        lowered(program).run(state.itemsize == 16, place, 0 if fresh else first, first)
        return state
    plan = state_plan(program, state.dtype)
    native.threads()
    for k in range(count):
        plan.run(place + k * 8 * values.shape[1], first + k * step, fresh)
    return state


def lowered(program: Program) -> Any:
    """A program in the core's words (cached on it); see `fits`."""
    return program.cache(
        "lowered",
        lambda: native.core.lower_operations(
            program.num_qubits, len(program.slots), program.phase, tuple(map(_contiguous, program.ops))
        ),
    )


def _fits(program: Program) -> bool:
    return "lowered" in program.derived or (
        1 <= program.num_qubits <= 60
        and all(
            op.condition is None
            and (isinstance(op, PauliRotation) or (isinstance(op, Unitary) and len(op.qubits) <= _DENSE))
            for op in program.ops
        )
    )


def _contiguous(op: Any) -> Any:
    """An operation whose matrix is of double precision."""
    if isinstance(op, Unitary) and op.matrix.dtype != np.complex128:
        return replace(op, matrix=op.matrix.astype(np.complex128))
    return op


def _plan(program: Program, itemsize: int) -> Any:
    return native.core.StatePlan(lowered(program), itemsize == 16, _TILE[itemsize], _CLOSE[itemsize])
