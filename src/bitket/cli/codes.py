"""``bitket codes``: check matrices in; parameters, products, or a code of lighter checks out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console
from bitket.cli.folders import require_writable
from bitket.cli.options import RANGES, Json, Search, choice, number
from bitket.errors import InvalidInput

__all__ = ["register"]

Budget = Annotated[int, number("words", help="Words to look at before a distance is only bounded.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    codes = typer.Typer(help="Error-correcting codes: parameters, products, lighter checks.", no_args_is_help=True)
    codes.command()(info)
    codes.command()(product)
    codes.command()(bicycle)
    codes.command()(reduce)
    app.add_typer(codes, name="codes")


def info(
    file: Annotated[
        Path,
        options.file(
            help="Check matrices or stabilisers: .npz, .npy, .alist, .mtx, or text (.txt, .csv, .dat, .stab)."
        ),
    ],
    budget: Budget = 2_000_000_000,
    as_json: Json = False,
) -> None:
    """Parameters of a code: n, k, d with how d was found, weights. Example: bitket codes info steane.npz"""
    from bitket.quantum.codes import read_code

    _print(_described(read_code(file), budget), as_json)


def product(
    first: Annotated[Path, options.file("A", help="Classical check matrix.")],
    second: Annotated[Path, options.file("B", help="Classical check matrix.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the product here.")] = None,
    budget: Budget = 2_000_000_000,
    as_json: Json = False,
) -> None:
    """The hypergraph product of two classical codes. Example: bitket codes product a.alist b.alist -o ab.npz"""
    from bitket.quantum.codes import ClassicalCode, hypergraph_product, read_code

    _require_writable((out,), (first, second))
    factors = []
    for path in (first, second):
        code = read_code(path)
        if not isinstance(code, ClassicalCode):
            raise InvalidInput(f"{path}: a classical check matrix is needed")
        factors.append(code)
    made = hypergraph_product(*factors)
    described = _described(made, budget)
    _print(described | _written(out, made), as_json)


def bicycle(
    l: Annotated[int, typer.Argument(parser=RANGES["order"], metavar="L", help="Order of x.")],
    m: Annotated[int, typer.Argument(parser=RANGES["order"], metavar="M", help="Order of y.")],
    a: Annotated[str, typer.Argument(metavar="A", help="Polynomial in x and y, such as x^3+y+y^2.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Polynomial in x and y, such as y^3+x+x^2.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the code here.")] = None,
    budget: Budget = 2_000_000_000,
    as_json: Json = False,
) -> None:
    """The bivariate bicycle code of two polynomials. Example: bitket codes bicycle 6 6 "x^3+y+y^2" "y^3+x+x^2" -o 72.npz"""
    from bitket.quantum.codes import bivariate_bicycle

    _require_writable((out,), ())
    made = bivariate_bicycle(l, m, a, b)
    _print(_described(made, budget) | _written(out, made), as_json)


def reduce(
    file: Annotated[Path, options.file(help="Classical check matrix, or a CSS code for generators and hastings.")],
    weight: Annotated[int, number("weight", help="Greatest weight of a check of the quantum code.")] = 6,
    method: Annotated[Search, choice(Search, "METHOD", help="How lighter checks are found")] = "annealing",
    distance: Annotated[int | None, number("distance", help="Distance to reach; without it that of the input.")] = None,
    evaluations: Annotated[
        int | None,
        number("evaluations", help="Distances that ppo and annealing measure at most; a million if left out."),
    ] = None,
    seed: Annotated[int | None, number("seed", help="Seed of the search; 0 if left out.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the quantum code: .npz, .alist, .mtx or .stim."),
    ] = None,
    seed_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the classical factor that was found.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A code of lighter checks, same k, no smaller d. Example: bitket codes reduce H.npz --weight 6 --method ppo -o light.npz"""
    from bitket.quantum.codes import read_code, reduce_weight
    from bitket.runs.progress import Bars

    if evaluations is not None and method not in ("ppo", "annealing"):
        raise InvalidInput(f"--evaluations: the method {method} measures no distances; ppo and annealing do")
    if seed is not None and method == "classical":
        raise InvalidInput("--seed: the method classical has nothing random")
    most = evaluations or 1_000_000
    code = read_code(file)
    if seed_out is not None and method in ("generators", "hastings"):
        raise InvalidInput(f"--seed-out: the method {method} finds no classical factor")
    _require_writable((out, seed_out), (file,))
    if seed_out is not None and seed_out.suffix.lower() == ".stim":
        raise InvalidInput(f"{seed_out}: memory circuits are made for CSS codes; --seed-out takes .npz, .alist or .mtx")
    if seed_out is not None and out is not None and seed_out.resolve() == out.resolve():
        raise InvalidInput(f"{out}: named by both --out and --seed-out; two names are needed")
    track = iter(Bars(as_json).track(range(most), f"{method}, evaluations"))
    state = {"done": -1}

    def progress(done: int) -> None:
        while state["done"] < min(done, most) - 1:
            state["done"] = next(track)

    found = reduce_weight(
        code,  # type: ignore[arg-type]
        weight,
        method,
        distance=distance,
        budget=most,
        seed=seed or 0,
        progress=progress,
    )
    described: dict[str, Any] = {
        "kind": "CSS",
        "search": method,
        "evaluations": found.evaluations,
        **found.certificate.to_dict(),
    }
    if found.generators is not None:
        weights = found.generators
        described["generators"] = {"check_weight": weights.check, "qubit_degree": weights.bit}
    described |= _written(out, found.code)
    if seed_out is not None:
        described |= {"seed_written": _written(seed_out, found.seed)["written"]}
    _print(described, as_json)


