"""The gates of ``qelib1.inc`` and ``stdgates.inc``, as gates of a circuit.

A gate is given as its operations on local qubits: ``(gate, qubits)``, almost always a single one. Phases are those of
Qiskit's readers: u3 = U = P(phi) RY(theta) P(lambda) in both versions, rz = exp(-i angle/2 Z), cu3 a controlled U.
(The text of OpenQASM 3 puts exp(i theta/2) in front of U, which no one sees but under ``ctrl @ U``.)
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bitket.quantum.circuits.circuit import Operation
from bitket.quantum.circuits.gates import Gate, gate, gate_shape
from bitket.quantum.circuits.parameter import Angle

__all__ = ["BUILTIN_2", "BUILTIN_3", "LIBRARIES", "LibraryGate", "Operations"]

Operations = tuple[tuple[Gate | Operation, tuple[int, ...]], ...]


class LibraryGate:
    """A gate of the language: how many parameters and qubits it takes, and what it is."""

    def __init__(self, num_params: int, num_qubits: int, make: Callable[..., Operations]) -> None:
        self.num_params = num_params
        self.num_qubits = num_qubits
        self.make = make


def _single(base: Gate | str) -> LibraryGate:
    if isinstance(base, Gate):
        operations: Operations = ((base, tuple(range(base.num_qubits))),)
        return LibraryGate(0, base.num_qubits, lambda: operations)
    num_qubits, num_params = gate_shape(base)
    qubits = tuple(range(num_qubits))
    return LibraryGate(num_params, num_qubits, lambda *params: ((gate(base, *params), qubits),))


def _sequence(num_qubits: int, *steps: tuple[Gate, tuple[int, ...]]) -> LibraryGate:
    return LibraryGate(0, num_qubits, lambda: steps)


def _u2(phi: Angle, lam: Angle) -> Operations:
    return ((gate("u", math.pi / 2, phi, lam), (0,)),)


_H, _T, _TDG, _CX = gate("h"), gate("t"), gate("tdg"), gate("cx")
_WAIT = LibraryGate(1, 1, lambda gamma: ((gate("id"), (0,)),))
# Toffoli gates up to a relative phase (Maslov, arXiv:1508.03273, figures 3 and 4).
_RCCX = _sequence(
    3,
    (_H, (2,)),
    (_T, (2,)),
    (_CX, (1, 2)),
    (_TDG, (2,)),
    (_CX, (0, 2)),
    (_T, (2,)),
    (_CX, (1, 2)),
    (_TDG, (2,)),
    (_H, (2,)),
)
_RC3X = _sequence(
    4,
    (_H, (3,)),
    (_T, (3,)),
    (_CX, (2, 3)),
    (_TDG, (3,)),
    (_H, (3,)),
    (_CX, (0, 3)),
    (_T, (3,)),
    (_CX, (1, 3)),
    (_TDG, (3,)),
    (_CX, (0, 3)),
    (_T, (3,)),
    (_CX, (1, 3)),
    (_TDG, (3,)),
    (_H, (3,)),
    (_T, (3,)),
    (_CX, (2, 3)),
    (_TDG, (3,)),
    (_H, (3,)),
)

_SHARED = {
    name: _single(name)
    for name in "id x y z h s sdg t tdg sx p rx ry rz cx cy cz ch cp crx cry crz swap ccx cswap cu".split()
} | {"u1": _single("p"), "u2": LibraryGate(2, 1, _u2), "u3": _single("u")}
LIBRARIES: dict[str, dict[str, LibraryGate]] = {
    "qelib1.inc": {
        **_SHARED,
        **{name: _single(name) for name in "u sxdg csx cu3 rxx rzz".split()},
        "cu1": _single("cp"),
        "u0": _WAIT,
        "rccx": _RCCX,
        "rc3x": _RC3X,
        "c3x": _single(gate("x").control(3)),
        "c3sqrtx": _single(gate("sx").control(3)),
        "c4x": _single(gate("x").control(4)),
    },
    "stdgates.inc": {**_SHARED, "CX": _single("cx"), "phase": _single("p"), "cphase": _single("cp")},
}
BUILTIN_2 = {"U": _single("u"), "CX": _single("cx")}
BUILTIN_3 = {"U": _single("u"), "gphase": _single("gphase")}
