"""Gates: names, matrices, inverses, controls, powers, and their form as Pauli rotations.

Every gate is a product of *pieces*, each a fixed matrix or a Pauli rotation on the subspace where control bits match:

    exp(-i angle/2 · Π ⊗ P),   Π = |controls><controls|,   P in {I, X, Y, Z}^k

(a phase is the case P = I). Simulators and gradients know only these two forms; see `Gate.pieces`. Matrices are
little-endian: the first qubit of a gate is the least significant bit of the matrix index, and controls come before
targets (as in Qiskit).

>>> import numpy as np
>>> gate("rx", 0.3).inverse() == gate("rx", -0.3)
True
>>> gate("x").control(2) == gate("ccx")
True
>>> np.allclose(gate("t").power(2).matrix(), gate("s").matrix())
True
>>> g = gate("crx", 0.7)
>>> np.allclose(g.matrix() @ g.inverse().matrix(), np.eye(4))
True
"""

from __future__ import annotations

import cmath
import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.circuits.parameter import Angle, Expression, _angle

__all__ = [
    "GATES",
    "NAMES",
    "PAULI_ROTATIONS",
    "Fixed",
    "Gate",
    "GateDefinition",
    "GateError",
    "Rotation",
    "gate",
    "gate_shape",
    "unitary",
]

Matrix = NDArray[np.complex128]


class GateError(InvalidInput):
    """An unknown gate, a wrong number of parameters, or an operation that a gate does not have."""


@dataclass(frozen=True, eq=False)
class Fixed:
    """A constant matrix on ``qubits`` (first is least significant) where every ``(qubit, bit)`` of ``controls`` matches."""

    matrix: Matrix
    qubits: tuple[int, ...]
    controls: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Rotation:
    """``exp(-i angle/2 · P)`` where every ``(qubit, bit)`` of ``controls`` matches.

    ``pauli`` lists the letters of P as ``(qubit, "X" | "Y" | "Z")``.
    """

    pauli: tuple[tuple[int, str], ...]
    angle: Angle
    controls: tuple[tuple[int, int], ...] = ()


Piece = Fixed | Rotation


@dataclass(frozen=True)
class GateDefinition:
    """One uncontrolled gate: its matrix in closed form, its pieces, and the parameters of its inverse.

    ``inverse`` maps parameters to ``(name, parameters)``. ``linear``: the k-th power multiplies all parameters by k.
    ``framed``: the first and last piece undo each other, so that controls need not reach them.
    """

    name: str
    num_qubits: int
    num_params: int
    matrix: Callable[..., Any]
    pieces: Callable[..., list[Piece]]
    inverse: Callable[..., tuple[str, tuple[Angle, ...]]]
    linear: bool = False
    framed: bool = False


GATES: dict[str, GateDefinition] = {}

_S2 = math.sqrt(0.5)
_FIXED_1: dict[str, tuple[list[list[complex]], str]] = {  # name: (matrix, inverse)
    "id": ([[1, 0], [0, 1]], "id"),
    "x": ([[0, 1], [1, 0]], "x"),
    "y": ([[0, -1j], [1j, 0]], "y"),
    "z": ([[1, 0], [0, -1]], "z"),
    "h": ([[_S2, _S2], [_S2, -_S2]], "h"),
    "s": ([[1, 0], [0, 1j]], "sdg"),
    "sdg": ([[1, 0], [0, -1j]], "s"),
    "t": ([[1, 0], [0, _S2 + 1j * _S2]], "tdg"),
    "tdg": ([[1, 0], [0, _S2 - 1j * _S2]], "t"),
    "sx": ([[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]], "sxdg"),
    "sxdg": ([[0.5 - 0.5j, 0.5 + 0.5j], [0.5 + 0.5j, 0.5 - 0.5j]], "sx"),
}
_FIXED_2: dict[str, tuple[list[list[complex]], str]] = {
    "swap": ([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], "swap"),
    "iswap": ([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]], "iswapdg"),
    "iswapdg": ([[1, 0, 0, 0], [0, 0, -1j, 0], [0, -1j, 0, 0], [0, 0, 0, 1]], "iswap"),
    "dcx": ([[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], "dcxdg"),  # cx(0,1) then cx(1,0)
    "dcxdg": ([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]], "dcx"),
    "ecr": ([[0, _S2, 0, 1j * _S2], [_S2, 0, -1j * _S2, 0], [0, 1j * _S2, 0, _S2], [-1j * _S2, 0, _S2, 0]], "ecr"),
}
# z^k is a phase: powers of these stay named gates.
_PHASE_OF = {"z": math.pi, "s": math.pi / 2, "sdg": -math.pi / 2, "t": math.pi / 4, "tdg": -math.pi / 4}
_PAULI: dict[str, Matrix] = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.array([[1, 0], [0, -1]], dtype=complex),
}


