"""A CSS code as a memory under circuit noise: syndrome circuits for Stim, and the logical error rate with a decoder.

Each round resets an ancilla for every check, plays the CX gates of the X checks, then of the Z checks, in layers that touch each qubit once
(an edge colouring of the Tanner graph), and measures the ancillas. With noise p: depolarising channels after every gate and on idle
qubits of a layer, flips of resets and measurements. Qubits begin and end in the Z basis; the observables are the k logical Z.
Decoders: minimum-weight matching (surface codes) and belief propagation with ordered statistics (any code).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import networkx as nx
import numpy as np

from bitket.errors import InvalidInput, MissingExtra
from bitket.quantum.codes.code import CssCode

__all__ = ["LogicalErrors", "logical_error_rate", "memory_circuit"]


@dataclass(frozen=True)
class LogicalErrors:
    """Shots in which any observable was decoded wrongly."""

    shots: int
    errors: int

    @property
    def rate(self) -> float:
        """Errors a shot."""
        return self.errors / self.shots

    def __str__(self) -> str:
        return f"{self.rate:.3g} ± {self.standard_error:.2g} ({self.errors} of {self.shots} shots)"

    @property
    def standard_error(self) -> float:
        """Of the rate, with one error more and one success more than seen, so that it is not 0."""
        p = (self.errors + 1) / (self.shots + 2)
        return float(np.sqrt(p * (1 - p) / self.shots))


def _layers(checks: np.ndarray) -> list[list[tuple[int, int]]]:
    """Pairs (check, qubit) in matchings: as many as the greatest degree (König), by repeated maximum matching of the heaviest nodes."""
    rows, n = checks.shape
    graph = nx.Graph((("c", int(c)), ("q", int(q))) for c, q in np.argwhere(checks))
    layers = []
    while graph.number_of_edges():
        # A matching that covers all nodes of greatest degree lowers the degree; weights prefer them.
        top = max(dict(graph.degree).values())
        for a, b in graph.edges:
            graph[a][b]["weight"] = 1 + (2 * rows + 2 * n) * ((graph.degree[a] == top) + (graph.degree[b] == top))
        matching = nx.max_weight_matching(graph)
        layer = sorted((a[1], b[1]) if a[0] == "c" else (b[1], a[1]) for a, b in matching)
        layers.append(layer)
        graph.remove_edges_from((("c", c), ("q", q)) for c, q in layer)
    return layers


def memory_circuit(code: CssCode, rounds: int, p: float = 0.0) -> str:
    """The experiment in Stim's language: qubits 0 ... n - 1 hold the code, the ancillas of X and then Z checks follow.

    Raises
    ------
    InvalidInput
        Less than one round, p outside [0, 0.5], or k = 0.
    """
    if rounds < 1 or not 0 <= p <= 0.5:
        raise InvalidInput(
            f"memory of {rounds} rounds with noise {p}: at least one round and noise of 0 to 0.5 are needed"
        )
    if code.k == 0:
        raise InvalidInput("memory of a code with k = 0: k >= 1 is needed")
    n, rx, rz = code.n, len(code.x_checks), len(code.z_checks)
    x, z = list(range(n, n + rx)), list(range(n + rx, n + rx + rz))
    every = list(range(n + rx + rz))

    def on(qubits: Sequence[int]) -> str:
        return " ".join(map(str, qubits))

    lines = [f"R {on(range(n))}"]
    if p:
        lines.append(f"X_ERROR({p}) {on(range(n))}")
    layers = [[(x[c], q) for c, q in layer] for layer in _layers(code.x_checks)]
    layers += [[(q, z[c]) for c, q in layer] for layer in _layers(code.z_checks)]
    body = [f"R {on(x + z)}"] + ([f"X_ERROR({p}) {on(x + z)}"] if p else [])
    body += [f"H {on(x)}"] + ([f"DEPOLARIZE1({p}) {on(x)}"] if p else [])
    for layer in layers:
        pairs = [q for pair in layer for q in pair]
        body.append(f"CX {on(pairs)}")
        if p:
            idle = sorted(set(every) - set(pairs))
            body += [f"DEPOLARIZE2({p}) {on(pairs)}", f"DEPOLARIZE1({p}) {on(idle)}"]
    body += [f"H {on(x)}"] + ([f"DEPOLARIZE1({p}) {on(x)}", f"X_ERROR({p}) {on(x + z)}"] if p else [])
    body.append(f"M {on(x + z)}")
    m = rx + rz
    lines += body
    lines += [f"DETECTOR rec[{k - rz}]" for k in range(rz)]  # X checks are random at first
    if rounds > 1:
        detectors = [f"DETECTOR rec[{k - m}] rec[{k - 2 * m}]" for k in range(m)]
        lines += [f"REPEAT {rounds - 1} {{", *(f"    {line}" for line in body + detectors), "}"]
    if p:
        lines.append(f"X_ERROR({p}) {on(range(n))}")
    lines.append(f"M {on(range(n))}")
    for k, check in enumerate(code.z_checks):
        seen = " ".join(f"rec[{q - n}]" for q in np.flatnonzero(check))
        lines.append(f"DETECTOR {seen} rec[{k - rz - n}]")
    for k, operator in enumerate(code.logical_z.to_dense()):
        lines.append(f"OBSERVABLE_INCLUDE({k}) " + " ".join(f"rec[{q - n}]" for q in np.flatnonzero(operator)))
    return "\n".join(line for line in lines if not line.endswith(") ")) + "\n"


def logical_error_rate(
    code: CssCode, p: float, rounds: int, shots: int, seed: int = 0, decoder: Literal["bp-osd", "matching"] = "bp-osd"
) -> LogicalErrors:
    """Sample the memory under noise p and decode it.

    Raises
    ------
    MissingExtra
        stim or the decoder is not installed.
    InvalidInput
        As for `memory_circuit`; no shot; or a code that matching cannot decode.
    """
    if shots < 1:
        raise InvalidInput(f"{shots} shots: at least one is needed")
    try:
        import stim
    except ImportError:
        raise MissingExtra("logical error rates need Stim and decoders: pip install 'bitket[codes]'") from None
    circuit = stim.Circuit(memory_circuit(code, rounds, p))
    detectors, observables = circuit.compile_detector_sampler(seed=seed).sample(shots, separate_observables=True)
    if decoder == "matching":
        guess = _matching(circuit, detectors)
    elif decoder == "bp-osd":
        guess = _bp_osd(circuit, detectors)
    else:
        raise InvalidInput(f"decoder '{decoder}': there are bp-osd and matching")
    return LogicalErrors(shots, int((guess != observables).any(axis=1).sum()))


def _matching(circuit: Any, detectors: np.ndarray) -> np.ndarray:
    try:
        import pymatching
    except ImportError:
        raise MissingExtra("decoding by matching needs pymatching: pip install 'bitket[codes]'") from None
    try:
        model = circuit.detector_error_model(decompose_errors=True)
    except ValueError:
        raise InvalidInput(
            "decoding by matching: an error of this code flips more than two checks of a kind; use bp-osd"
        ) from None
    return pymatching.Matching.from_detector_error_model(model).decode_batch(detectors).astype(bool)


def _bp_osd(circuit: Any, detectors: np.ndarray) -> np.ndarray:
    try:
        from ldpc import BpOsdDecoder
    except ImportError:
        raise MissingExtra("decoding by belief propagation needs ldpc: pip install 'bitket[codes]'") from None
    from scipy.sparse import csc_matrix

    model = circuit.detector_error_model(decompose_errors=False).flattened()
    chances: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
    for error in model:
        if error.type != "error":
            continue
        targets = error.targets_copy()
        key = (
            tuple(sorted(t.val for t in targets if t.is_relative_detector_id())),
            tuple(sorted(t.val for t in targets if t.is_logical_observable_id())),
        )
        q, r = error.args_copy()[0], chances.get(key, 0.0)
        chances[key] = q * (1 - r) + r * (1 - q)
    columns = list(chances)

    def matrix(part: int, rows: int) -> csc_matrix:
        entries = [(r, c) for c, key in enumerate(columns) for r in key[part]]
        r, c = zip(*entries, strict=True) if entries else ((), ())
        return csc_matrix((np.ones(len(entries), np.uint8), (r, c)), shape=(rows, len(columns)))

    checks, effects = matrix(0, model.num_detectors), matrix(1, model.num_observables)
    decoder = BpOsdDecoder(
        checks,
        error_channel=[chances[key] for key in columns],
        max_iter=30,
        bp_method="minimum_sum",
        ms_scaling_factor=0.625,
        osd_method="osd_0",
    )
    out = np.zeros((len(detectors), model.num_observables), bool)
    for k, shot in enumerate(detectors):
        out[k] = effects @ decoder.decode(shot.astype(np.uint8)) % 2
    return out
