"""Circuits of one-qubit gates and CX for a given unitary, exact with its global phase.

- one qubit: U = exp(i a) u(theta, phi, lam);
- two qubits: U = exp(i a) (A1 ⊗ A0) exp(i (x XX + y YY + z ZZ)) (B1 ⊗ B0) with pi/4 >= x >= y >= |z| (Kraus and Cirac,
  quant-ph/0011050), where the canonical gate takes 0, 1, 2 or 3 CX (Vatan and Williams, quant-ph/0308006);
- more: the cosine-sine decomposition U = (L0 ⊕ L1) CS (R0 ⊕ R1), again and again, in which each direct sum is two smaller
  unitaries around a multiplexed RZ and CS is a multiplexed RY (quantum Shannon decomposition, quant-ph/0406176).

>>> import numpy as np
>>> u = np.fft.fft(np.eye(8), norm="ortho")
>>> np.allclose(synthesize(u).matrix(), u)
True
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitket.algebra.walsh import walsh_hadamard
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.gates import GATES, Matrix, unitary
from bitket.quantum.circuits.parameter import Angle, Expression, Parameter

__all__ = ["OneQubitMerger", "PhaseSum", "Sink", "add_unitary", "euler_angles", "multiplexed_rotation", "synthesize"]

_TOLERANCE = 1e-11  # coordinates closer than this to a cheaper class are taken to be there
_PAULIS = [GATES[name].matrix() for name in ("x", "y", "z")]
_H = GATES["h"].matrix()
# The magic basis: local gates of determinant 1 become real orthogonal matrices, and XX, YY, ZZ diagonal.
_MAGIC = np.array([[1, 0, 0, 1j], [0, 1j, 1, 0], [0, 1j, -1, 0], [1, 0, 0, -1j]]) / math.sqrt(2)
_SIGNS = np.array(
    [np.ones(4), *(np.diag(_MAGIC.conj().T @ np.kron(pauli, pauli) @ _MAGIC).real for pauli in _PAULIS)]
).T


def synthesize(matrix: Any) -> Circuit:
    """A circuit of ``u``, ``cx`` and a global phase whose unitary is ``matrix``.

    Takes no CX for one qubit, at most 3 for two, and about (9/16) 4^n for n qubits.

    Parameters
    ----------
    matrix
        Unitary, ``[2^n, 2^n]``, little-endian.

    Raises
    ------
    GateError
        The matrix is not square of size 2^n, not finite, or not unitary to 1e-8.
    """
    array = unitary(matrix).matrix()
    n = array.shape[0].bit_length() - 1
    circuit = Circuit(n, name="synthesis")
    merger = OneQubitMerger(circuit)
    add_unitary(merger, array, range(n))
    merger.finish()
    return circuit


def euler_angles(matrix: Matrix) -> tuple[float, float, float, float]:
    """``(alpha, theta, phi, lam)`` with ``matrix = exp(i alpha) u(theta, phi, lam)``, for a unitary of one qubit."""
    cos, sin = abs(matrix[0, 0]), abs(matrix[1, 0])
    theta, alpha = 2 * math.atan2(sin, cos), cmath.phase(matrix[0, 0])
    phi = cmath.phase(matrix[1, 0]) - alpha
    # The larger entries fix the angles; what is left to the smaller ones then fits them by unitarity.
    lam = cmath.phase(matrix[1, 1]) - alpha - phi if cos >= sin else cmath.phase(-matrix[0, 1]) - alpha
    return alpha, theta, phi, lam


class Sink(Protocol):
    """Where `OneQubitMerger` puts its gates; a `Circuit` is one."""

    def u(self, theta: Angle, phi: Angle, lam: Angle, qubit: int, /) -> object:
        """P(phi) RY(theta) P(lam)."""

    def cx(self, control: int, target: int, /) -> object:
        """CX."""

    def global_phase(self, angle: Angle, /) -> object:
        """exp(i angle)."""


class PhaseSum:
    """A global phase under way: terms of the same parameter are added up, so that what cancels is gone."""

    def __init__(self) -> None:
        self._constant = 0.0
        self._coefficients: dict[Parameter, float] = {}
        self._others: list[Expression] = []

    def add(self, angle: Angle) -> None:
        """Add an angle."""
        form = angle.affine() if isinstance(angle, Expression) else (angle, {})
        if form is None:
            self._others.append(angle)  # type: ignore[arg-type]
            return
        self._constant = math.remainder(self._constant + form[0], 2 * math.pi)
        for parameter, coefficient in form[1].items():
            self._coefficients[parameter] = self._coefficients.get(parameter, 0.0) + coefficient

    def total(self) -> Angle:
        """The sum; 0.0 if nothing is left."""
        terms: list[Angle] = [c * p for p, c in self._coefficients.items() if abs(c) > 1e-14]
        start = self._constant if abs(self._constant) > 1e-14 else 0.0
        return sum([*terms, *self._others], start)


class OneQubitMerger:
    """Writes gates into a sink, holding back one-qubit matrices so that neighbours become one ``u``."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.phase = PhaseSum()
        self._held: dict[int, Matrix] = {}

    def one(self, matrix: Matrix, qubit: int) -> None:
        """A unitary of one qubit."""
        self._held[qubit] = matrix @ self._held[qubit] if qubit in self._held else matrix

    def u(self, theta: Angle, phi: Angle, lam: Angle, qubit: int) -> None:
        """P(phi) RY(theta) P(lam), whose angles may be expressions."""
        if isinstance(theta, Expression) or isinstance(phi, Expression) or isinstance(lam, Expression):
            self._release(qubit)
            self.sink.u(theta, phi, lam, qubit)
        else:
            self.one(GATES["u"].matrix(theta, phi, lam), qubit)

    def rotate(self, axis: str, angle: Angle, qubit: int) -> None:
        """RX, RY or RZ, by ``axis``."""
        if axis == "z":
            self.u(0.0, 0.0, angle, qubit)
            self.phase.add(-angle / 2)
        else:
            frame = math.pi / 2 if axis == "x" else 0.0
            self.u(angle, -frame, frame, qubit)

    def cx(self, control: int, target: int) -> None:
        """CX."""
        self._release(control)
        self._release(target)
        self.sink.cx(control, target)

    def _release(self, qubit: int) -> None:
        matrix = self._held.pop(qubit, None)
        if matrix is None:
            return
        alpha, theta, phi, lam = euler_angles(matrix)
        self.phase.add(alpha)
        if abs(theta) > 1e-14 or abs(cmath.exp(1j * (phi + lam)) - 1) > 1e-14:
            self.sink.u(theta, phi, lam, qubit)

    def finish(self) -> None:
        """Write what is still held, and the global phase."""
        for qubit in sorted(self._held):
            self._release(qubit)
        phase = self.phase.total()
        if isinstance(phase, Expression) or phase:
            self.sink.global_phase(phase)


