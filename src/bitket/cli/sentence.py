"""``bitket sentence``: a sentence in; its diagram, its circuit, and a classifier trained on labelled sentences out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console
from bitket.cli.options import Figure, Json, number, require_picture
from bitket.errors import InvalidInput
from bitket.files import read_json

__all__ = ["register"]

_MOST_WORDS = 200


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(sentence)


def sentence(
    text: Annotated[
        str, typer.Argument(metavar="SENTENCE", help="A sentence or phrase; signs at the ends of words are dropped.")
    ],
    lexicon: Annotated[
        Path | None,
        options.file("FILE.json", "--lexicon", help='More words: {"cat": "N", "sleeps": "IV", "of": "n.r·n·n.l"}.'),
    ] = None,
    target: Annotated[str, typer.Option(help="Type to reduce to: s for a sentence, n for a noun phrase.")] = "s",
    keep_cups: Annotated[bool, typer.Option("--keep-cups", help="Compile the diagram as it is parsed.")] = False,
    layers: Annotated[int, number("ansatz layers", help="Layers of the IQP ansatz.")] = 1,
    train: Annotated[
        Path | None,
        options.file("FILE", "--train", help="Train on 'label word_TAG word_TAG ...' a line, labels 0 and 1."),
    ] = None,
    min_count: Annotated[
        int | None,
        number("words", help="With --train: words in fewer sentences share angles with words that training lacks."),
    ] = None,
    figure: Figure = None,
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE.qasm", help="Write the circuit, its angles bound.")
    ] = None,
    seed: Annotated[int, number("seed", help="Seed of the first angles.")] = 0,
    as_json: Json = False,
) -> None:
    """Parse a sentence, compile and classify it. Example: bitket sentence "The man prepares a meal." --figure meal.svg"""
    require_picture(figure)
    if min_count is not None and train is None:
        raise InvalidInput("--min-count: it needs --train")
    from bitket.quantum.language import (
        CircuitFunctor,
        IQPAnsatz,
        ParseError,
        PregroupParser,
        Ty,
        remove_cups,
        wire_determiners,
        wire_pronouns,
    )
    from bitket.runs.files import write_bytes

    try:
        ty = Ty.parse(target)
    except InvalidInput as error:
        raise InvalidInput(f"--target {target}: {error}") from None
    words = _words(lexicon)
    sentences: list[str] = []
    labels: list[int] = []
    if train is not None:
        from bitket.quantum.language import read_sentences

        sentences, labels, tagged = read_sentences(train)
        words = words | tagged
    if not len(ty):
        raise InvalidInput(f"--target {target}: a type that is not the unit is needed, such as s or n")
    parser = PregroupParser(words)
    functor = CircuitFunctor(IQPAnsatz(layers=layers))

    def rewritten(words: str) -> Any:
        diagram = wire_pronouns(wire_determiners(parser.parse(words, ty)))
        return diagram if keep_cups else remove_cups(diagram)

    read = parser.words(text)
    _short(read, "the sentence")
    parsed, diagram = parser.parse(text, ty), rewritten(text)
    compiled = functor(diagram)
    diagrams = []
    for k, line in enumerate(sentences, 1):
        _short(line.split(), f"{train}, sentence {k}")
        try:
            diagrams.append(rewritten(line))
        except ParseError as error:
            raise InvalidInput(f"{train}, sentence {k}: {error}") from None
    out: dict[str, Any] = {
        "sentence": text,
        "type": target,
        "derivations": sum(1 for _, _ in zip(range(100), parser.parses(text, ty), strict=False)),
        "diagram": parsed.draw(),
        "qubits": compiled.circuit.num_qubits,
        "postselected": list(compiled.postselected),
        "outputs": list(compiled.outputs),
    }
    if train is None:
        import numpy as np

        compiled.require_small("the sentence")
        names = [p.name for p in compiled.circuit.weights]
        first = np.random.default_rng(seed).random(len(names))  # as a model begins
        out["weights"] = dict(zip(names, first.tolist(), strict=True))
        out["success_probability"] = float(compiled.survivors(first).sum())
    else:
        from bitket.quantum.language import SentenceModel  # torch: not before all input is read

        model = SentenceModel(functor, min_count=min_count or 1, seed=seed)
        _trained(model, diagrams, labels, diagram, train)
        out["training"] = {
            "sentences": len(sentences),
            "accuracy": model.score(diagrams, labels),
            "loss": model.loss(diagrams, labels),
        }
        out["unseen_words"] = model.unseen(diagram)
        out["probabilities"] = model.predict_proba([diagram])[0].tolist()
        out["labels"] = model.classes_.tolist()
        out["label"] = None if model.tied([diagram])[0] else int(model.predict([diagram])[0])
        out["weights"] = model.angles(compiled)
        out["success_probability"] = float(model.success_probability([diagram])[0])
    if figure is not None:
        from bitket.runs.figures import encoded

        kind = figure.suffix[1:]
        write_bytes(figure, encoded(parsed.draw("figure"), figure.stem, (kind,))[kind])
    if circuit is not None:
        from bitket.quantum.circuits.qasm import write_qasm

        write_bytes(circuit, write_qasm(compiled.with_measurements().bind(out["weights"])).encode())
    if as_json:
        print(json.dumps(out))
    else:
        _print(out)


def _short(words: list[str], what: str) -> None:
    if len(words) > _MOST_WORDS:
        raise InvalidInput(f"{what}: {len(words)} words; at most {_MOST_WORDS} are drawn and compiled")


def _trained(model: Any, diagrams: list[Any], labels: list[int], diagram: Any, path: Path) -> None:
    try:
        model.fit(diagrams, labels)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    try:
        model.unseen(diagram)
        model.predict_proba([diagram])
    except InvalidInput as error:
        raise InvalidInput(f"{error}; train it, or let rare words stand for it (--min-count 2)") from None


def _words(path: Path | None) -> Any:
    from bitket.quantum.language import Lexicon, mc_lexicon, rp_lexicon

    words = (
        rp_lexicon() | mc_lexicon() | dict.fromkeys(("a", "an", "the"), "DET") | dict.fromkeys(("who", "which"), "REL")
    )
    if path is None:
        return words
    data = read_json(path)
    if not isinstance(data, dict) or not data:
        raise InvalidInput(f"--lexicon {path}: an object from words to tags or types is needed, with one word at least")
    try:
        return words | Lexicon(data)
    except InvalidInput as error:
        raise InvalidInput(f"--lexicon {path}: {error}") from None


def _print(out: dict[str, Any]) -> None:
    screen = console()
    screen.print(out["diagram"], markup=False, highlight=False)
    ways = f", {out['derivations']} derivations" if out["derivations"] > 1 else ""
    screen.print(
        f"{out['qubits']} qubits, {len(out['postselected'])} post-selected, {len(out['weights'])} angles{ways}; "
        f"success probability {out['success_probability']:.4g}"
    )
    if "training" in out:
        t = out["training"]
        screen.print(
            f"trained on {t['sentences']} sentences: accuracy on them {t['accuracy']:.1%}, loss {t['loss']:.3g} bits"
        )
        if out["unseen_words"]:
            screen.print(
                f"not in training, read as a rare word of the type: {', '.join(out['unseen_words'])}", markup=False
            )
        shares = ", ".join(f"P({k}) = {p:.4f}" for k, p in zip(out["labels"], out["probabilities"], strict=True))
        screen.print(
            f"{'tie, no label' if out['label'] is None else 'label ' + str(out['label'])}: {shares} (exact, without shots)"
        )
