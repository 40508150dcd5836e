"""Shots: counts of measured bits, with noise, mid-circuit measurements, resets and conditions.

Circuits that only measure at the end are sampled from their final probabilities. All others run as *branches*: a set of pure
states, each with its classical bits and the number of shots that took its path. A measurement splits a branch by a binomial draw, a
channel by a multinomial draw over its Kraus operators (quantum trajectories; Dalibard, Castin, Mølmer 1992), so that the work grows
with the number of different paths, never beyond the number of shots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import arrays, memory
from bitket.quantum.simulation.arrays import angles_of, density, readout, runs, squared, state
from bitket.quantum.simulation.final import split
from bitket.quantum.simulation.measured import constant_of, spread
from bitket.quantum.simulation.program import Channel, Measure, Noise, PauliRotation, Program, Reset, Unitary, lower

if TYPE_CHECKING:
    import torch

__all__ = ["Counts", "body_of", "drawn", "kind_of", "random_of", "sample"]

_RESET = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=complex)
_BLOCK = 1 << 12  # basis states
_DENSITY_QUBITS = 8  # up to here a density matrix is cheaper than trajectories at customary numbers of shots


class Counts(Mapping[str, int]):
    """How often each bit string was measured; the rightmost character is classical bit 0. Most frequent first."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def __getitem__(self, key: str) -> int:
        return self._counts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def shots(self) -> int:
        """Total number of shots."""
        return sum(self._counts.values())

    def probabilities(self) -> dict[str, float]:
        """Relative frequencies."""
        return {key: value / self.shots for key, value in self._counts.items()}

    def expectation(self, operator: PauliSum) -> tuple[float, float]:
        """Estimate and standard error of an operator of I and Z on the measured bits; see `measured.spread`.

        Raises
        ------
        InvalidInput
            The operator has X or Y, or is on another number of bits.
        """
        width = len(next(iter(self._counts)))
        if not operator.is_diagonal() or operator.num_qubits != width:
            raise InvalidInput(f"counts of {width} bits: an operator of I and Z on {width} qubits is needed")
        bits = [int(key, 2) for key in self]  # of any number
        terms = ((c.real, np.array([(-1.0) ** (b & z).bit_count() for b in bits])) for c, _, z in operator.masks() if z)
        mean, variance, least = spread(terms, np.array(list(self.values())))
        return constant_of(operator) + mean, max(variance, least) ** 0.5

    def __repr__(self) -> str:
        return f"Counts({self._counts})"


def sample(
    circuit: Circuit,
    shots: int,
    weights: Any = None,
    inputs: Any = None,
    *,
    noise: Noise | None = None,
    generator: torch.Generator | np.random.Generator,
    dtype: Any = np.float64,
) -> Counts:
    """Run a circuit ``shots`` times and count the classical bits.

    A circuit without any measurement has all its qubits measured at the end, qubit i into bit i.

    Parameters
    ----------
    weights, inputs
        ``[number of weights]``, ``[number of inputs]``: one sample.
    noise
        Noise model, readout errors included.
    generator
        Source of the shots, of torch or NumPy.
    dtype
        Real precision, torch's or NumPy's.

    Raises
    ------
    InvalidInput
        The number of shots is not positive; weights or inputs are batched or do not fit.
    NotEnoughMemory
        The states do not fit.
    """
    if int(shots) != shots or shots < 1:
        raise InvalidInput(f"shots {shots}: a positive whole number is needed")
    num_clbits, everything = circuit.num_clbits, {q: q for q in range(circuit.num_qubits)}
    measured = circuit._others and any(i.name == "measure" for i in circuit)
    if not measured:
        num_clbits = max(num_clbits, circuit.num_qubits)
        if circuit._others or noise is not None:
            circuit = circuit.copy().measure_all()
    kind, (body, final) = kind_of(dtype), body_of(circuit, noise)
    angles, random = angles_of(body, weights, inputs), random_of(generator)
    if final is not None and (noise is None or body.num_qubits <= _DENSITY_QUBITS):
        p = _final_probabilities(body, angles, kind, noise)
        return _gather(*drawn(p, int(shots), random), final or everything, num_clbits)
    program = lower(circuit, noise)
    way: Any = arrays
    if random is not generator:
        from bitket.quantum.simulation import tensors as way
    return _branches(program, angles, int(shots), kind, noise, random, way)


