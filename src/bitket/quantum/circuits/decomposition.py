"""Rewriting circuits in a small set of gates, exactly, global phase and symbolic angles included.

Every gate is a product of pieces (`Gate.pieces`), and each piece ends in phases where some qubits are all one:

    exp(i a x1 x2 ··· xm),   x1 ··· xm = 2^(1-m) Σ_{S not empty} (-1)^(|S|+1) ⊕_{i in S} x_i,

a sum of parities, which CX gates compute along a Gray code (2^m - 2 of them). Beyond five qubits the recursion of Barenco
et al. (quant-ph/9503016, section 7) takes over, whose number of gates grows as m^2.

>>> from bitket.quantum.circuits.parameter import Parameter
>>> c = decompose(Circuit(3).ccx(0, 1, 2).crx(Parameter("a"), 0, 2))
>>> sorted(c.count_ops())
['cx', 'u']
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from bitket.algebra.walsh import walsh_hadamard
from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit, Condition
from bitket.quantum.circuits.gates import GATES, Fixed, Gate, Rotation, gate
from bitket.quantum.circuits.parameter import Angle, Expression
from bitket.quantum.circuits.synthesis import OneQubitMerger, PhaseSum, add_unitary

__all__ = ["decompose"]

_GRAY_QUBITS = 5  # up to here 2^m - 2 CX are fewer than the recursion's
_H, _X = GATES["h"].matrix(), GATES["x"].matrix()
_TURN = {"X": (_H, _H), "Y": (_H @ GATES["sdg"].matrix(), GATES["s"].matrix() @ _H)}  # the letter to Z, and back


def decompose(circuit: Circuit, basis: Iterable[str] = ("u", "cx")) -> Circuit:
    """The circuit with every gate that is not in the basis rewritten.

    Measurements, resets and barriers stay; a conditioned gate becomes gates under the same condition. Global phases are
    gathered into one gate at the end. Neighbouring gates are not merged with one another.

    Parameters
    ----------
    circuit
        Any circuit; angles may be expressions.
    basis
        Names of gates to keep, among them one of ``cx``, ``cz`` and one of ``u``; ``rz`` and ``ry``; ``rz`` and ``rx``;
        ``rz`` and ``sx``.

    Raises
    ------
    InvalidInput
        The basis is not enough to write any gate.
    """
    names = frozenset(basis)
    writer = _Writer(circuit, names)
    for i in circuit:
        writer.condition = i.condition
        if i.gate is None or (i.name in names and i.name != "gphase"):
            writer.out.append(i.operation, i.qubits, i.clbits, i.condition)
            continue
        merger = OneQubitMerger(writer)
        _rewrite(merger, i.gate, i.qubits)
        merger.finish()
    writer.finish()
    return writer.out


class _Writer:
    """Writes u, cx and phases into a circuit, in the gates of a basis and under the condition that is set."""

    def __init__(self, circuit: Circuit, basis: frozenset[str]) -> None:
        self.out = Circuit(circuit.num_qubits, circuit.num_clbits, circuit.name).declare(*circuit.parameters)
        self.basis = basis
        self.condition: Condition | None = None
        self.phase = PhaseSum()
        if not basis & {"cx", "cz"} or not ("u" in basis or ("rz" in basis and basis & {"ry", "rx", "sx"})):
            raise InvalidInput(
                f"basis {', '.join(sorted(basis))}: 'cx' or 'cz', and 'u' or 'rz' with one of 'ry', 'rx', 'sx', are needed"
            )

    def put(self, name: str, angles: tuple[Angle, ...], *qubits: int) -> None:
        self.out.append(gate(name, *angles), qubits, (), self.condition)

    def rz(self, angle: Angle, qubit: int) -> None:
        if isinstance(angle, Expression) or abs(math.remainder(angle, 4 * math.pi)) > 1e-14:
            self.put("rz", (angle,), qubit)

    def u(self, theta: Angle, phi: Angle, lam: Angle, qubit: int) -> None:
        """u = exp(i (phi + lam)/2) RZ(phi) RY(theta) RZ(lam), with RY in terms of the basis."""
        if "u" in self.basis:
            self.put("u", (theta, phi, lam), qubit)
            return
        phase = (phi + lam) / 2
        quarter = math.pi / 2
        if not isinstance(theta, Expression) and abs(theta) < 1e-14:
            self.rz(phi + lam, qubit)
        elif "ry" in self.basis:
            self.rz(lam, qubit)
            self.put("ry", (theta,), qubit)
            self.rz(phi, qubit)
        elif "rx" in self.basis:  # RY(t) = RZ(pi/2) RX(t) RZ(-pi/2)
            self.rz(lam - quarter, qubit)
            self.put("rx", (theta,), qubit)
            self.rz(phi + quarter, qubit)
        elif not isinstance(theta, Expression) and abs(theta - quarter) < 1e-14:  # the same, SX = exp(i pi/4) RX(pi/2)
            self.rz(lam - quarter, qubit)
            self.put("sx", (), qubit)
            self.rz(phi + quarter, qubit)
            phase = phase - math.pi / 4
        else:  # RY(t) = -RZ(pi) RX(pi/2) RZ(t + pi) RX(pi/2)
            self.rz(lam, qubit)
            self.put("sx", (), qubit)
            self.rz(theta + math.pi, qubit)
            self.put("sx", (), qubit)
            self.rz(phi + math.pi, qubit)
            phase = phase + quarter
        self.global_phase(phase)

    def cx(self, control: int, target: int) -> None:
        if "cx" in self.basis:
            self.put("cx", (), control, target)
            return
        self.u(math.pi / 2, 0.0, math.pi, target)
        self.put("cz", (), control, target)
        self.u(math.pi / 2, 0.0, math.pi, target)

    def global_phase(self, angle: Angle) -> None:
        if self.condition is None:
            self.phase.add(angle)
        else:
            self.put("gphase", (angle,))

    def finish(self) -> None:
        self.condition = None
        phase = self.phase.total()
        if isinstance(phase, Expression) or phase:
            self.put("gphase", (phase,))


def _rewrite(merger: OneQubitMerger, g: Gate, qubits: tuple[int, ...]) -> None:
    controls, targets = qubits[: g.controls], qubits[g.controls :]
    open_controls = [q for i, q in enumerate(controls) if not g.control_state >> i & 1]
    for q in open_controls:
        merger.one(_X, q)
    if (g.name, g.controls) in (("u", 1), ("cu", 0)):
        _controlled_u(merger, g.params, *qubits)
    elif g.name == "u" and not controls:
        theta, phi, lam = g.params
        merger.u(theta, phi, lam, targets[0])
    elif g.name == "swap":
        a, b = targets
        merger.cx(b, a)
        _flip(merger, [*controls, a], b, [])
        merger.cx(b, a)
    elif g.name in ("dcx", "dcxdg"):
        a, b = targets if g.name == "dcx" else targets[::-1]
        _flip(merger, [*controls, a], b, [])
        _flip(merger, [*controls, b], a, [])
    else:
        closed = Gate(g.name, g.params, g.controls, -1, g.array, g.tag)
        for piece in closed.pieces():
            where = [qubits[q] for q, _ in piece.controls]
            if isinstance(piece, Rotation):
                _rotation(merger, [(qubits[q], letter) for q, letter in piece.pauli], piece.angle, where)
            else:
                _fixed(merger, piece, [qubits[q] for q in piece.qubits], where)
    for q in open_controls:
        merger.one(_X, q)


def _controlled_u(merger: OneQubitMerger, params: Sequence[Angle], control: int, target: int) -> None:
    """Two CX: u is a phase times A X B X C with A B C = 1 (Barenco et al., lemma 5.1)."""
    theta, phi, lam, *rest = params
    merger.u(0.0, 0.0, (phi + lam) / 2 + (rest[0] if rest else 0.0), control)
    merger.u(0.0, 0.0, (lam - phi) / 2, target)
    merger.cx(control, target)
    merger.u(-theta / 2, 0.0, -(phi + lam) / 2, target)
    merger.cx(control, target)
    merger.u(theta / 2, phi, 0.0, target)


def _fixed(merger: OneQubitMerger, piece: Fixed, qubits: Sequence[int], controls: list[int]) -> None:
    if not controls:
        add_unitary(merger, piece.matrix, qubits)
        return
    # V D V†: the controls need to reach only D = exp(i Σ_S t_S Z_S). The Schur form of a unitary is diagonal.
    triangle, v = scipy.linalg.schur(piece.matrix, output="complex")
    phases = np.angle(np.diag(triangle))
    add_unitary(merger, v.conj().T, qubits)
    if len(qubits) == 1:
        _one_qubit_diagonal(merger, phases, qubits[0], controls)
    else:
        for subset, weight in enumerate(walsh_hadamard(phases) / len(phases)):
            letters = [(q, "Z") for i, q in enumerate(qubits) if subset >> i & 1]
            if abs(weight) > 1e-14:
                _rotation(merger, letters, -2 * float(weight), controls)
    add_unitary(merger, v, qubits)


def _one_qubit_diagonal(merger: OneQubitMerger, phases: NDArray[np.float64], qubit: int, controls: list[int]) -> None:
    """diag(exp(i a), exp(i b)) under controls: the phase a on the controls and b - a on all."""
    a, b = map(float, phases)
    turned = abs(a) > 1e-12 and abs(b) <= 1e-12  # an eigenvalue 1 costs nothing if it comes first
    if turned:
        a, b = b, a
        merger.one(_X, qubit)
    if abs(a) > 1e-14:
        _phase(merger, a, controls)
    _phase(merger, b - a, [*controls, qubit])
    if turned:
        merger.one(_X, qubit)


def _rotation(merger: OneQubitMerger, pauli: list[tuple[int, str]], angle: Angle, controls: list[int]) -> None:
    """exp(-i angle/2 P) under controls: the letters turned to Z, their parity gathered in one qubit, which is turned."""
    if not pauli:
        _phase(merger, -angle / 2, controls)
        return
    target, letter = pauli[-1]
    if len(pauli) == 1 and not controls:
        merger.rotate(letter.lower(), angle, target)
        return
    kept = len(pauli) == 1 and letter == "Y" and len(controls) < _GRAY_QUBITS
    turned = [(q, letter) for q, letter in pauli if letter != "Z" and not kept]
    for q, letter in turned:
        merger.one(_TURN[letter][0], q)
    for (a, _), (b, _) in pairwise(pauli):
        merger.cx(a, b)
    if len(controls) < _GRAY_QUBITS:
        count = 1 << len(controls)
        for i in range(count):  # |1..1><1..1| = 2^-k Σ_S (-1)^|S| Z_S, in the order of a Gray code
            merger.rotate("y" if kept else "z", angle * ((-1.0) ** (i ^ i >> 1).bit_count() / count), target)
            if controls:
                merger.cx(controls[_changed_bit(i, count)], target)
    else:
        _phase(merger, angle, [*controls, target])
        _phase(merger, -angle / 2, controls)
    for (a, _), (b, _) in reversed(list(pairwise(pauli))):
        merger.cx(a, b)
    for q, letter in turned:
        merger.one(_TURN[letter][1], q)


def _phase(merger: OneQubitMerger, angle: Angle, qubits: list[int]) -> None:
    """exp(i angle) where all qubits are one."""
    if not qubits:
        merger.phase.add(angle)
    elif len(qubits) == 1:
        merger.u(0.0, 0.0, angle, qubits[0])
    elif len(qubits) == 2 and not isinstance(angle, Expression) and abs(cmath.exp(1j * angle) + 1) < 1e-13:
        merger.one(_H, qubits[1])
        merger.cx(*qubits)
        merger.one(_H, qubits[1])
    elif len(qubits) <= _GRAY_QUBITS:
        part = angle * 2.0 ** (1 - len(qubits))
        for k, q in enumerate(qubits):  # the parities of q with every subset of the qubits before it
            count = 1 << k
            for i in range(count):
                merger.u(0.0, 0.0, part * (-1.0) ** (i ^ i >> 1).bit_count(), q)
                if k:
                    merger.cx(qubits[_changed_bit(i, count)], q)
    else:
        *others, last, target = qubits
        _phase(merger, angle / 2, [last, target])
        _flip(merger, others, last, [target])
        _phase(merger, -angle / 2, [last, target])
        _flip(merger, others, last, [target])
        _phase(merger, angle / 2, [*others, target])


def _flip(merger: OneQubitMerger, controls: list[int], target: int, borrowed: list[int]) -> None:
    """X under controls. ``borrowed`` qubits may be in any state, to which they return."""
    k = len(controls)
    if k == 1:
        merger.cx(controls[0], target)
    elif k < _GRAY_QUBITS or not borrowed:
        merger.one(_H, target)
        _phase(merger, math.pi, [*controls, target])
        merger.one(_H, target)
    elif len(borrowed) >= k - 2:  # a ladder of Toffoli gates, twice (Barenco et al., lemma 7.2)
        spare = borrowed[: k - 2]
        ends = [*spare, target]
        down = [(controls[i], spare[i - 2], ends[i - 1]) for i in range(k - 1, 1, -1)]
        foot = [(controls[0], controls[1], spare[0])]
        for a, b, c in (*down, *foot, *down[::-1], *down[1:], *foot, *down[:0:-1]):
            _flip(merger, [a, b], c, [])
    else:  # two halves through one borrowed qubit, twice (lemma 7.3)
        half = (k + 1) // 2
        first, second = controls[:half], controls[half:]
        for _ in range(2):
            _flip(merger, first, borrowed[0], [*second, target])
            _flip(merger, [*second, borrowed[0]], target, first)


def _changed_bit(i: int, count: int) -> int:
    """The bit in which the Gray code's words i and i + 1 (of ``count``, cyclic) differ."""
    j = (i + 1) % count
    return ((i ^ i >> 1) ^ (j ^ j >> 1)).bit_length() - 1
