"""The quantum Fourier transform, |j> -> 2^{-n/2} Σ_k exp(2 pi i j k / 2^n) |k>.

>>> import numpy as np
>>> np.allclose(qft(2).matrix(), np.exp(0.5j * np.pi * np.outer(range(4), range(4))) / 2)
True
"""

from __future__ import annotations

import math

from bitket.quantum.circuits.circuit import Circuit

__all__ = ["qft"]


def qft(num_qubits: int, *, swaps: bool = True, smallest_angle: float = 0.0) -> Circuit:
    """The quantum Fourier transform; `Circuit.inverse` gives the inverse transform.

    Parameters
    ----------
    num_qubits
        Number of qubits n.
    swaps
        Whether the final swaps, which reverse the order of the qubits, are done.
    smallest_angle
        Controlled phases of a smaller angle are left out (the approximate transform of Coppersmith, quant-ph/0201067).
    """
    circuit = Circuit(num_qubits, name="qft")
    for target in reversed(range(num_qubits)):
        circuit.h(target)
        for control in reversed(range(target)):
            angle = math.pi / 2 ** (target - control)
            if angle >= smallest_angle:
                circuit.cp(angle, control, target)
    if swaps:
        for q in range(num_qubits // 2):
            circuit.swap(q, num_qubits - 1 - q)
    return circuit
