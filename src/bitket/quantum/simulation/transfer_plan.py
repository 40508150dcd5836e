"""Plans of Pauli-transfer programs for the compiled core (see `transfer`): maps are fused into blocks, blocks gathered into stages.

A *block* acts on two digits: a map on each of them (all that one qubit met since its last block: rotations, gates, noise), then a signed
permutation with a scale for each component (CX and its depolarising noise), or a full 16 x 16 matrix. Work is left out at both ends:

- a qubit joins the vector as a factor (v_I, v_X, v_Y, v_Z) when its first block comes, so 4^k counts only the k qubits entangled so far;
- the observable is taken back through the permutations at the end, term by term; maps behind which no term looks are dropped, and a
  qubit leaves the vector after its last block if all terms have I there.

So the sizes are those of the light cones, and a walk in the Heisenberg picture, whose vector would span the same qubits at the same
time but starts from many terms instead of a product, is never smaller.

A *stage* brings digits into the order its blocks need. Lanes of a register are samples of a batch, or, for a single sample, the
components of two qubits that the stage's blocks leave alone: every operation is then one on whole registers.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.quantum.circuits.gates import GATES
from bitket.quantum.simulation.rotations import Turn
from bitket.quantum.simulation.transfer_maps import Map, transfer_matrix

__all__ = ["FEWEST", "Block", "Encoder", "Fused", "Stage", "fuse", "stages"]

Matrix = NDArray[np.float64]
Factor = Matrix | tuple[int, int, float]
"""A constant matrix, or a rotation (axis X, Y, Z = 1, 2, 3; slot or -1; factor) by factor times the slot's angle, or by factor."""

_EYE: Matrix = np.eye(4)
_PAIRS = {1: (2, 3), 2: (3, 1), 3: (1, 2)}  # components p, q that a rotation turns: p' = c p - s q, q' = s p + c q
_CX = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]], dtype=complex)  # control is the low qubit
_TO_Z = {"X": GATES["h"].matrix(), "Y": GATES["rx"].matrix(np.pi / 2)}  # C with C P C† = Z


@dataclass(eq=False)
class Block:
    """``matrix (second ⊗ first)`` on the digits ``(low, high)`` of two qubits; ``first`` and ``second`` are factors in order of time."""

    qubits: tuple[int, int]
    matrix: Matrix
    ones: tuple[list[Factor], list[Factor]]

    @property
    def dense(self) -> bool:
        """Whether the matrix is more than a permutation with scales."""
        return not _monomial(self.matrix)


@dataclass(eq=False)
class Fused:
    """A program and its observables for one walk: ``starts`` are the maps each qubit meets before its first block."""

    blocks: list[Block]
    starts: dict[int, list[Factor]]
    terms: list[tuple[dict[int, int], int, float]]
    """Letters other than I by qubit, observable, coefficient."""


def _monomial(matrix: Matrix) -> bool:
    there = matrix != 0
    return bool((there.sum(0) <= 1).all() and (there.sum(1) <= 1).all())


def _lift(matrix: Matrix, place: int) -> Matrix:
    return np.asarray(np.kron(_EYE, matrix) if place == 0 else np.kron(matrix, _EYE), dtype=np.float64)


def _swapped(matrix: Matrix) -> Matrix:
    return matrix.reshape(4, 4, 4, 4).transpose(1, 0, 3, 2).reshape(16, 16)