def _define_fixed(name: str, num_qubits: int, rows: list[list[complex]], inverse: str) -> None:
    array = np.array(rows, dtype=complex)
    array.setflags(write=False)
    qubits = tuple(range(num_qubits))
    GATES[name] = GateDefinition(
        name,
        num_qubits,
        0,
        lambda: array,
        list if name == "id" else (lambda: [Fixed(array, qubits)]),
        lambda: (inverse, ()),
    )


for _name, (_rows, _inverse) in _FIXED_1.items():
    _define_fixed(_name, 1, _rows, _inverse)
for _name, (_rows, _inverse) in _FIXED_2.items():
    _define_fixed(_name, 2, _rows, _inverse)


def _phase_piece(angle: Angle, *controls: int) -> Rotation:
    """``exp(i angle)`` where all controls are 1: a rotation about the identity."""
    return Rotation((), -2.0 * angle, tuple((q, 1) for q in controls))


def _exp_pauli(theta: float, pauli: Matrix) -> Matrix:
    return np.asarray(math.cos(theta / 2) * np.eye(len(pauli)) - 1j * math.sin(theta / 2) * pauli)


PAULI_ROTATIONS: dict[str, str] = {}  # exp(-i angle/2 P) by the label of P, whose rightmost letter is for qubit 0


def _define_rotation(name: str, label: str) -> None:
    PAULI_ROTATIONS[label] = name
    pauli = tuple((q, letter) for q, letter in enumerate(reversed(label)))
    product = np.eye(1, dtype=complex)
    for letter in label:  # leftmost letter: most significant qubit
        product = np.kron(product, _PAULI[letter])
    GATES[name] = GateDefinition(
        name,
        len(label),
        1,
        lambda theta: _exp_pauli(theta, product),
        lambda theta: [Rotation(pauli, theta)],
        lambda theta: (name, (-theta,)),
        linear=True,
    )


for _name, _label in (
    ("rx", "X"),
    ("ry", "Y"),
    ("rz", "Z"),
    ("rxx", "XX"),
    ("ryy", "YY"),
    ("rzz", "ZZ"),
    ("rzx", "XZ"),
):
    _define_rotation(_name, _label)


