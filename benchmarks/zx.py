"""ZX-calculus: full reduction and extraction of random Clifford+T circuits beside pyzx, with the T-counts and two-qubit gates that result.

Half of the gates act on two qubits and a quarter are T. Both libraries start from the same circuit, as an object of their own: ``read``
makes the diagram, ``reduce`` simplifies it fully, ``extract`` makes a circuit of the reduced diagram. Times include the copy of the
diagram that each of them is given, because pyzx rewrites in place. Where pyzx cannot be imported its rows say why.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._timing import interleaved
from bitket.quantum.circuits import Circuit, ZXGraph

_THEIRS = {"h": "HAD", "s": "S", "t": "T", "cx": "CNOT", "cz": "CZ"}


def circuit(num_qubits: int, num_gates: int, seed: int) -> Circuit:
    rng = np.random.default_rng(seed)
    out = Circuit(num_qubits)
    for _ in range(num_gates):
        a, b = map(int, rng.permutation(num_qubits)[:2])
        if rng.random() < 0.5:
            (out.cx if rng.random() < 0.5 else out.cz)(a, b)
        else:
            (out.t, out.t, out.s, out.h)[rng.integers(4)](a)
    return out


def two_qubit_gates(c: Circuit) -> int:
    count = c.count_ops()
    return count.get("cx", 0) + count.get("cz", 0) + 3 * count.get("swap", 0)


def ours(c: Circuit) -> tuple[dict[str, Any], dict[str, Any]]:
    diagram = ZXGraph.from_circuit(c)
    reduced = diagram.simplify()
    steps = {"read": lambda: ZXGraph.from_circuit(c), "reduce": diagram.simplify, "extract": reduced.extract}
    return steps, {"T-count": reduced.t_count, "2-qubit": two_qubit_gates(reduced.extract())}


def peer(c: Circuit) -> tuple[dict[str, Any], dict[str, Any]]:
    import pyzx

    theirs = pyzx.Circuit(c.num_qubits)
    for i in c:
        theirs.add_gate(_THEIRS[i.name], *i.qubits)
    diagram = theirs.to_graph()
    reduced = diagram.copy()
    pyzx.full_reduce(reduced)
    steps = {
        "read": theirs.to_graph,
        "reduce": lambda: pyzx.full_reduce(diagram.copy()),
        "extract": lambda: pyzx.extract_circuit(reduced.copy()),
    }
    extracted = pyzx.extract_circuit(reduced.copy()).to_basic_gates()
    return steps, {"T-count": pyzx.tcount(reduced), "2-qubit": extracted.twoqubitcount()}


def compare(num_qubits: int, num_gates: int, runs: int) -> list[dict[str, Any]]:
    c = circuit(num_qubits, num_gates, 1)
    made: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {"bitket": ours(c)}
    rows: list[dict[str, Any]] = []
    size = {"qubits": num_qubits, "gates": num_gates}
    try:
        made["pyzx"] = peer(c)
    except ImportError as error:
        rows.append({**size, "who": "pyzx", "note": f"pyzx cannot be imported: {error}"})
    for step in ("read", "reduce", "extract"):
        times = interleaved({who: steps[step] for who, (steps, _) in made.items()}, runs)
        for who, t in times.items():
            counts = made[who][1] if step == "extract" else {}
            rows.append({**size, "step": step, "who": who, "ms": 1e3 * t, "times ours": t / times["bitket"], **counts})
    return rows


def run(quick: bool) -> list[dict[str, Any]]:
    rows = [row for size in ((6, 100), (10, 300)) for row in compare(*size, 3 if quick else 11)]
    if not quick:
        rows += compare(20, 1000, 5)
        start = time.perf_counter()
        c = circuit(50, 10_000, 1)
        reduced = ZXGraph.from_circuit(c).simplify()
        extracted = reduced.extract()
        note = f"all three steps; {c.count_ops()['t']} T before"
        rows.append(
            {
                "qubits": 50,
                "gates": 10_000,
                "step": "all",
                "who": "bitket",
                "ms": 1e3 * (time.perf_counter() - start),
                "T-count": reduced.t_count,
                "2-qubit": two_qubit_gates(extracted),
                "note": note,
            }
        )
    return rows