def multiplexed_rotation(
    merger: OneQubitMerger, axis: str, angles: NDArray[np.float64], controls: Sequence[int], target: int
) -> None:
    """A rotation of ``target`` about ``"y"`` or ``"z"`` by ``angles[j]`` where the controls (first least significant) read j.

    Rotations alternate with CX in the order of a Gray code, 2^k of each: the i-th angle is
    2^-k Σ_j (-1)^(j · gray(i)) angles[j] (Möttönen et al., quant-ph/0407010).
    """
    k = len(controls)
    if np.abs(angles).max() < _TOLERANCE:
        return
    gray = [i ^ i >> 1 for i in range(1 << k)]
    for i, angle in enumerate(walsh_hadamard(np.asarray(angles, dtype=float))[gray] / (1 << k)):
        merger.rotate(axis, float(angle), target)
        if k:
            changed = gray[i] ^ gray[(i + 1) % (1 << k)]
            merger.cx(controls[changed.bit_length() - 1], target)


def add_unitary(merger: OneQubitMerger, matrix: Matrix, qubits: Sequence[int]) -> None:
    """Write a unitary of any number of qubits (first least significant)."""
    if len(qubits) == 1:
        merger.one(matrix, qubits[0])
        return
    if len(qubits) == 2:
        _two_qubits(merger, matrix, qubits)
        return
    import scipy.linalg  # slow to import, and few need it

    half = matrix.shape[0] // 2
    (left0, left1), theta, (right0, right1) = scipy.linalg.cossin(matrix, p=half, q=half, separate=True)
    _direct_sum(merger, right0, right1, qubits)
    multiplexed_rotation(merger, "y", 2 * theta, qubits[:-1], qubits[-1])
    _direct_sum(merger, left0, left1, qubits)


def _direct_sum(merger: OneQubitMerger, a: Matrix, b: Matrix, qubits: Sequence[int]) -> None:
    """a ⊕ b = (1 ⊗ v) (d ⊕ d†) (1 ⊗ w) with a b† = v d² v†; the middle is a multiplexed RZ of the last qubit."""
    import scipy.linalg

    # The Schur form of a unitary is diagonal, also where eigenvalues repeat.
    triangle, v = scipy.linalg.schur(a @ b.conj().T, output="complex")
    angles = np.angle(np.diag(triangle)) / 2
    w = np.exp(1j * angles)[:, None] * (v.conj().T @ b)
    add_unitary(merger, w, qubits[:-1])
    multiplexed_rotation(merger, "z", -2 * angles, qubits[:-1], qubits[-1])
    add_unitary(merger, v, qubits[:-1])


