"""Circuits lowered to what simulators run: constant matrices, Pauli rotations with slots, channels, measurements.

A *slot* is one symbolic angle. The angles of all slots are computed once per call from weights and inputs (`Program.angles`,
differentiable), so a kernel needs only the gradient for slots: for exp(-i a/2 · Π P) it is

    dE/da = Im <lambda| Π P |psi>,   lambda = O psi taken back to the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitket.quantum.circuits.circuit import Circuit, Condition, Instruction
from bitket.quantum.circuits.gates import GATES, KINDS, Fixed
from bitket.quantum.circuits.parameter import Expression, Parameter, ParameterError, parameters
from bitket.quantum.simulation import native

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

__all__ = ["Channel", "Measure", "Noise", "PauliRotation", "Program", "Reset", "Unitary", "leading_shape", "lower"]


@dataclass(frozen=True, eq=False)
class Unitary:
    """A constant matrix ``[2^k, 2^k]`` on ``qubits`` (first least significant) where ``index & control_mask == control_value``."""

    matrix: NDArray[np.complex128]
    qubits: tuple[int, ...]
    control_mask: int = 0
    control_value: int = 0
    condition: Condition | None = None


@dataclass(frozen=True, eq=False)
class PauliRotation:
    """``exp(-i angle/2 · P)`` where ``index & control_mask == control_value``; P has an X part, a Z part, and Y where both are set.

    ``angle`` is entry ``slot`` of the program's angles. With both masks empty, P is the identity: a (controlled) phase.
    """

    x_mask: int
    z_mask: int
    slot: int
    control_mask: int = 0
    control_value: int = 0
    condition: Condition | None = None


@dataclass(frozen=True, eq=False)
class Channel:
    """A noise channel by its Kraus operators ``[m, 2^k, 2^k]`` on ``qubits`` (first least significant)."""

    kraus: NDArray[np.complex128]
    qubits: tuple[int, ...]
    condition: Condition | None = None


@dataclass(frozen=True)
class Measure:
    """Measure a qubit into a classical bit."""

    qubit: int
    clbit: int
    condition: Condition | None = None


@dataclass(frozen=True)
class Reset:
    """Set a qubit to |0>."""

    qubit: int
    condition: Condition | None = None


Op = Unitary | PauliRotation | Channel | Measure | Reset


class Noise(Protocol):
    """What a noise model is to the simulators."""

    def channels(self, instruction: Instruction) -> list[tuple[NDArray[np.complex128], tuple[int, ...]]]:
        """Kraus operators ``[m, 2^k, 2^k]`` and qubits of each channel that follows an instruction, in order of time."""
        ...


@dataclass(frozen=True, eq=False)
class Program:
    """A lowered circuit. ``phase`` is the constant global phase; ``slots`` are the symbolic angles.

    The operations of a circuit that the core has lowered are made where someone asks for them: the core needs them no more.
    """

    num_qubits: int
    num_clbits: int
    ops: tuple[Op, ...]
    slots: tuple[Expression, ...]
    weights: tuple[Parameter, ...]
    inputs: tuple[Parameter, ...]
    phase: float
    affine: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    """``(constant [S], coefficients [weights + inputs, S])`` where every slot is affine in the parameters."""
    derived: dict[Any, Any] = field(default_factory=dict, repr=False)
    """What simulators derive from the program once: plans, tensors."""

    def __getattr__(self, name: str) -> Any:
        if name == "ops":
            value: Any = tuple(_operation(*o) for o in self.derived["lowered"].operations)
        elif name == "affine":
            value = _affine(self.slots, self.weights + self.inputs)
        else:
            raise AttributeError(name)
        self.__dict__[name] = value
        return value

    def cache(self, key: Any, make: Callable[[], T]) -> T:
        """``make()``, called once for each key."""
        if key not in self.derived:
            self.derived[key] = make()
        return self.derived[key]

    @property
    def links(self) -> Any:
        """What ``affine`` says, in the core's words; None where a slot is not affine."""
        return self.cache("links", lambda: native.core.affine(self.slots, self.weights, self.inputs, Parameter))

    @property
    def is_unitary(self) -> bool:
        """Whether the program has no channel, measurement, reset or condition."""
        return "lowered" in self.derived or all(
            isinstance(op, Unitary | PauliRotation) and op.condition is None for op in self.ops
        )

    def check(self, weights: torch.Tensor | None, inputs: torch.Tensor | None) -> None:
        """Raises `ParameterError` if the shape of weights or inputs does not fit."""
        for kind, names, values in (("weights", self.weights, weights), ("inputs", self.inputs, inputs)):
            if values is None:
                if names:
                    raise ParameterError(f"the circuit has {len(names)} {kind}, none were given")
            elif values.ndim == 0 or values.shape[-1] != len(names):
                raise ParameterError(f"{kind} of shape {tuple(values.shape)}: the last axis must be {len(names)}")
        if weights is not None and inputs is not None and min(weights.ndim, inputs.ndim) > 1:
            for w, x in zip(reversed(weights.shape[:-1]), reversed(inputs.shape[:-1]), strict=False):
                if w != x and 1 not in (w, x):
                    raise ParameterError(
                        f"weights of shape {tuple(weights.shape)} and inputs of shape {tuple(inputs.shape)}: "
                        "all axes but the last must broadcast"
                    )

    def angles(self, weights: torch.Tensor | None, inputs: torch.Tensor | None) -> torch.Tensor:
        """Angles of all slots, ``[..., S]``, differentiable.

        Parameters
        ----------
        weights, inputs
            ``[..., number of weights]`` and ``[..., number of inputs]`` in the circuit's order; leading shapes broadcast.

        Raises
        ------
        ParameterError
            A shape does not fit, or a value is not finite.
        """
        import torch

        self.check(weights, inputs)
        given = [values for values in (weights, inputs) if values is not None]
        for values in given:
            if not bool(torch.isfinite(values).all()):
                raise ParameterError("weights or inputs have values that are not finite")
        if not given:
            return torch.zeros(0, dtype=torch.float64)
        shape = np.broadcast_shapes(*(g.shape[:-1] for g in given))
        values = torch.cat([g.expand(*shape, g.shape[-1]) for g in given], dim=-1)
        if self.affine is not None:
            source = self.affine
            constant, matrix = self.cache(
                ("affine", values.dtype, values.device),
                lambda: tuple(torch.tensor(a, dtype=values.dtype, device=values.device) for a in source),
            )
            return values @ matrix + constant
        lookup = {p: values[..., k] for k, p in enumerate(self.weights + self.inputs)}
        columns = [torch.as_tensor(s.evaluate(lookup)).expand(shape) for s in self.slots]
        return torch.stack(columns, dim=-1) if columns else values.new_zeros((*shape, 0))


