"""One large state in the compiled core: circuits are cut into stages, each of which is one pass over memory.

One-qubit gates are gathered lazily into one matrix until an entangling gate needs them; phases into products of phases with common
controls. A stage takes, in order, every gate whose targets fit a tile of qubits, the lowest among them for whole cache lines, and
which commutes with all it overtakes. Controls and phases need no place in the tile. The core chooses the tiles (plan.cpp).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitket.quantum.simulation import native
from bitket.quantum.simulation.program import PauliRotation, Program, Unitary

__all__ = ["fits", "num_stages", "prepare", "prepare_at", "run_native", "state_plan", "takes"]

_TILE = {torch.complex64: 14, torch.complex128: 13}  # qubits: 128 KiB of amplitudes, in the second cache
_CLOSE = {torch.complex64: 5, torch.complex128: 4}  # lowest qubits, always in the tile: 256 bytes
_DENSE = 5
_WIDE = 5  # a Pauli product with more X than this is narrowed by CX gates

_X = np.array([[0, 1], [1, 0]])
_SWAP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def takes(program: Program, kind: torch.dtype, device: torch.device) -> bool:
    """Whether the core runs a program: it is built, states lie in main memory, and each gate is unconditional on 5 qubits at most."""
    return native.core is not None and device.type == "cpu" and kind in _TILE and fits(program)


def fits(program: Program) -> bool:
    """Whether the core has a plan for a program: each gate is unconditional, a rotation or on 5 qubits at most."""
    return bool(program.cache("state plan fits", lambda: _fits(program)))


def state_plan(program: Program, kind: torch.dtype) -> Any:
    """The plan of a program for states of a type (cached on it)."""
    return program.cache(("state plan", kind), lambda: _plan(program, kind))


def num_stages(program: Program, kind: torch.dtype) -> int:
    """Passes over memory that a program takes."""
    return int(state_plan(program, kind).stages)


def prepare(program: Program, angles: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """The states ``[..., 2^n]`` that a program makes of |0...0>, for angles ``[..., S]``; see `takes`."""
    shape = (*angles.shape[:-1], 1 << program.num_qubits)
    # Not torch's zeros: here the system gives zeroed pages, large ones for large states, and untouched ones cost nothing.
    state = torch.from_numpy(np.zeros(shape, dtype=np.complex64 if kind == torch.complex64 else np.complex128))
    return _run(program, state, angles, fresh=True)


def prepare_at(program: Program, angles: NDArray[np.float64], kind: torch.dtype, address: int) -> None:
    """The state that a program makes of |0...0> for the angles ``[S]``, in memory of one's own."""
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
    plan = state_plan(program, state.dtype)
    native.threads()
    count = math.prod(state.shape[:-1])
    values = angles.detach().to(torch.float64).reshape(count, angles.shape[-1]).contiguous()
    first, step, place = state.data_ptr(), state.shape[-1] * state.itemsize, values.data_ptr()
    for k in range(count):
        plan.run(place + k * 8 * values.shape[1], first + k * step, fresh)
    return state


def _fits(program: Program) -> bool:
    return program.num_qubits >= 1 and all(
        op.condition is None
        and (isinstance(op, PauliRotation) or (isinstance(op, Unitary) and len(op.qubits) <= _DENSE))
        for op in program.ops
    )


# -- gates in the core's words ----------------------------------------------------------------------------------------
class _Kind(IntEnum):
    """What a one-qubit factor adds to the product of those before it."""

    DIAGONAL = 0
    REAL = 1
    COMPLEX = 2


