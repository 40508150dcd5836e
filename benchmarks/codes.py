"""Codes: words of an enumeration a second, distances beside ldpc, steps of the search's environment a second.

The peer enumerates the same kernel (``ldpc.code_util.compute_exact_code_distance``). Quantum distances have no peer that is light
enough to install (qldpc brings cvxpy and its solvers, codedistance brings Gurobi), so an integer program in HiGHS stands beside them.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._timing import interleaved, seconds
from bitket.algebra import BitMatrix, codewords
from bitket.errors import InvalidInput
from bitket.quantum.codes import (
    BIVARIATE_BICYCLES,
    ClassicalCode,
    CssCode,
    TannerEnv,
    bivariate_bicycle,
    dense_code,
    hypergraph_product,
    named_code,
)
from bitket.quantum.codes.annealing import random_walk
from bitket.quantum.codes.reduce import Search
from bitket.quantum.codes.seeds import extended


def enumeration(runs: int) -> list[dict[str, Any]]:
    rows = []
    for code in (extended(named_code("quadratic_residue-47")), named_code("quadratic_residue-47")):
        words = code.generator.words
        t = seconds(lambda w=words, n=code.n: codewords.enumerate_span(w, 0, n + 1), runs)
        rows.append(
            {"what": f"all words of [{code.n}, {code.k}]", "who": "C++", "ms": 1e3 * t, "words/s": 2.0**code.k / t}
        )
    words = named_code("bch-5-2").generator.words[:18]
    t = seconds(lambda: codewords._enumerate_twin(words, 0, 32), 3)
    return [*rows, {"what": "2^18 words", "who": "NumPy twin", "ms": 1e3 * t, "words/s": 2.0**18 / t}]


def beside_ldpc(runs: int) -> list[dict[str, Any]]:
    code = named_code("golay")
    functions = {"bitket": lambda: ClassicalCode(code.checks).distance(method="enumeration")}
    try:
        from ldpc.code_util import compute_exact_code_distance

        functions["ldpc"] = lambda: compute_exact_code_distance(code.checks)
    except ImportError as error:
        return [{"what": "distance of [23, 12, 7]", "who": "ldpc", "note": f"cannot be imported: {error}"}]
    times = interleaved(functions, runs)
    return [
        {"what": "distance of [23, 12, 7]", "who": who, "ms": 1e3 * t, "times ours": t / times["bitket"]}
        for who, t in times.items()
    ]


def quantum_distances(quick: bool) -> list[dict[str, Any]]:
    rows = []
    names = ("[[72,12,6]]",) if quick else ("[[72,12,6]]", "[[90,8,10]]", "[[108,8,10]]", "[[144,12,12]]")
    for name in names:
        begin = time.perf_counter()
        found = bivariate_bicycle(*BIVARIATE_BICYCLES[name]).distance()
        rows.append(
            {"what": f"distance of {name}: {found}", "who": found.method, "ms": 1e3 * (time.perf_counter() - begin)}
        )
    code = hypergraph_product(named_code("golay"))
    begin = time.perf_counter()
    found = code.distance(method="information sets", trials=100)
    rows.append({"what": f"[[650,144,7]]: {found}", "who": found.method, "ms": 1e3 * (time.perf_counter() - begin)})
    return rows


def exact_ways() -> list[dict[str, Any]]:
    """High rates, dense checks: each way alone, beside the one that is taken."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (30, 100), dtype=np.uint8)
    kernel = BitMatrix.from_dense(x).kernel().to_dense()
    dense = CssCode(x, rng.integers(0, 2, (30, len(kernel)), dtype=np.uint8) @ kernel % 2)
    rows = []
    for what, code in (
        ("BCH [127, 106, 7]", named_code("bch-7-3")),
        ("BCH [127, 99, 9]", named_code("bch-7-4")),
        ("quadratic residue [71, 36, 11]", named_code("quadratic_residue-71")),
        ("random CSS, dense checks, [[100, 40]]", dense),
        ("bivariate bicycle [[72, 12, 6]]", bivariate_bicycle(*BIVARIATE_BICYCLES["[[72,12,6]]"])),
    ):
        times = {}
        for way in ("auto", "brouwer-zimmermann", "clusters", "meet in the middle"):
            begin = time.perf_counter()
            try:
                found = code.distance(method=way)
            except InvalidInput as error:
                rows.append({"what": what, "who": way, "note": str(error)})
                continue
            times[way] = time.perf_counter() - begin
            rows.append(
                {"what": what, "who": way, "d": str(found), "by": found.method, "ms": 1e3 * times[way],
                 "times auto": times[way] / times["auto"]}
            )  # fmt: skip
    return rows


def environment(steps: int) -> list[dict[str, Any]]:
    """Steps without and with the distance after every edit, and of an agent that learns from them."""
    code, rows = dense_code(16, 4, 7, np.random.default_rng(0)), []
    for look_ahead in (False, True):
        env = TannerEnv(code, look_ahead=look_ahead)
        t = seconds(lambda e=env: random_walk(e, steps, np.random.default_rng(1)), 3)
        rows.append({"who": "random allowed steps, look-ahead" if look_ahead else "random allowed steps", "t": t})
    search = Search(code, 6, None, 0)
    t = seconds(search.update, 3)
    learned = search.settings.steps * len(search.envs)
    return [
        {
            "what": "environment, n = 16, k = 4",
            "who": row["who"],
            "ms": 1e3 * row["t"],
            "steps/s": steps / row["t"],
        }
        for row in rows
    ] + [{"what": "environment, n = 16, k = 4", "who": "an update of PPO", "ms": 1e3 * t, "steps/s": learned / t}]


def run(quick: bool) -> list[dict[str, Any]]:
    runs = 3 if quick else 11
    distances = quantum_distances(quick) + ([] if quick else exact_ways())
    return enumeration(runs) + beside_ldpc(runs) + distances + environment(2_000 if quick else 20_000)