def leading_shape(weights: torch.Tensor | None, inputs: torch.Tensor | None) -> torch.Size:
    """Common shape of all axes but the last; torch's own function for it takes as long as a small circuit."""
    import torch

    shapes = [v.shape[:-1] for v in (weights, inputs) if v is not None]
    if not shapes or all(s == shapes[0] for s in shapes):
        return shapes[0] if shapes else torch.Size()
    return torch.broadcast_shapes(*shapes)


def lower(circuit: Circuit, noise: Noise | None = None) -> Program:
    """The program of a circuit, with the channels of a noise model behind the instructions they belong to.

    Cached on the circuit until it changes.
    """
    kept = circuit._kept(_Programs)
    if noise is None:
        if kept.ideal is None:
            native_program = _lower_native(circuit) if native.core is not None else None
            kept.ideal = native_program or _lower(circuit, None)
        return kept.ideal
    if id(noise) not in kept.noisy:
        kept.noisy[id(noise)] = (_lower(circuit, noise), noise)
    return kept.noisy[id(noise)][0]


@dataclass
class _Programs:
    """The programs of a circuit."""

    ideal: Program | None = None
    noisy: dict[int, tuple[Program, Noise]] = field(default_factory=dict)
    """By the id of the noise model, which is kept so that its id is not given to another object."""


def _lower_native(circuit: Circuit) -> Program | None:
    """The program as the core reads it from a circuit's rows; None where these hold more than gates on few qubits."""
    if circuit._others:
        return None
    slots: dict[Expression, int] = {}
    lowered = native.core.lower_rows(circuit.num_qubits, circuit._rows, slots)
    if lowered is None:
        return None
    program = object.__new__(Program)
    program.__dict__.update(
        num_qubits=circuit.num_qubits,
        num_clbits=circuit.num_clbits,
        slots=tuple(slots),
        weights=circuit.weights,
        inputs=circuit.inputs,
        phase=lowered.phase,
        derived={"lowered": lowered},
    )
    return program


def _operation(*of: Any) -> Op:
    """An operation as the core gives it."""
    if len(of) == 4:
        return Unitary(*of)
    x, z, slot, mask, value = of
    if isinstance(slot, int):
        return PauliRotation(x, z, slot, mask, value)
    qubits = tuple(q for q in range((x | z).bit_length()) if (x | z) >> q & 1)
    pauli = tuple((k, "IXZY"[(x >> q & 1) + 2 * (z >> q & 1)]) for k, q in enumerate(qubits))
    return _constant(pauli, slot, qubits, mask, value, None)