class _Builder:
    def __init__(self, num_qubits: int) -> None:
        self.blocks: list[Block] = []
        self.last: list[Block | None] = [None] * num_qubits
        self.pending: list[list[Factor]] = [[] for _ in range(num_qubits)]

    def one(self, q: int, matrix: Matrix) -> None:
        """A constant map on one qubit: into what waits, into its last block if that stays as simple as it is, or to wait."""
        waiting, last = self.pending[q], self.last[q]
        if waiting and isinstance(waiting[-1], np.ndarray):
            waiting[-1] = matrix @ waiting[-1]
        elif not waiting and last is not None and (_monomial(matrix) or last.dense):
            last.matrix = _lift(matrix, last.qubits.index(q)) @ last.matrix
        else:
            waiting.append(matrix)

    def two(self, qubits: tuple[int, int], matrix: Matrix) -> None:
        """A constant map on two qubits: into the block before it, if that is on the same ones and nothing is between, or a new block."""
        a, b = qubits
        last = self.last[a]
        if last is not None and last is self.last[b] and not self.pending[a] and not self.pending[b]:
            last.matrix = (matrix if last.qubits == qubits else _swapped(matrix)) @ last.matrix
            return
        ones = (self.pending[a], self.pending[b])
        for place in (0, 1):
            first = ones[place][0] if len(ones[place]) == 1 else None
            if isinstance(first, np.ndarray):
                merged: Matrix = matrix @ _lift(first, place)
                if _monomial(merged) or not _monomial(matrix):
                    matrix = merged
                    ones[place].clear()
        block = Block(qubits, matrix, ones)
        self.blocks.append(block)
        for q in qubits:
            self.pending[q], self.last[q] = [], block

    def turn(self, t: Turn) -> None:
        """A rotation; about several letters, as one about Z between CX gates."""
        letters = [
            (q, "XZY"[(t.x >> q & 1) + 2 * (t.z >> q & 1) - 1])
            for q in range(len(self.pending))
            if (t.x | t.z) >> q & 1
        ]
        if len(letters) == 1:
            self.pending[letters[0][0]].append((" XYZ".index(letters[0][1]), t.slot, t.factor))
            return
        turns = [(q, _TO_Z[p]) for q, p in letters if p != "Z"]
        chain = [(a, b) for (a, _), (b, _) in itertools.pairwise(letters)]
        cx = transfer_matrix(_CX[None])
        for q, to_z in turns:
            self.one(q, transfer_matrix(to_z[None]))
        for pair in chain:
            self.two(pair, cx)
        self.pending[letters[-1][0]].append((3, t.slot, t.factor))
        for pair in reversed(chain):
            self.two(pair, cx)
        for q, to_z in turns:
            self.one(q, transfer_matrix(to_z[None]).T)


def fuse(maps: Sequence[Map | Turn], num_qubits: int, observables: Sequence[PauliSum]) -> Fused:
    """Blocks, starts and what is left of the observables."""
    builder = _Builder(num_qubits)
    for m in maps:
        if isinstance(m, Turn):
            builder.turn(m)
        elif len(m.qubits) == 1:
            builder.one(m.qubits[0], m.matrix)
        else:
            builder.two((m.qubits[0], m.qubits[1]), m.matrix)
    terms = _Terms(observables, num_qubits)
    blocks, pending = builder.blocks, builder.pending
    kept: list[Block] = []
    busy: set[int] = set()
    for q in range(num_qubits):
        terms.strip(q, pending[q])
    for block in reversed(blocks):
        a, b = block.qubits
        if a in busy or b in busy or pending[a] or pending[b] or (block.dense and terms.looks(block.qubits)):
            kept.append(block)
            busy |= {a, b}
        else:
            terms.pull(block.matrix, block.qubits)
            for q, factors in zip(block.qubits, block.ones, strict=True):
                pending[q] = factors
                terms.strip(q, factors)
    kept.reverse()
    starts: dict[int, list[Factor]] = {}
    for block in kept:
        for place, q in enumerate(block.qubits):
            if q not in starts:
                starts[q] = list(block.ones[place])
                block.ones[place].clear()
    left = [q for q in range(num_qubits) if pending[q] and q in starts]
    for a, b in zip(left[::2], left[1::2], strict=False):
        kept.append(Block((a, b), np.eye(16), (pending[a], pending[b])))
    if len(left) % 2:
        other = next(q for q in starts if q != left[-1])
        kept.append(Block((left[-1], other), np.eye(16), (pending[left[-1]], [])))
    found = terms.collected()
    for letters, _, _ in found:
        for q in letters:
            starts.setdefault(q, pending[q])
    return Fused(kept, starts, found)