def kind_of(dtype: Any) -> np.dtype[Any]:
    """The complex type of a real precision, torch's or NumPy's."""
    name = str(np.dtype(dtype)) if not str(dtype).startswith("torch.") else str(dtype).removeprefix("torch.")
    if name not in ("float32", "float64"):
        raise InvalidInput(f"precision {dtype}: float32 and float64 are supported")
    return np.dtype(np.complex64 if name == "float32" else np.complex128)


def random_of(generator: torch.Generator | np.random.Generator) -> np.random.Generator:
    """A generator of NumPy, seeded by torch's where that is given."""
    if isinstance(generator, np.random.Generator):
        return generator
    import torch

    return np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))


def body_of(circuit: Circuit, noise: Noise | None) -> tuple[Program, dict[int, int] | None]:
    """The program of a circuit without its measurements and the qubit of each classical bit, or None if something depends on an outcome."""
    if noise is not None:
        return _final_measurements(lower(circuit, noise))
    body, where = split(circuit)
    return (lower(body), where) if body.is_unitary else (lower(circuit), None)


def _final_measurements(program: Program) -> tuple[Program, dict[int, int] | None]:
    """The program without its measurements and the qubit of each classical bit, or None if something depends on an outcome."""
    where: dict[int, int] = {}
    body = []
    for op in program.ops:
        if isinstance(op, Measure) and op.condition is None:
            if op.qubit in where.values():
                return program, None
            where[op.clbit] = op.qubit
            continue
        touched = (
            set(op.qubits)
            if isinstance(op, Unitary | Channel)
            else {op.qubit}
            if isinstance(op, Reset | Measure)
            else set()
        )
        if isinstance(op, PauliRotation | Unitary):
            mask = op.control_mask | (op.x_mask | op.z_mask if isinstance(op, PauliRotation) else 0)
            touched |= {q for q in range(program.num_qubits) if mask >> q & 1}
        if op.condition is not None or isinstance(op, Reset) or touched & set(where.values()):
            return program, None
        body.append(op)
    return replace(program, ops=tuple(body), derived={}), where


def _final_probabilities(
    program: Program, angles: NDArray[np.float64], kind: np.dtype[Any], noise: Noise | None
) -> NDArray[Any]:
    if noise is not None:
        p = np.diagonal(density(program, angles, kind)).real.clip(0)
        return readout(p, noise)
    memory.require(
        memory.STATE * float(kind.itemsize << program.num_qubits), f"sampling from {program.num_qubits} qubits"
    )
    return squared(state(program, angles, kind) if runs(program) else _by_torch(program, angles, kind))


def _by_torch(program: Program, angles: NDArray[np.float64], kind: np.dtype[Any]) -> NDArray[Any]:
    """The state of a program that the core does not run."""
    import torch

    from bitket.quantum.simulation.states import zero_evolved

    with torch.no_grad():
        wanted = torch.complex64 if kind == np.complex64 else torch.complex128
        return zero_evolved(program, torch.from_numpy(angles), wanted).numpy()


