"""Quantum key distribution: BB84, Cascade and privacy amplification beside a plain loop and the simulator SeQUeNCe.

BB84 over 20 km at the paper's hardware, in pulses per second; Cascade on keys with errors, in key bits per second; a Toeplitz matrix that
halves a key, in key bits per second. SeQUeNCe (0.8.5) asks for another NumPy and for a desktop of notebooks and dashboards; it runs without:
``pip install --no-deps sequence gmpy2 qutip qutip-qip``. Where it cannot be imported its column says why. Its Cascade is run on its own
event kernel between two nodes, with keys handed in as its BB84 would.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import numpy as np

from benchmarks._sequence_qkd import peer_bb84, peer_cascade
from benchmarks._timing import interleaved
from bitket.algebra.gf2 import BitMatrix
from bitket.networks.photonics import Fibre
from bitket.networks.qkd.bb84 import Bb84
from bitket.networks.qkd.cascade import FRAME, PASSES, Cascade, first_block
from bitket.networks.qkd.privacy import toeplitz_hash, toeplitz_seed

LENGTH_M = 20_000.0


def _loop_bb84(pulses: int) -> float:
    """One pulse after another; the error rate."""
    fibre, period, dead = Fibre(LENGTH_M, polarisation_fidelity=0.94), 12_500, 40_000
    chance, empty = random.Random(0), float(np.exp(-0.1))
    ready = [-1, -1]
    sifted = errors = 0
    for pulse in range(pulses):
        bit, basis, measured = chance.getrandbits(1), chance.getrandbits(1), chance.getrandbits(1)
        photons, below = 0, chance.random()
        while below > empty:
            photons, below = photons + 1, below * chance.random()
        seen = set()
        for _ in range(photons):
            if chance.random() < fibre.transmission:
                kept = chance.random() < fibre.polarisation_fidelity
                outcome = bit if kept and basis == measured else chance.getrandbits(1)
                if chance.random() < 0.9 and pulse * period > ready[outcome]:
                    ready[outcome] = pulse * period + dead
                    seen.add(outcome)
        if seen and basis == measured:
            sifted += 1
            errors += (seen.pop() if len(seen) == 1 else chance.getrandbits(1)) != bit
    return errors / sifted


def _ours(alice: np.ndarray, bob: np.ndarray) -> Any:
    return Cascade().run(alice, bob, np.random.default_rng(0))


def _loop_cascade(alice: list[int], bob: list[int], error_rate: float) -> tuple[list[int], int]:
    """One frame after another, bit by bit, over lists; Bob's key and the number of parities given away."""
    disclosed, chance, bob = 0, random.Random(0), bob.copy()
    for first in range(0, len(alice), FRAME):
        theirs, mine = alice[first : first + FRAME], bob[first : first + FRAME]
        passes: list[tuple[list[list[int]], list[int]]] = []
        for number in range(PASSES):
            order, size = list(range(len(mine))), first_block(error_rate) << number
            if number:
                chance.shuffle(order)
            blocks = [order[k : k + size] for k in range(0, len(order), size)]
            block_of = [0] * len(order)
            for k, block in enumerate(blocks):
                for bit in block:
                    block_of[bit] = k
            passes.append((blocks, block_of))
            disclosed += len(blocks)
            waiting = [(number, k) for k in range(len(blocks))]
            while waiting:
                waiting.sort(reverse=True)
                which, k = waiting.pop()
                block = passes[which][0][k]
                if sum(theirs[bit] ^ mine[bit] for bit in block) % 2 == 0:
                    continue
                while len(block) > 1:
                    left = block[: len(block) // 2]
                    disclosed += 1
                    block = left if sum(theirs[b] ^ mine[b] for b in left) % 2 else block[len(block) // 2 :]
                mine[block[0]] ^= 1
                waiting += [(k, passes[k][1][block[0]]) for k in range(len(passes))]
        bob[first : first + FRAME] = mine
    return bob, disclosed


def _integers(bits: np.ndarray, seed: np.ndarray) -> list[int]:
    """The Toeplitz product row by row over Python's long integers, 30 bits a step."""
    rows = int("".join(map(str, seed[::-1].tolist())), 2)
    reversed_key = int("".join(map(str, bits.tolist())), 2)
    return [((rows >> row) & reversed_key).bit_count() & 1 for row in range(len(seed) - len(bits) + 1)]


def _packed(bits: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The Toeplitz product as a dense matrix over GF(2), 64 entries a word."""
    windows = np.lib.stride_tricks.sliding_window_view(seed, len(bits))[:, ::-1]
    return (BitMatrix.from_dense(windows) @ BitMatrix.from_dense(bits[:, None])).to_dense()[:, 0]


def _rates(work: dict[str, tuple[float, Any]], runs: int) -> dict[str, float]:
    """Amount of work per second of each; the functions are timed in turn."""
    times = interleaved({name: function for name, (_, function) in work.items()}, runs)
    return {name: amount / times[name] for name, (amount, _) in work.items()}


def _row(title: str, rates: dict[str, float], missing: str) -> dict[str, Any]:
    row: dict[str, Any] = {"work": title}
    for name in ("bitket", "plain loop", "SeQUeNCe", "packed matrix", "long integers"):
        if name in rates:
            row[f"{name}, 1/s"] = f"{rates[name]:.3g}"
            if name != "bitket":
                row[f"ratio to {name}"] = f"{rates['bitket'] / rates[name]:.3g}"
        elif name == "SeQUeNCe" and missing:
            row["SeQUeNCe, 1/s"] = missing
    return row


def run(quick: bool) -> list[dict[str, Any]]:
    runs, missing = 3 if quick else 5, ""
    try:
        import sequence.qkd.BB84  # noqa: F401
    except ImportError as error:
        missing = f"absent ({error.name})"
    rows = []
    link = Bb84(Fibre(LENGTH_M, polarisation_fidelity=0.94))
    pulses = link.run(2_000_000, np.random.default_rng(0)).pulses
    work: dict[str, tuple[float, Any]] = {
        "bitket": (pulses, lambda: link.run(2_000_000, np.random.default_rng(0))),
        "plain loop": (200_000, lambda: _loop_bb84(200_000)),
    }
    if not missing:
        work["SeQUeNCe"] = (0.002 * 80e6, partial(peer_bb84, LENGTH_M, 0.94, 1000, 10**6, 0, 0.002))
    rows.append(_row("BB84, 20 km: pulses", _rates(work, runs), missing))
    for error_rate in (0.01, 0.05) if quick else (0.01, 0.03, 0.05):
        generator = np.random.default_rng(1)
        bits = 10_000 + 100 * FRAME
        alice = generator.integers(0, 2, bits, dtype=np.uint8)
        bob = alice ^ (generator.random(bits) < error_rate).astype(np.uint8)
        few = 10_000 + 2 * FRAME
        lists = alice[:few].tolist(), bob[:few].tolist()
        work = {
            "bitket": (bits, partial(_ours, alice, bob)),
            "plain loop": (few, partial(_loop_cascade, *lists, error_rate)),
        }
        if not missing:
            work["SeQUeNCe"] = (few, partial(peer_cascade, alice[:few], bob[:few]))
        rows.append(_row(f"Cascade, {error_rate:.0%} errors: bits", _rates(work, runs), missing))
    for bits in (10_000, 1_000_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000):
        generator = np.random.default_rng(2)
        key, seed = generator.integers(0, 2, bits, dtype=np.uint8), toeplitz_seed(bits, bits // 2, generator)
        work = {"bitket": (bits, partial(toeplitz_hash, key, seed))}
        if bits <= 10_000:
            work["packed matrix"] = (bits, partial(_packed, key, seed))
        if bits <= 100_000:
            work["long integers"] = (bits, partial(_integers, key, seed))
        rows.append(_row(f"Toeplitz, {bits:.0e} bits to half: bits", _rates(work, runs), ""))
    return rows