class _Terms:
    """Observables as letters ``[terms, n]`` with coefficients, taken back through maps."""

    def __init__(self, observables: Sequence[PauliSum], n: int) -> None:
        rows, self.targets, coefficients = [], [], []
        for target, o in enumerate(observables):
            for c, x, z in o.simplify(0.0).masks():
                rows.append([(0, 1, 3, 2)[(x >> q & 1) + 2 * (z >> q & 1)] for q in range(n)])
                self.targets.append(target)
                coefficients.append(c.real)
        self.letters = np.array(rows, dtype=np.int64).reshape(-1, n)
        self.coefficients = np.array(coefficients, dtype=float)

    def looks(self, qubits: Iterable[int]) -> bool:
        """Whether a term has another letter than I on one of some qubits."""
        return bool(self.letters[:, list(qubits)].any())

    def pull(self, matrix: Matrix, qubits: tuple[int, ...]) -> None:
        """Through a permutation with scales: row P of the matrix has one entry, at Q, and <P> after is that entry times <Q> before."""
        at = sum(self.letters[:, q] * 4**k for k, q in enumerate(qubits))
        source = np.argmax(matrix != 0, axis=1)
        self.coefficients = self.coefficients * matrix[at, source[at]]
        for k, q in enumerate(qubits):
            self.letters[:, q] = source[at] >> 2 * k & 3

    def strip(self, q: int, factors: list[Factor]) -> None:
        """Removes factors from the end, as far as the terms pass through or do not see them."""
        while factors:
            last, seen = factors[-1], set(np.unique(self.letters[:, q]).tolist()) - {0}
            if isinstance(last, np.ndarray):
                if seen and not _monomial(last):
                    return
                if seen:
                    self.pull(last, (q,))
            elif seen - {last[0]}:
                return
            factors.pop()

    def collected(self) -> list[tuple[dict[int, int], int, float]]:
        """The terms, those that became equal joined."""
        sums: dict[tuple[int, ...], float] = {}
        for row, target, c in zip(self.letters.tolist(), self.targets, self.coefficients.tolist(), strict=True):
            sums[(target, *row)] = sums.get((target, *row), 0.0) + c
        return [({q: letter for q, letter in enumerate(key[1:]) if letter}, key[0], c) for key, c in sums.items() if c]


# -- stages -----------------------------------------------------------------------------------------------------------
FEWEST = 5
"""Qubits of a vector whose components fill the lanes: two in the lanes, two that take their place, and one for a block to act on."""


@dataclass(eq=False)
class Stage:
    """A run of blocks in one order of digits.

    Attributes
    ----------
    joins
        Qubits that join, as the highest digits of the order before.
    digits
        Qubit of each digit in the new order, lowest first (those of the lanes are not digits).
    lanes
        The two qubits in the lanes, or none.
    inner
        Number of lowest digits that make a tile: the blocks act on no others.
    """

    joins: list[int]
    digits: list[int]
    lanes: list[int]
    inner: int
    blocks: list[Block] = field(default_factory=list)


def stages(fused: Fused, single: bool, tile: int, most: int) -> list[Stage]:
    """The stages of a walk.

    Parameters
    ----------
    single
        Whether the lanes are components of two qubits; `FEWEST` qubits are needed at least. Else they are samples.
    tile
        Digits of a tile, at most, where ``single``.
    most
        Blocks of a stage, at most.
    """
    waiting = list(fused.blocks)
    alive = list(fused.starts)  # those that have not left
    seen = {q for letters, _, _ in fused.terms for q in letters}
    out: list[Stage] = []
    digits: list[int] = []
    lanes: list[int] = []
    while waiting or len(digits) + len(lanes) < len(alive) or not out:
        there = [*digits, *lanes]
        if single and waiting:
            inner, new_lanes, taken = _best(waiting, alive, lanes, tile, most)
        else:
            inner, taken = _greedy(waiting, [], set(there), len(alive), most)
            if waiting and not taken:
                inner, taken = _greedy(waiting, [], {*there, *waiting[0].qubits}, len(alive), most)
            new_lanes = lanes
        taken = _until_one_leaves(taken, waiting, seen | set(new_lanes))
        joins = [q for q in alive if q not in there and (not waiting or q in inner or q in new_lanes)]
        if not lanes:
            joins = [*new_lanes, *(q for q in joins if q not in new_lanes)]
        needed = seen.union(*(b.qubits for b in waiting))
        moved = [q for q in lanes if q not in new_lanes]
        left = [q for q in digits if q not in needed and q not in new_lanes]
        if single:
            left = left[: max(0, len(alive) - FEWEST)]
        alive = [q for q in alive if q not in left]
        kept = [q for q in [*digits, *joins] if q not in left and q not in new_lanes]
        if single:
            low = [*moved, *(q for q in kept if q in inner)]
            low += [q for q in kept if q not in low][: max(0, tile - len(low))]
            order, size = [*low, *(q for q in kept if q not in low)], len(low)
        else:
            order, size = kept, len(kept)
        out.append(Stage(joins, order, new_lanes, size, taken))
        chosen = {id(b) for b in taken}
        waiting = [b for b in waiting if id(b) not in chosen]
        digits, lanes = order, new_lanes
    return out