def _lower(circuit: Circuit, noise: Noise | None) -> Program:
    ops: list[Op] = []
    slots: dict[Expression, int] = {}
    phase = 0.0
    for instruction in circuit:
        qubits, condition, gate = instruction.qubits, instruction.condition, instruction.gate
        if instruction.name == "measure":
            ops.append(Measure(qubits[0], instruction.clbits[0], condition))
        elif instruction.name == "reset":
            ops.append(Reset(qubits[0], condition))
        elif gate is not None and not gate.parameters and gate.name != "gphase":
            if gate.name != "id":
                mask, value = _controls(
                    [(q, gate.control_state >> i & 1) for i, q in enumerate(qubits[: gate.controls])]
                )
                base = gate.array if gate.array is not None else GATES[gate.name].matrix(*gate.params)
                ops.append(Unitary(base, qubits[gate.controls :], mask, value, condition))
        elif gate is not None:
            for piece in gate.pieces():
                mask, value = _controls([(qubits[q], bit) for q, bit in piece.controls])
                if isinstance(piece, Fixed):
                    ops.append(Unitary(piece.matrix, tuple(qubits[q] for q in piece.qubits), mask, value, condition))
                    continue
                if not isinstance(piece.angle, Expression):
                    if not piece.pauli and not piece.controls and condition is None:
                        phase -= piece.angle / 2
                    else:
                        ops.append(_constant(piece.pauli, piece.angle, qubits, mask, value, condition))
                    continue
                slot = slots.setdefault(piece.angle, len(slots))
                x = sum(1 << qubits[q] for q, letter in piece.pauli if letter != "Z")
                z = sum(1 << qubits[q] for q, letter in piece.pauli if letter != "X")
                ops.append(PauliRotation(x, z, slot, mask, value, condition))
        if noise is not None:
            ops.extend(Channel(np.asarray(k, dtype=complex), q, condition) for k, q in noise.channels(instruction))
    return Program(
        circuit.num_qubits,
        circuit.num_clbits,
        tuple(ops),
        tuple(slots),
        circuit.weights,
        circuit.inputs,
        phase,
        _affine(tuple(slots), circuit.weights + circuit.inputs),
    )


def _controls(controls: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(1 << q for q, _ in controls), sum(bit << q for q, bit in controls)


_LETTERS: dict[str, Any] = {"X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}


def _constant(
    pauli: tuple[tuple[int, str], ...],
    angle: float,
    qubits: tuple[int, ...],
    mask: int,
    value: int,
    condition: Condition | None,
) -> Unitary:
    """A rotation by a number as a constant matrix. A phase takes one of its controls as target."""
    if pauli:
        matrix = np.eye(1, dtype=complex)
        for _, letter in reversed(pauli):
            matrix = np.kron(matrix, np.array(_LETTERS[letter], dtype=complex))
        matrix = np.cos(angle / 2) * np.eye(len(matrix)) - 1j * np.sin(angle / 2) * matrix
        return Unitary(matrix, tuple(qubits[q] for q, _ in pauli), mask, value, condition)
    factor = np.exp(-0.5j * angle)
    if mask == 0:  # a conditioned global phase: seen only beside other branches of a mixture, but kept exact
        return Unitary(factor * np.eye(2), (0,), 0, 0, condition)
    target = mask.bit_length() - 1
    on_one = value >> target & 1
    matrix = np.diag([1.0, factor] if on_one else [factor, 1.0])
    return Unitary(matrix, (target,), mask & ~(1 << target), value & ~(1 << target), condition)


def _affine(
    slots: tuple[Expression, ...], parameters: tuple[Parameter, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    forms = [s.affine() for s in slots]
    if any(f is None for f in forms):
        return None
    index = {p: k for k, p in enumerate(parameters)}
    constant, matrix = np.zeros(len(slots)), np.zeros((len(parameters), len(slots)))
    for column, form in enumerate(forms):
        assert form is not None
        constant[column] = form[0]
        for parameter, coefficient in form[1].items():
            matrix[index[parameter], column] = coefficient
    return constant, matrix


def _define_gates() -> None:
    """Tells the core what each gate is made of: a matrix, or Pauli rotations by multiples of its parameters."""
    bases = []
    for definition in GATES.values():
        params = parameters("p", definition.num_params)
        matrix: list[float] = []
        pieces = []
        for piece in definition.pieces(*params):
            if isinstance(piece, Fixed):
                matrix = piece.matrix.reshape(-1).view(float).tolist()
                continue
            assert isinstance(piece.angle, Expression)
            form = piece.angle.affine()
            assert form is not None
            ((parameter, scale),) = form[1].items()
            x = sum(1 << q for q, letter in piece.pauli if letter != "Z")
            z = sum(1 << q for q, letter in piece.pauli if letter != "X")
            pieces.append((x, z, *_controls(list(piece.controls)), params.index(parameter), scale))
        bases.append((definition.name, definition.num_qubits, definition.num_params, definition.framed, matrix, pieces))
    native.core.define_gates(bases, [(name, kind.base, kind.controls) for name, kind in KINDS.items()])


if native.core is not None:
    _define_gates()