def _u_matrix(theta: float, phi: float, lam: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return np.array(
        [[c, -cmath.exp(1j * lam) * s], [cmath.exp(1j * phi) * s, cmath.exp(1j * (phi + lam)) * c]], dtype=complex
    )


def _cu_matrix(theta: float, phi: float, lam: float, gamma: float) -> Matrix:
    out = np.eye(4, dtype=complex)
    out[1::2, 1::2] = cmath.exp(1j * gamma) * _u_matrix(theta, phi, lam)
    return out


def _u_pieces(theta: Angle, phi: Angle, lam: Angle) -> list[Piece]:
    """u = P(phi) RY(theta) P(lam); pieces stand in order of time."""
    return [_phase_piece(lam, 0), Rotation(((0, "Y"),), theta), _phase_piece(phi, 0)]


def _cu_pieces(theta: Angle, phi: Angle, lam: Angle, gamma: Angle) -> list[Piece]:
    return [
        _phase_piece(gamma, 0),
        _phase_piece(lam, 0, 1),
        Rotation(((1, "Y"),), theta, ((0, 1),)),
        _phase_piece(phi, 0, 1),
    ]


def _xx_yy_matrix(sign: int) -> Callable[[float, float], Matrix]:
    def matrix(theta: float, beta: float) -> Matrix:
        c, s, e = math.cos(theta / 2), math.sin(theta / 2), cmath.exp(1j * beta)
        out = np.eye(4, dtype=complex)
        i, j = (1, 2) if sign > 0 else (0, 3)
        out[i, i] = out[j, j] = c
        if sign > 0:
            out[1, 2], out[2, 1] = -1j * s / e, -1j * s * e
        else:
            out[0, 3], out[3, 0] = -1j * s / e, -1j * s * e
        return out

    return matrix


def _xx_yy_pieces(sign: int) -> Callable[[Angle, Angle], list[Piece]]:
    """(XX ± YY)/2 rotated about Z by beta: on qubit 0 for plus, on qubit 1 for minus (Qiskit's convention)."""

    def pieces(theta: Angle, beta: Angle) -> list[Piece]:
        turn = 0 if sign > 0 else 1
        return [
            Rotation(((turn, "Z"),), sign * beta),
            Rotation(((0, "X"), (1, "X")), theta / 2),
            Rotation(((0, "Y"), (1, "Y")), sign * theta / 2),
            Rotation(((turn, "Z"),), -sign * beta),
        ]

    return pieces


def _define(
    name: str,
    num_qubits: int,
    num_params: int,
    matrix: Callable[..., Any],
    pieces: Callable[..., list[Piece]],
    inverse: Callable[..., tuple[Angle, ...]],
    linear: bool = False,
    framed: bool = False,
) -> None:
    GATES[name] = GateDefinition(
        name, num_qubits, num_params, matrix, pieces, lambda *params: (name, inverse(*params)), linear, framed
    )


_define("gphase", 0, 1, lambda g: np.array([[cmath.exp(1j * g)]]), lambda g: [_phase_piece(g)], lambda g: (-g,), True)
_define(
    "p",
    1,
    1,
    lambda lam: np.diag([1, cmath.exp(1j * lam)]),
    lambda lam: [_phase_piece(lam, 0)],
    lambda lam: (-lam,),
    True,
)
_define("u", 1, 3, _u_matrix, _u_pieces, lambda t, p, l: (-t, -l, -p))
_define(
    "r",
    1,
    2,
    lambda t, p: _u_matrix(t, p - math.pi / 2, math.pi / 2 - p),
    lambda t, p: [Rotation(((0, "Z"),), -p), Rotation(((0, "X"),), t), Rotation(((0, "Z"),), p)],
    lambda t, p: (-t, p),
    framed=True,
)
_define("cu", 2, 4, _cu_matrix, _cu_pieces, lambda t, p, l, g: (-t, -l, -p, -g))
_define("xx_plus_yy", 2, 2, _xx_yy_matrix(1), _xx_yy_pieces(1), lambda t, b: (-t, b), framed=True)
_define("xx_minus_yy", 2, 2, _xx_yy_matrix(-1), _xx_yy_pieces(-1), lambda t, b: (-t, b), framed=True)

# All standard names: (base gate, controls).
NAMES: dict[str, tuple[str, int]] = {name: (name, 0) for name in GATES} | {
    "cx": ("x", 1),
    "cy": ("y", 1),
    "cz": ("z", 1),
    "ch": ("h", 1),
    "cs": ("s", 1),
    "csdg": ("sdg", 1),
    "csx": ("sx", 1),
    "cp": ("p", 1),
    "crx": ("rx", 1),
    "cry": ("ry", 1),
    "crz": ("rz", 1),
    "cu3": ("u", 1),  # "cu" has a fourth parameter, the phase
    "cswap": ("swap", 1),
    "ccx": ("x", 2),
    "ccz": ("z", 2),
    "mcx": ("x", 3),
}
_LABELS = {target: name for name, target in NAMES.items() if name != "mcx"}


class Kind(NamedTuple):
    """What a standard name stands for."""

    base: str
    controls: int
    num_qubits: int
    num_params: int


KINDS = {
    name: Kind(base, controls, controls + GATES[base].num_qubits, GATES[base].num_params)
    for name, (base, controls) in NAMES.items()
}


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate with its parameters and controls; immutable.

    Attributes
    ----------
    name
        Name of the uncontrolled gate in `GATES`, or ``"unitary"``.
    params
        Angles in radians: numbers, parameters or expressions.
    controls
        Number of control qubits; they precede the gate's own qubits.
    control_state
        Bit pattern of the controls (bit i for control i) on which the gate acts; all ones if not given.
    array
        The matrix of a ``"unitary"`` gate.
    tag
        A name to show for a ``"unitary"`` gate.
    """

    name: str
    params: tuple[Angle, ...] = ()
    controls: int = 0
    control_state: int = -1
    array: Matrix | None = field(default=None, repr=False)
    tag: str = ""

    def __post_init__(self) -> None:
        if self.name == "unitary":
            if self.array is None:
                raise GateError("gate 'unitary' needs its matrix: use unitary(matrix)")
            if self.tag in NAMES or self.tag in ("measure", "reset", "barrier"):
                raise GateError(f"unitary tagged '{self.tag}': that name has a meaning of its own")
        elif self.name not in GATES:
            raise GateError(f"gate '{self.name}' is unknown")
        elif len(self.params) != GATES[self.name].num_params:
            raise GateError(
                f"gate '{self.name}' takes {GATES[self.name].num_params} parameters, {len(self.params)} were given"
            )
        object.__setattr__(self, "params", tuple(_angle(p) for p in self.params))
        if self.controls < 0:
            raise GateError(f"gate '{self.name}' with {self.controls} controls: at least 0 are needed")
        full = (1 << self.controls) - 1
        if self.control_state == -1:
            object.__setattr__(self, "control_state", full)
        if not 0 <= self.control_state <= full:
            raise GateError(
                f"gate '{self.name}': control state {self.control_state} does not fit {self.controls} controls"
            )

    # -- reading ----------------------------------------------------------------------------------------------------
    @cached_property
    def base_qubits(self) -> int:
        """Qubits without the controls."""
        return GATES[self.name].num_qubits if self.array is None else int(self.array.shape[0]).bit_length() - 1

    @cached_property
    def num_qubits(self) -> int:
        """Qubits with the controls."""
        return self.controls + self.base_qubits

    @property
    def label(self) -> str:
        """The customary name, controls included (``cx``, ``ccz``, ``c3x``).

        Open controls are marked ``_o`` and the control state.
        """
        base = self.tag or self.name
        if not self.controls:
            return base
        open_controls = self.control_state != (1 << self.controls) - 1
        text = _LABELS.get((self.name, self.controls)) or f"c{self.controls if self.controls > 1 else ''}{base}"
        return f"{text}_o{self.control_state}" if open_controls else text

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The parameters that its angles contain."""
        return tuple(dict.fromkeys(p for a in self.params if isinstance(a, Expression) for p in a.parameters))

    def matrix(self) -> Matrix:
        """Dense matrix, ``[2^k, 2^k]``, little-endian.

        Raises
        ------
        GateError
            The gate has parameters without values.
        """
        if any(isinstance(p, Expression) for p in self.params):
            raise GateError(f"gate '{self.label}' has parameters without values: bind them first")
        base = (
            self.array if self.array is not None else np.asarray(GATES[self.name].matrix(*self.params), dtype=complex)
        )
        if not self.controls:
            return base
        out = np.eye(1 << self.num_qubits, dtype=complex)
        block = slice(self.control_state, None, 1 << self.controls)
        out[block, block] = base
        return out

    def pieces(self) -> list[Piece]:
        """The gate as fixed matrices and controlled Pauli rotations, in order of time, on local qubits (controls first)."""
        base = [Fixed(self.array, tuple(range(self.base_qubits)))] if self.array is not None else None
        pieces: list[Piece] = list(base) if base is not None else GATES[self.name].pieces(*self.params)
        if not self.controls:
            return pieces
        c = self.controls
        extra = tuple((i, self.control_state >> i & 1) for i in range(c))
        framed = self.array is None and GATES[self.name].framed
        moved: list[Piece] = []
        for k, piece in enumerate(pieces):
            reached = () if framed and k in (0, len(pieces) - 1) else extra
            inner = reached + tuple((q + c, bit) for q, bit in piece.controls)
            if isinstance(piece, Fixed):
                moved.append(Fixed(piece.matrix, tuple(q + c for q in piece.qubits), inner))
            else:
                moved.append(Rotation(tuple((q + c, p) for q, p in piece.pauli), piece.angle, inner))
        return moved

    # -- deriving ---------------------------------------------------------------------------------------------------
    def inverse(self) -> Gate:
        """The inverse gate."""
        if self.array is not None:
            array = self.array.conj().T.copy()
            array.setflags(write=False)
            tag = self.tag.removesuffix("_dg") if self.tag.endswith("_dg") else self.tag and f"{self.tag}_dg"
            return Gate("unitary", (), self.controls, self.control_state, array, tag)
        name, params = GATES[self.name].inverse(*self.params)
        return Gate(name, params, self.controls, self.control_state)

    def control(self, count: int = 1, state: int = -1) -> Gate:
        """The gate with ``count`` more controls in front, active on bit pattern ``state`` (all ones if not given)."""
        if count < 0:
            raise GateError(f"control count {count}: it must not be negative")
        if count == 0:
            return self
        state = (1 << count) - 1 if state == -1 else state
        if not 0 <= state < 1 << count:
            raise GateError(f"control state {state} does not fit {count} controls")
        return Gate(
            self.name, self.params, self.controls + count, state | self.control_state << count, self.array, self.tag
        )

    def power(self, exponent: float) -> Gate:
        """The gate raised to a real power (principal branch, a half turn as +pi, for gates that are not rotations).

        Raises
        ------
        GateError
            The gate is not a rotation and has parameters without values.
        """
        exponent = _angle(exponent)  # type: ignore[assignment]
        if exponent == 1:
            return self
        if exponent == -1:
            return self.inverse()
        if self.name == "id":
            return self
        if self.array is None and GATES[self.name].linear:
            return Gate(self.name, tuple(p * exponent for p in self.params), self.controls, self.control_state)
        if self.name in _PHASE_OF:
            return Gate("p", (_PHASE_OF[self.name] * exponent,), self.controls, self.control_state)
        if any(isinstance(p, Expression) for p in (*self.params, exponent)):
            raise GateError(
                f"power of gate '{self.label}': parameters without values are allowed for rotations and phases only"
            )
        base = Gate(self.name, self.params, array=self.array).matrix()
        if float(exponent).is_integer():
            power = np.linalg.matrix_power(base, int(exponent))
        else:
            import scipy.linalg

            # Schur form of a unitary is diagonal, also where eigenvalues repeat.
            triangle, vectors = scipy.linalg.schur(base, output="complex")
            angles = np.angle(np.diag(triangle))
            angles[angles < 1e-9 - math.pi] += 2 * math.pi  # a half turn is +pi, whichever way it was rounded
            power = (vectors * np.exp(1j * angles * exponent)) @ vectors.conj().T
        return unitary(power, tag=f"{self.tag or self.name}^{exponent:g}").control(self.controls, self.control_state)

    def bind(self, values: Mapping[Any, Angle]) -> Gate:
        """The gate with parameters replaced by numbers or expressions."""
        if not self.parameters:
            return self
        params = tuple(a.substitute(values) if isinstance(a, Expression) else a for a in self.params)
        return Gate(self.name, params, self.controls, self.control_state)

    # -- Python -----------------------------------------------------------------------------------------------------
    def _key(self) -> tuple[Any, ...]:
        array = None if self.array is None else (self.array.shape, self.array.tobytes())
        return (self.name, self.params, self.controls, self.control_state, array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gate) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"{self.label}({', '.join(map(str, self.params))})" if self.params else self.label


def _resolve(name: str) -> tuple[str, int]:
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1)
        raise GateError(f"gate '{name}' is unknown" + (f"; did you mean '{near[0]}'?" if near else ""))
    return NAMES[name]