def _until_one_leaves(taken: list[Block], waiting: list[Block], kept: set[int]) -> list[Block]:
    """The first of the blocks taken, up to where a qubit can leave the vector, if two more blocks at least gain by that."""
    uses = Counter(q for b in waiting for q in b.qubits)
    for k, block in enumerate(taken):
        uses.subtract(block.qubits)
        if len(waiting) - k > 2 and any(not uses[q] and q not in kept for q in block.qubits):
            return taken[: k + 1]
    return taken


def _greedy(
    waiting: list[Block], seed: Sequence[int], allowed: set[int], room: int, most: int
) -> tuple[list[int], list[Block]]:
    """Blocks that can be taken now, in order, on at most ``room`` qubits among those allowed, and their qubits after the seed."""
    inner, blocked = list(seed), set[int]()
    taken: list[Block] = []
    for block in waiting:
        new = [q for q in block.qubits if q not in inner]
        if (
            len(taken) < most
            and len(inner) + len(new) <= room
            and allowed.issuperset(block.qubits)
            and not blocked.intersection(block.qubits)
        ):
            inner += new
            taken.append(block)
        else:
            blocked.update(block.qubits)
            if len(blocked) >= len(allowed):
                break
    return inner, taken


def _best(
    waiting: list[Block], alive: list[int], lanes: list[int], tile: int, most: int
) -> tuple[list[int], list[int], list[Block]]:
    """Tile, lanes and blocks of the next stage: the choice of lanes that lets most blocks through; the old ones where they are as good."""
    room = min(tile, len(alive) - 2)
    allowed = set(alive)
    best: tuple[list[int], list[int], list[Block]] | None = None
    if lanes:
        inner, taken = _greedy(waiting, [], allowed - set(lanes), room, most)
        best = (inner, lanes, taken)
    free = [q for q in alive if q not in lanes]
    for pair in itertools.combinations(free, 2):
        inner, taken = _greedy(waiting, lanes, allowed - set(pair), room, most)
        if best is None or len(taken) > len(best[2]):
            best = (inner, list(pair), taken)
    assert best is not None
    return best


