"""Language: a training epoch of MC beside lambeq's NumPy model, and the parser over the length of a phrase.

An epoch is one step of SPSA over all 70 training sentences: two losses, at two points. The peer gets the same sentences and ansatz
(`IQPAnsatz`, one qubit a wire, one layer) through its own diagrams. Where lambeq cannot be imported its row says why.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks._timing import interleaved, seconds
from bitket.quantum.language import (
    CircuitFunctor,
    IQPAnsatz,
    PregroupParser,
    SentenceModel,
    Ty,
    mc_dataset,
    mc_lexicon,
    remove_cups,
)


def _ours() -> Any:
    texts, labels = mc_dataset(0).part("train")
    parser = PregroupParser(mc_lexicon())
    diagrams = [remove_cups(parser.parse(text)) for text in texts]
    model = SentenceModel(CircuitFunctor(IQPAnsatz())).initialise(diagrams)
    prepared, targets = model._groups(diagrams), model._targets(labels)
    points = torch.from_numpy(np.random.default_rng(0).random((2, len(model.vocabulary_))))

    def epoch() -> Any:
        with torch.no_grad():
            return model._loss(prepared, targets, points)

    return epoch


def _peer() -> Any:
    import warnings

    warnings.simplefilter("ignore")
    from lambeq import AtomicType, NumpyModel, RemoveCupsRewriter
    from lambeq import IQPAnsatz as TheirAnsatz
    from lambeq.backend.grammar import Cup, Id, Word

    n, s = AtomicType.NOUN, AtomicType.SENTENCE
    types = {"n": n, "n·n.l": n @ n.l, "n.r·s·n.l": n.r @ s @ n.l}
    texts, _ = mc_dataset(0).part("train")
    lexicon = mc_lexicon()

    def diagram(text: str) -> Any:
        words = Id().tensor(*(Word(w, types[str(lexicon[w][0])]) for w in text.split()))
        parts = [str(lexicon[w][0]) for w in text.split()]
        if len(parts) == 3:
            return words >> Cup(n, n.r) @ s @ Cup(n.l, n)
        if parts[0] == "n":
            return words >> Cup(n, n.r) @ s @ Cup(n.l, n) @ Cup(n.l, n)
        return words >> n @ Cup(n.l, n) @ n.r @ s @ Cup(n.l, n) >> Cup(n, n.r) @ s

    ansatz, rewriter = TheirAnsatz({n: 1, s: 1}, n_layers=1, n_single_qubit_params=3), RemoveCupsRewriter()
    circuits = [ansatz(rewriter(diagram(text))) for text in texts]
    model = NumpyModel.from_diagrams(circuits)
    model.initialise_weights()

    def epoch() -> Any:
        return [model(circuits), model(circuits)]

    return epoch


def epochs(runs: int) -> list[dict[str, Any]]:
    functions = {"bitket": _ours()}
    try:
        functions["lambeq NumpyModel"] = _peer()
    except ImportError as error:
        reason = f"lambeq cannot be imported: {error}"
        return [
            {"what": "MC epoch", "who": "bitket", "ms": 1e3 * seconds(functions["bitket"], runs)},
            {"what": "MC epoch", "who": "lambeq NumpyModel", "note": reason},
        ]
    times = interleaved(functions, runs)
    return [
        {"what": "MC epoch", "who": who, "ms": 1e3 * t, "times ours": t / times["bitket"]} for who, t in times.items()
    ]


def parsing(lengths: tuple[int, ...]) -> list[dict[str, Any]]:
    parser = PregroupParser({"skillful": "ADJ", "man": "N"})
    rows = []
    for k in lengths:
        phrase = ["skillful"] * (k - 1) + ["man"]
        rows.append(
            {
                "what": f"parse {k} words",
                "who": "bitket",
                "ms": 1e3 * seconds(lambda p=phrase: parser.parse(p, Ty("n")), 3),
            }
        )
    return rows


def run(quick: bool) -> list[dict[str, Any]]:
    return epochs(3 if quick else 11) + parsing((20, 200) if quick else (20, 200, 1000))