@dataclass
class _Encoder:
    """Turns a program's operations into gates, one-qubit matrices and phases gathered."""

    doubles: list[float] = field(default_factory=list)
    gates: list[list[int]] = field(default_factory=list)
    """In the core's encoding."""
    pending: dict[int, list[tuple[_Kind, list[int]]]] = field(default_factory=dict)
    """Factors that wait, for each qubit."""
    phases: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(mask, value, slot or -1, place of the coefficient): exp(i c angle) where ``index & mask == value``."""

    def number(self, value: float) -> int:
        self.doubles.append(float(value))
        return len(self.doubles) - 1

    def constant(self, matrix: NDArray[Any], qubits: Iterable[int]) -> list[int]:
        at = len(self.doubles)
        self.doubles += np.ascontiguousarray(matrix, dtype=complex).reshape(-1).view(float).tolist()
        qubits = list(qubits)
        return [1, 0, 0, -1, 0, 0, len(qubits), *qubits, at]

    def rotation(self, x: int, z: int, slot: int, scale: float, mask: int = 0, value: int = 0) -> list[int]:
        return [0, x, z, slot, mask, value, 0, self.number(scale)]

    # one qubit
    def one(self, qubit: int, factor: list[int], kind: _Kind) -> None:
        if kind != _Kind.DIAGONAL:
            self.flush_phases(1 << qubit)
        self.pending.setdefault(qubit, []).append((kind, factor))

    def flush(self, mask: int, *, even_diagonal: bool) -> None:
        """Emits the gathered matrices of some qubits; diagonal ones may wait where the next gate is diagonal there."""
        for q in [q for q in self.pending if mask >> q & 1]:
            factors = self.pending[q]
            if even_diagonal or any(kind != _Kind.DIAGONAL for kind, _ in factors):
                del self.pending[q]
                self.emit(q, factors)

    def emit(self, qubit: int, factors: list[tuple[_Kind, list[int]]]) -> None:
        """One matrix; or a real one and phases after it, which take half the work."""
        end = len(factors)
        while end and factors[end - 1][0] == _Kind.DIAGONAL:
            end -= 1
        if any(kind == _Kind.COMPLEX or (kind == _Kind.DIAGONAL and k < end) for k, (kind, _) in enumerate(factors)):
            end = len(factors)
        if end:
            self.gates.append([0, 1, qubit, 0, 0, end, *_flat(f for _, f in factors[:end])])
        if end < len(factors):
            terms = [term for _, f in factors[end:] for term in self.as_phases(qubit, f)]
            self.gates.append([2, 0, 0, len(terms), *_flat(terms)])

    def as_phases(self, qubit: int, factor: list[int]) -> list[list[int]]:
        """A diagonal factor as phases exp(i c angle) of the values of a qubit."""
        constant, _, z, slot, mask, value, *_, at = factor
        if constant:
            entries = np.angle([complex(*self.doubles[at + 6 * bit : at + 6 * bit + 2]) for bit in (0, 1)])
            return [[qubit, bit, -1, self.number(angle)] for bit, angle in enumerate(entries.tolist()) if angle]
        half = self.doubles[at] / 2
        return [
            [qubit, bit, slot, self.number(half if z and bit else -half)] for bit in (0, 1) if not mask or bit == value
        ]

    def flush_phases(self, mask: int) -> None:
        """Emits the gathered phases that touch some qubits, and with each of them all that share its controls."""
        while any(p[0] & mask for p in self.phases):
            counts: dict[tuple[int, int], int] = {}
            touched = set()
            for m, v, _, _ in self.phases:
                for q in _bits(m):
                    key = (m & ~(1 << q), v & ~(1 << q))
                    counts[key] = counts.get(key, 0) + 1
                    if m & mask:
                        touched.add(key)
            control, value = max(touched, key=lambda key: counts[key])
            terms: list[list[int]] = []
            rest = []
            for m, v, slot, at in self.phases:
                free = m & ~control
                if m & control == control and v & control == value and free.bit_count() == 1:
                    terms.append([free.bit_length() - 1, int(v & free != 0), slot, at])
                else:
                    rest.append((m, v, slot, at))
            self.phases = rest
            self.gates.append([2, control, value, len(terms), *_flat(terms)])

    def phase(self, mask: int, value: int, slot: int, scale: float) -> None:
        """exp(i scale angle) where ``index & mask == value``."""
        self.flush(mask, even_diagonal=False)
        self.phases.append((mask, value, slot, self.number(scale)))

    def before(self, targets: int, diagonal: int) -> None:
        """What must be emitted before a gate."""
        self.flush_phases(targets)
        self.flush(targets, even_diagonal=True)
        self.flush(diagonal, even_diagonal=False)

    def flip(self, target: int, mask: int, value: int) -> None:
        self.before(1 << target, mask)
        self.gates.append([1, target, mask, value])

    # operations of a program
    def unitary(self, op: Unitary) -> None:
        matrix, qubits, mask, value = op.matrix, op.qubits, op.control_mask, op.control_value
        targets = sum(1 << q for q in qubits)
        entries = matrix.diagonal()
        if len(qubits) == 1 and not mask:
            phases = matrix[0, 1] == matrix[1, 0] == 0 and np.allclose(np.abs(entries), 1, atol=1e-14)
            kind = _Kind.DIAGONAL if phases else _Kind.COMPLEX if np.iscomplex(matrix).any() else _Kind.REAL
            self.one(qubits[0], self.constant(matrix, [0]), kind)
        elif len(qubits) == 1 and matrix[0, 1] == matrix[1, 0] == 0 and np.allclose(np.abs(entries), 1, atol=1e-14):
            for bit, angle in enumerate(np.angle(entries)):
                if angle:
                    self.phase(mask | targets, value | targets * bit, -1, float(angle))
        elif len(qubits) == 1 and np.array_equal(matrix, _X):
            self.flip(qubits[0], mask, value)
        elif len(qubits) == 2 and np.array_equal(matrix, _SWAP):
            a, b = (1 << q for q in qubits)
            self.flip(qubits[0], b, b)
            self.flip(qubits[1], a | mask, a | value)
            self.flip(qubits[0], b, b)
        else:
            self.flush_phases(targets)
            factors: list[list[int]] = []
            if mask:
                self.before(targets, mask)
            else:
                for k, q in enumerate(qubits):
                    for _, f in self.pending.pop(q, []):
                        factors.append(_moved(f, k))
            factors.append(self.constant(matrix, range(len(qubits))))
            self.gates.append([0, len(qubits), *qubits, mask, value, len(factors), *_flat(factors)])

    def turn(self, op: PauliRotation) -> None:
        x, z, slot, mask, value = op.x_mask, op.z_mask, op.slot, op.control_mask, op.control_value
        both = x | z
        if not x and not z and mask.bit_count() == 1:
            self.one(mask.bit_length() - 1, self.rotation(0, 0, slot, 1.0, 1, int(value != 0)), _Kind.DIAGONAL)
        elif not x and not z and mask:
            self.phase(mask, value, slot, -0.5)
        elif not both:
            self.one(0, self.rotation(0, 0, slot, 1.0), _Kind.DIAGONAL)
        elif both.bit_count() == 1 and not mask:
            kind = _Kind.DIAGONAL if not x else _Kind.REAL if z else _Kind.COMPLEX
            self.one(both.bit_length() - 1, self.rotation(int(x != 0), int(z != 0), slot, 1.0), kind)
        elif not x and both.bit_count() == 1:
            self.phase(mask | z, value, slot, -0.5)
            self.phase(mask | z, value | z, slot, 0.5)
        elif both.bit_count() == 1:
            self.before(x, mask)
            factor = self.rotation(1, int(z != 0), slot, 1.0)
            self.gates.append([0, 1, both.bit_length() - 1, mask, value, 1, *factor])
        elif not x and both.bit_count() == 2 and not mask:  # 1 - 2a - 2b + 4ab for Z_a Z_b
            a, b = _bits(z)
            self.one(a, self.rotation(0, 0, slot, 1.0), _Kind.DIAGONAL)
            for q in (a, b):
                self.one(q, self.rotation(0, 0, slot, -2.0, 1, 1), _Kind.DIAGONAL)
            self.phase(z, z, slot, -2.0)
        else:
            self.pauli(x, z, slot, mask, value)

    def pauli(self, x: int, z: int, slot: int, mask: int, value: int) -> None:
        """A general rotation; with X on many qubits between CX gates that take X of all but a few away."""
        ys, scale = (x & z).bit_count(), 1.0
        bits = list(_bits(x))
        control, moved = (bits[0], bits[_WIDE:]) if bits else (0, [])
        for q in moved:
            self.flip(q, 1 << control, 1 << control)
            x ^= 1 << q
            if z >> q & 1:
                z ^= 1 << control
        if (ys - (x & z).bit_count()) % 4 == 2:
            scale = -1.0
        self.before(x, z & ~x | mask)
        self.gates.append([3, x, z, slot, self.number(scale), mask, value])
        for q in reversed(moved):
            self.flip(q, 1 << control, 1 << control)


def _moved(factor: list[int], k: int) -> list[int]:
    """A factor on one qubit as one on local qubit k."""
    constant, x, z, slot, mask, value, m, *rest = factor
    return [constant, x << k, z << k, slot, mask << k, value << k, m, *([k, rest[-1]] if m else rest)]


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1


def _flat(rows: Iterable[Sequence[int]]) -> list[int]:
    return [value for row in rows for value in row]


def _plan(program: Program, dtype: torch.dtype) -> Any:
    encoder = _Encoder()
    if program.phase:
        encoder.one(0, encoder.constant(np.exp(1j * program.phase) * np.eye(2), [0]), _Kind.DIAGONAL)
    for op in program.ops:
        if isinstance(op, PauliRotation):
            encoder.turn(op)
        else:
            assert isinstance(op, Unitary)
            encoder.unitary(op)
    everything = (1 << program.num_qubits) - 1
    encoder.flush_phases(everything)
    encoder.flush(everything, even_diagonal=True)
    code, doubles = np.array(_flat(encoder.gates), dtype=np.int64), np.array(encoder.doubles, dtype=float)
    double = dtype == torch.complex128
    return native.core.StatePlan(
        program.num_qubits, len(program.slots), double, _TILE[dtype], _CLOSE[dtype], code, doubles
    )