# -- the core's encoding ----------------------------------------------------------------------------------------------
class Encoder:
    """A walk as the integers and numbers that the core reads (see native/transfer_bindings.cpp)."""

    def __init__(self, fused: Fused, walk: Sequence[Stage], single: bool, num_slots: int, num_targets: int) -> None:
        self.numbers: list[float] = []
        self.factors: list[int] = []
        self.ones: list[int] = []
        body: list[int] = [len(walk)]
        digits: list[int] = []
        lanes: list[int] = []
        for stage in walk:
            body += self.stage(stage, fused, digits, lanes, single)
            digits, lanes = stage.digits, stage.lanes
        place = {q: k for k, q in enumerate(digits)}
        body.append(len(fused.terms))
        for letters, target, c in fused.terms:
            index = sum(letter << 2 * place[q] for q, letter in letters.items() if q in place)
            lane = sum(letters.get(q, 0) << 2 * k for k, q in enumerate(lanes))
            body += [index, lane, target, self.number([c])]
        head = [int(single), num_slots, num_targets]
        lists = [len(self.factors) // 3, *self.factors, len(self.ones) // 4, *self.ones]
        self.code = np.array([*head, *lists, *body], dtype=np.int64)

    def number(self, values: Iterable[float]) -> int:
        """Where numbers are put."""
        at = len(self.numbers)
        self.numbers.extend(values)
        return at

    def one(self, factors: list[Factor], *, always: bool = False) -> int:
        """The number of a map on one digit; -1 for the identity unless it is asked for."""
        if not factors and not always:
            return -1
        steps: list[int | bytes] = []
        turns, first = False, len(self.factors) // 3
        for f in factors:
            if isinstance(f, np.ndarray):
                steps.append((f != 0).tobytes())
                self.factors += [0, -1, self.number(f.ravel().tolist())]
            else:
                axis, slot, value = f
                steps.append(axis)
                turns |= slot >= 0
                self.factors += [axis, slot, self.number([value])]
        self.ones += [_kind(tuple(steps)), first, len(self.factors) // 3, int(turns)]
        return len(self.ones) // 4 - 1

    def stage(self, stage: Stage, fused: Fused, digits: list[int], lanes: list[int], single: bool) -> list[int]:
        """A stage behind one with the given digits and lanes."""
        joining = stage.joins if lanes or not single else [q for q in stage.joins if q not in stage.lanes]
        before = [*digits, *joining]
        moved = bool(lanes) and lanes != stage.lanes
        mode = 2 if moved else int(before != stage.digits)
        code = [len(before), mode, len(stage.digits), stage.inner]
        code += [before.index(q) if q in before else -1 for q in stage.digits]
        code += [before.index(q) if moved else 0 for q in stage.lanes] or [0, 0]
        place = {q: k for k, q in enumerate(stage.digits)} | {q: -1 - k for k, q in enumerate(stage.lanes)}
        code.append(len(stage.joins))
        for q in stage.joins:
            code += [self.one(fused.starts[q], always=True), place[q]]
        code.append(len(stage.blocks))
        for block in stage.blocks:
            (a, b), (first, second), matrix = block.qubits, block.ones, block.matrix
            if first and not second:  # scales cost nothing where the second digit has a map
                a, b, first, second, matrix = b, a, second, first, _swapped(matrix)
            code += [place[a], place[b], self.one(first), self.one(second)]
            if _monomial(matrix):
                to, scales = _permutation(matrix)
                code += [*to, self.number(scales), -1]
            else:
                code += [*range(16), self.number([1.0] * 16), self.number(matrix.ravel().tolist())]
        return code


@lru_cache(4096)
def _kind(steps: tuple[int | bytes, ...]) -> int:
    """What a product of maps on one digit mixes, from the axes of rotations and from where matrices are not zero: all but I and the letter 1,
    2 or 3; 4: all but I; 5: I, too."""
    pattern = np.eye(4, dtype=int)
    for at in steps:
        step = np.frombuffer(at, bool).reshape(4, 4).astype(int) if isinstance(at, bytes) else np.eye(4, dtype=int)
        if isinstance(at, int):
            step[np.ix_(_PAIRS[at], _PAIRS[at])] = 1
        pattern = np.minimum(step @ pattern, 1)
    if pattern[1:, 0].any():
        return 5
    alone = [k for k in (1, 2, 3) if max(pattern[k].sum(), pattern[:, k].sum()) <= pattern[k, k]]
    return alone[-1] if alone else 4


def _permutation(matrix: Matrix) -> tuple[list[int], list[float]]:
    """Where each component goes and times what; those that vanish fill the places left."""
    to = np.where((matrix != 0).any(0), np.argmax(matrix != 0, axis=0), -1)
    scales = [float(matrix[row, k]) if row >= 0 else 0.0 for k, row in enumerate(to)]
    rest = iter(sorted(set(range(16)) - set(to.tolist())))
    return [int(row) if row >= 0 else next(rest) for row in to], scales