def _require_writable(paths: Sequence[Path | None], inputs: Sequence[Path]) -> None:
    """Before the work whose results go there."""
    for path in paths:
        if path is not None:
            if path.absolute() in {file.absolute() for file in inputs}:
                raise InvalidInput(f"cannot write {path}: it is the input")
            if path.suffix.lower() not in (".npz", ".alist", ".mtx", ".stim"):
                raise InvalidInput(f"{path}: a name that ends in .npz, .alist, .mtx or .stim is needed")
            require_writable(path)


def _described(code: Any, budget: int) -> dict[str, Any]:
    """What `certify` says; k = 0 is refused there."""
    from bitket.quantum.codes import ClassicalCode, CssCode

    kind = "classical" if isinstance(code, ClassicalCode) else "CSS" if isinstance(code, CssCode) else "stabiliser"
    try:
        distance = code.distance(budget=budget)  # first: it reckons its memory before it begins
    except InvalidInput as error:
        raise InvalidInput(f"{code.name}: {error}") from None
    return {
        "kind": kind,
        "n": code.n,
        "k": code.k,
        "d": distance.value,
        "exact": distance.exact,
        "method": distance.method,
        "trials": distance.trials,
        "hits": distance.hits,
        "check_weight": code.weights.check,
        "qubit_degree": code.weights.bit,
    }


def _written(path: Path | None, code: Any) -> dict[str, Any]:
    from bitket.quantum.codes import write_code

    return {} if path is None else {"written": [str(p) for p in write_code(path, code)]}


def _print(out: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(out))
        return
    left, right = ("[", "]") if out["kind"] == "classical" else ("[[", "]]")
    low = out.get("d_at_least", 1)
    if out["exact"]:
        d, how = out["d"], f"exact, by {out['method']}"
    elif out["d"] is None:
        d, how = "?", out["method"]
    else:
        d = f"<={out['d']}" if low == 1 else f"{low}..{out['d']}"
        how = f"at most, by {out['method']}, {out['trials']} trials, {out['hits']} hits" + (
            f"; at least {low}, proven" if low > 1 else ""
        )
    screen = console()
    screen.print(f"{left}{out['n']}, {out['k']}, {d}{right} {out['kind']}; distance {how}", markup=False)
    screen.print(f"greatest check weight {out['check_weight']}, greatest degree of a bit {out['qubit_degree']}")
    if out.get("evaluations"):
        screen.print(f"found in {out['evaluations']} evaluations by {out['search']}")
    if out.get("search") == "hastings":
        weights = out["generators"]
        screen.print(
            f"from checks of weight {weights['check_weight']}, degree {weights['qubit_degree']}, on the qubits given"
        )
    for name in (*out.get("written", ()), *out.get("seed_written", ())):
        screen.print(f"written: {name}", markup=False)
