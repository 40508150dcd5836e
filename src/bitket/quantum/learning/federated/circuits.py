"""What clients do to a copy, gate by gate: the circuits behind `ErrorApparatus` and `OverlapApparatus`.

Both take the server's register as it comes and keep the run in which all other registers are measured 0...0; they are for tests, drawings
and export, since the apparatus itself needs the mean over the samples alone.
"""

from __future__ import annotations

import math

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, prepare_state
from bitket.quantum.learning.federated.chip import FixedDesignChip
from bitket.quantum.learning.federated.operator_model import Samples

__all__ = ["error_circuit", "kept_amplitudes", "overlap_circuit"]


def _index_bits(samples: Samples) -> int:
    bits = (len(samples) - 1).bit_length()
    if len(samples) != 1 << bits:
        raise InvalidInput(f"a circuit for {len(samples)} samples: a power of two of them is needed")
    return bits


def error_circuit(chip: FixedDesignChip, samples: Samples, reference: float) -> tuple[Circuit, list[int], list[int]]:
    """The gradient of the operator model.

    Qubits: row register 0 to n - 1, column register n to 2n - 1, operation register 2n to 4n - 1, its flag 4n, the gradient's flag 4n + 1,
    then the index. The chip's gates are switched by the flag of the operation register.

    Returns
    -------
    circuit, received, kept
        Qubits that hold the server's state, and those that hold the gradient state at the end, lowest first; all others are kept in 0.

    Raises
    ------
    InvalidInput
        The number of samples is no power of two.
    """
    n, bits = chip.n, _index_bits(samples)
    row, column = list(range(n)), list(range(n, 2 * n))
    operation, flag, up = list(range(2 * n, 4 * n)), 4 * n, 4 * n + 1
    index = list(range(4 * n + 2, 4 * n + 2 + bits))
    c = Circuit(4 * n + 2 + bits, name="gradient")
    for q in index:
        c.h(q)
    c.ry(2 * math.atan2(math.sqrt(2), reference), up)  # cos b |0> + sin b |1>, cot b = rho/sqrt(2)
    for s, (d, y) in enumerate(zip(samples.states, samples.targets, strict=True)):
        # Controls: index = s, gradient's flag 1, and for the row the operation register's flag, 1 for data and 0 for the target.
        data = prepare_state(d)
        c = c.compose(data.control(bits + 2, s | 3 << bits), [*index, up, flag, *row])
        c = c.compose(prepare_state(y).control(bits + 2, s | 1 << bits), [*index, up, flag, *row])
        c = c.compose(data.control(bits + 1, s | 1 << bits), [*index, up, *column])
    for k in range(n):
        c.mcp(math.pi, [flag, operation[2 * k + 1]], row[k]).mcx([flag, operation[2 * k]], row[k])
    for q in operation:
        c.h(q)
    # With the gradient's flag the operation's one is kept in |-> (target minus output, a Z mends the sign), without it in |0>.
    c.ch(up, flag).cx(up, flag).z(up)
    for q in index:
        c.h(q)
    pairs = [q for k in range(n) for q in (row[k], column[k])]
    c = c.compose(chip.pairs().inverse(), pairs)
    for q in row:  # the reference is flat: |0>|+> after the pairs, the other half here
        c.x(up).ch(up, q).x(up)
    return c, [*operation, flag], [*pairs, up]


def overlap_circuit(chip: FixedDesignChip, samples: Samples, length: int) -> tuple[Circuit, list[int], list[int]]:
    """The gradient of the circuit model; ``length`` entries.

    Qubits: data 0 to n - 1, operation register n to 3n - 1, branch 3n, index register of entries, flag, then the index of samples.

    Returns
    -------
    circuit, received, kept
        As `error_circuit`.

    Raises
    ------
    InvalidInput
        The number of samples or the length is no power of two.
    """
    n, bits = chip.n, _index_bits(samples)
    if length < 2 or length & (length - 1):
        raise InvalidInput(f"a gradient of {length} entries: a power of two is needed")
    entries = (length - 1).bit_length()
    data, operation, branch = list(range(n)), list(range(n, 3 * n)), 3 * n
    entry = list(range(3 * n + 1, 3 * n + 1 + entries))
    flag = 3 * n + 1 + entries
    index = list(range(flag + 1, flag + 1 + bits))
    c = Circuit(flag + 1 + bits, name="overlap")
    for q in index:
        c.h(q)
    for s, (d, y) in enumerate(zip(samples.states, samples.targets, strict=True)):
        c = c.compose(prepare_state(d).control(bits, s) if bits else prepare_state(d), [*index, *data])
        if y < 0:  # the sign of the sample, under the flag
            sign = Circuit(1).p(math.pi, 0)
            c = c.compose(sign.control(bits, s) if bits else sign, [*index, flag])
    c = c.compose(chip.circuit(), [*data, *operation])
    for s, d in enumerate(samples.states):
        back = prepare_state(d).inverse()
        c = c.compose(back.control(bits, s) if bits else back, [*index, *data])
    c.h(branch).x(branch)
    for q in index:
        c.h(q)
    return c, [*operation, branch, *entry, flag], [*entry, flag]


def kept_amplitudes(circuit: Circuit, received: list[int], kept: list[int], state: np.ndarray) -> np.ndarray:
    """Unnormalised amplitudes of the kept register when the received one begins in a state: by the library's simulator."""
    from bitket.quantum.simulation import statevector

    whole = Circuit(circuit.num_qubits).compose(prepare_state(state), received).compose(circuit)
    final = statevector(whole).numpy()
    places = np.zeros(1 << len(kept), dtype=np.int64)
    for k, q in enumerate(kept):
        places |= (np.arange(len(places)) >> k & 1) << q
    return final[places]