def drawn(p: NDArray[Any], shots: int, random: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Basis states that were drawn and how often: first shots to blocks, then, within each block, to its states; no array of p's size."""
    blocks = p.reshape(-1, min(_BLOCK, len(p)))
    weights = blocks.sum(axis=1, dtype=np.float64)
    shares = random.multinomial(shots, weights / weights.sum())
    outcomes, counts = [], []
    for b in np.flatnonzero(shares):
        each = random.multinomial(shares[b], blocks[b].astype(np.float64) / weights[b])
        hit = np.flatnonzero(each)
        outcomes.append(hit + b * blocks.shape[1])
        counts.append(each[hit])
    return np.concatenate(outcomes), np.concatenate(counts)


def _gather(outcomes: NDArray[Any], counts: NDArray[Any], where: dict[int, int], num_clbits: int) -> Counts:
    """Counts of classical bits from counts of basis states."""
    bits = np.zeros_like(outcomes)
    for clbit, qubit in where.items():
        bits |= (outcomes >> qubit & 1) << clbit
    values, index = np.unique(bits, return_inverse=True)
    totals = np.bincount(index, counts).astype(np.int64)
    return Counts({format(int(v), f"0{num_clbits}b"): int(c) for v, c in zip(values, totals, strict=True)})


def _branches(
    program: Program,
    angles: NDArray[np.float64],
    shots: int,
    kind: np.dtype[Any],
    noise: Any,
    random: np.random.Generator,
    way: Any,
) -> Counts:
    """``way`` does the arithmetic of states: `arrays` or `tensors`."""
    n = program.num_qubits
    chunk = max(1, min(shots, (1 << 25) >> n))  # at most 32 Mi amplitudes at a time, however many shots
    memory.require(3.0 * min(chunk, shots) * (1 << n) * kind.itemsize, f"trajectories of {n} qubits")
    totals: dict[str, int] = {}
    for start in range(0, shots, chunk):
        part = _run_branches(program, angles, min(chunk, shots - start), kind, noise, random, way)
        for key, value in part.items():
            totals[key] = totals.get(key, 0) + value
    return Counts(totals)


def _run_branches(
    program: Program,
    angles: NDArray[np.float64],
    shots: int,
    kind: np.dtype[Any],
    noise: Any,
    random: np.random.Generator,
    way: Any,
) -> dict[str, int]:
    state = way.zero(program.num_qubits, kind)
    bits = np.zeros((1, max(program.num_clbits, 1)), dtype=bool)
    count = np.array([shots])
    for op in program.ops:
        rows = np.ones(len(count), dtype=bool)
        if op.condition is not None:
            values = bits[:, list(op.condition.clbits)] @ (1 << np.arange(len(op.condition.clbits)))
            rows = values == op.condition.value
            if not rows.any():
                continue
        acting, resting = (state, state[:0]) if rows.all() else (state[rows], state[~rows])
        acting_bits, acting_count = bits[rows], count[rows]
        if isinstance(op, PauliRotation):
            acting = way.apply_rotation(acting, op, float(angles[op.slot]))
        elif isinstance(op, Unitary):
            acting = way.apply_matrix(acting, op.matrix, op.qubits, op.control_mask, op.control_value)
        else:
            kraus = op.kraus if isinstance(op, Channel) else _RESET
            if isinstance(op, Measure):
                kraus = np.stack([np.diag([1, 0]), np.diag([0, 1])]).astype(complex)
            qubits = op.qubits if isinstance(op, Channel) else (op.qubit,)
            parts = [way.apply_matrix(acting, k, qubits) for k in kraus]
            weights = np.stack([way.squares(p) for p in parts], axis=-1)
            shared = random.multinomial(acting_count, weights / weights.sum(axis=-1, keepdims=True))
            states, new_bits, new_counts = [], [], []
            for k, part in enumerate(parts):
                hit = shared[:, k] > 0
                pure = way.scaled(part[hit], np.sqrt(weights[hit, k]))
                for reading, shares in _readings(op, k, shared[hit, k], noise, random):
                    kept = shares > 0
                    after = acting_bits[hit][kept]
                    if isinstance(op, Measure):
                        after[:, op.clbit] = reading
                    states.append(pure[kept])
                    new_bits.append(after)
                    new_counts.append(shares[kept])
            acting, acting_bits, acting_count = (
                way.joined(states),
                np.concatenate(new_bits),
                np.concatenate(new_counts),
            )
        state = way.joined([acting, resting]) if len(resting) else acting
        bits, count = np.concatenate([acting_bits, bits[~rows]]), np.concatenate([acting_count, count[~rows]])
    totals: dict[str, int] = {}
    for row, c in zip(bits[:, : program.num_clbits], count, strict=True):
        key = "".join("1" if b else "0" for b in row[::-1])
        totals[key] = totals.get(key, 0) + int(c)
    return totals


def _readings(
    op: Any, outcome: int, shares: NDArray[Any], noise: Any, random: np.random.Generator
) -> list[tuple[int, NDArray[Any]]]:
    """What a detector says of an outcome, and how many shots hear it: readout errors make some branches two."""
    confusion = noise.readout_matrix(op.qubit) if isinstance(op, Measure) and getattr(noise, "readout", None) else None
    if confusion is None:
        return [(outcome, shares)]
    wrong = random.binomial(shares, confusion[1 - outcome, outcome])
    return [(outcome, shares - wrong), (1 - outcome, wrong)]