def gate(name: str, *params: Angle) -> Gate:
    """The gate of a standard name (``"rx"``, ``"ccx"``, ``"cu"``, ...).

    Raises
    ------
    GateError
        The name is unknown, or the number of parameters is wrong.
    """
    if not params and name in _CONSTANTS:
        return _CONSTANTS[name]
    base, controls = _resolve(name)
    return Gate(base, params, controls)


def gate_known(name: str, params: tuple[Angle, ...]) -> Gate:
    """`gate` for a name and parameters that are known to be right."""
    if not params:
        return _CONSTANTS[name]
    kind = KINDS[name]
    out = object.__new__(Gate)
    out.__dict__.update(
        name=kind.base,
        params=params,
        controls=kind.controls,
        control_state=(1 << kind.controls) - 1,
        array=None,
        tag="",
    )
    return out


_CONSTANTS = {name: Gate(kind.base, (), kind.controls) for name, kind in KINDS.items() if not kind.num_params}
"""Gates without parameters: one object each."""


def gate_shape(name: str) -> tuple[int, int]:
    """``(qubits, parameters)`` that the gate of a standard name takes.

    Raises
    ------
    GateError
        The name is unknown.
    """
    base, controls = _resolve(name)
    return controls + GATES[base].num_qubits, GATES[base].num_params


def unitary(matrix: Any, tag: str = "") -> Gate:
    """A gate given by its matrix.

    Parameters
    ----------
    matrix
        Unitary, ``[2^k, 2^k]``, little-endian.
    tag
        A name to show.

    Raises
    ------
    GateError
        The matrix is not square of size 2^k, not finite, or not unitary to 1e-8.
    """
    array = np.array(matrix, dtype=complex)
    size = array.shape[0] if array.ndim == 2 else 0
    if array.ndim != 2 or array.shape != (size, size) or size < 2 or size & (size - 1):
        raise GateError(f"unitary of shape {array.shape}: a square matrix of size 2^k, k >= 1, is needed")
    if not np.isfinite(array).all():
        raise GateError("unitary: the matrix has entries that are not finite")
    error = float(np.abs(array @ array.conj().T - np.eye(size)).max())
    if error > 1e-8:
        raise GateError(f"unitary: the matrix is not unitary (largest deviation of U U† from 1 is {error:.2g})")
    array.setflags(write=False)
    return Gate("unitary", (), array=array, tag=tag)