def _two_qubits(merger: OneQubitMerger, matrix: Matrix, qubits: Sequence[int]) -> None:
    low, high = qubits
    phase, left, (x, y, z), right = _canonical(matrix)
    merger.phase.add(phase)

    def local(pair: tuple[Matrix, Matrix]) -> None:
        merger.one(pair[0], low)
        merger.one(pair[1], high)

    def both(gate: Matrix) -> None:
        local((gate, gate))

    local(right)
    if x < _TOLERANCE:
        pass
    elif abs(z) >= _TOLERANCE:
        merger.rotate("z", math.pi / 2, high)
        merger.cx(high, low)
        merger.rotate("z", math.pi / 2 - 2 * z, low)
        merger.rotate("y", math.pi / 2 - 2 * x, high)
        merger.cx(low, high)
        merger.rotate("y", 2 * y - math.pi / 2, high)
        merger.cx(high, low)
        merger.rotate("z", -math.pi / 2, low)
        merger.phase.add(math.pi / 4)
    elif y >= _TOLERANCE or x < math.pi / 4 - _TOLERANCE:
        # CX (exp(i x X) on control, exp(i y Z) on target) CX = exp(i x XX + i y ZZ), in a frame that exchanges Y and Z.
        both(_exchange(1, 2))
        merger.cx(low, high)
        merger.rotate("x", -2 * x, low)
        merger.rotate("z", -2 * y, high)
        merger.cx(low, high)
        both(_exchange(1, 2))
    else:
        # exp(i pi/4 ZX) = exp(-i pi/4) exp(i pi/4 Z) exp(i pi/4 X) CX, in a frame that turns Z into X on the control.
        merger.one(_H, low)
        merger.cx(low, high)
        merger.rotate("z", -math.pi / 2, low)
        merger.rotate("x", -math.pi / 2, high)
        merger.one(_H, low)
        merger.phase.add(-math.pi / 4)
    local(left)


def _canonical(
    matrix: Matrix,
) -> tuple[float, tuple[Matrix, Matrix], tuple[float, float, float], tuple[Matrix, Matrix]]:
    """``(a, (A0, A1), (x, y, z), (B0, B1))``: the decomposition of a unitary of two qubits, in the Weyl chamber."""
    magic = _MAGIC.conj().T @ matrix @ _MAGIC
    v = _joint_eigenvectors(magic.T @ magic)
    if np.linalg.det(v) < 0:
        v[:, 0] *= -1
    half = np.exp(0.5j * np.angle(np.diag(v.T @ (magic.T @ magic) @ v)))
    k = ((magic @ v) / half).real
    if np.linalg.det(k) < 0:
        k[:, 0] *= -1
        half[0] *= -1
    phase, *xyz = (_SIGNS.T @ np.angle(half)) / 4
    left, left_phase = _split(_MAGIC @ k @ _MAGIC.conj().T)
    right, right_phase = _split(_MAGIC @ v.T @ _MAGIC.conj().T)
    phase += left_phase + right_phase

    for axis in range(3):  # into (-pi/4, pi/4]: exp(i pi/2 XX) = i XX
        turns = math.ceil(xyz[axis] / (math.pi / 2) - 0.5)
        xyz[axis] -= turns * math.pi / 2
        phase += turns * math.pi / 2
        if turns % 2:
            left = [side @ _PAULIS[axis] for side in left]
    for a, b in ((0, 1), (1, 2), (0, 1)):  # |x| >= |y| >= |z|: (X + Y)/sqrt(2) on both exchanges XX and YY and keeps ZZ
        if abs(xyz[a]) < abs(xyz[b]):
            xyz[a], xyz[b] = xyz[b], xyz[a]
            left = [side @ _exchange(a, b) for side in left]
            right = [_exchange(a, b) @ side for side in right]
    for axis in (0, 1):  # x, y >= 0: a Pauli on one qubit turns the signs of the other two
        if xyz[axis] < 0:
            partner = 2 if axis == 1 or xyz[1] >= 0 else 1
            kept = ({0, 1, 2} - {axis, partner}).pop()
            xyz[axis], xyz[partner] = -xyz[axis], -xyz[partner]
            left[0], right[0] = left[0] @ _PAULIS[kept], _PAULIS[kept] @ right[0]
    x, y, z = map(float, xyz)
    return float(phase), (left[0], left[1]), (x, y, z), (right[0], right[1])


def _exchange(a: int, b: int) -> Matrix:
    return np.asarray((_PAULIS[a] + _PAULIS[b]) / math.sqrt(2))


def _joint_eigenvectors(symmetric: Matrix) -> NDArray[np.float64]:
    """Real orthogonal v that makes a symmetric unitary diagonal: its real and imaginary parts commute."""
    best, best_error = np.eye(4), math.inf
    for angle in np.arange(8) * 0.4 + 0.1:  # a mixture may have equal eigenvalues by chance; eight do not
        v = np.linalg.eigh(math.cos(angle) * symmetric.real + math.sin(angle) * symmetric.imag)[1]
        turned = v.T @ symmetric @ v
        error = np.abs(turned - np.diag(np.diag(turned))).max()
        if error < best_error:
            best, best_error = v, error
    return best


def _split(product: NDArray[Any]) -> tuple[list[Matrix], float]:
    """``[low, high], phase`` with product = exp(i phase) high ⊗ low, both of determinant 1."""
    blocks = product.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)  # [high row, high column, low row, low column]
    largest = np.unravel_index(np.abs(blocks).max(axis=(2, 3)).argmax(), (2, 2))
    low = blocks[largest]
    low = low / cmath.sqrt(np.linalg.det(low))
    high = np.einsum("abcd,cd->ab", blocks, low.conj()) / 2
    root = cmath.sqrt(np.linalg.det(high))
    return [low, high / root], cmath.phase(root)
