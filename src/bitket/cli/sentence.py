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


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(sentence)


def sentence(
    text: Annotated[str, typer.Argument(metavar="SENTENCE", help="Words with blanks between.")],
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
    figure: Figure = None,
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE.qasm", help="Write the circuit, its angles bound.")
    ] = None,
    seed: Annotated[int, number("seed", help="Seed of the first angles.")] = 0,
    as_json: Json = False,
) -> None:
    """Parse a sentence, compile and classify it. Example: bitket sentence "man prepares meal" --figure meal.svg --circuit meal.qasm"""
    require_picture(figure)
    from bitket.quantum.language import (
        CircuitFunctor,
        IQPAnsatz,
        PregroupParser,
        SentenceModel,
        Ty,
        remove_cups,
        wire_determiners,
        wire_pronouns,
    )
    from bitket.runs.files import write_bytes

    words = _words(lexicon)
    sentences: list[str] = []
    labels: list[int] = []
    ty = Ty.parse(target)
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

    parsed, diagram = parser.parse(text, ty), rewritten(text)
    compiled = functor(diagram)
    out: dict[str, Any] = {
        "sentence": text,
        "type": target,
        "derivations": sum(1 for _, _ in zip(range(100), parser.parses(text, ty), strict=False)),
        "diagram": parsed.draw(),
        "qubits": compiled.circuit.num_qubits,
        "postselected": list(compiled.postselected),
        "outputs": list(compiled.outputs),
    }
    model = SentenceModel(functor, seed=seed)
    if train is not None:
        diagrams = [rewritten(line) for line in sentences]
        model.fit(diagrams, labels, extra=[diagram])
        seen = {name for line in sentences for name in line.split()}
        out["training"] = {
            "sentences": len(sentences),
            "accuracy": model.score(diagrams, labels),
            "loss": model.loss(diagrams, labels),
        }
        out["unseen_words"] = sorted(set(text.split()) - seen)
        out["probabilities"] = model.predict_proba([diagram])[0].tolist()
        out["label"] = int(model.predict([diagram])[0])
    else:
        model.initialise([diagram])
    out["weights"] = {p.name: model.save_weights()[p.name] for p in compiled.circuit.weights}
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


def _words(path: Path | None) -> Any:
    from bitket.quantum.language import Lexicon, mc_lexicon, rp_lexicon

    words = (
        rp_lexicon() | mc_lexicon() | dict.fromkeys(("a", "an", "the"), "DET") | dict.fromkeys(("who", "which"), "REL")
    )
    if path is None:
        return words
    data = read_json(path)
    if not isinstance(data, dict):
        raise InvalidInput(f"--lexicon {path}: an object from words to tags or types is needed")
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
        screen.print(f"trained on {t['sentences']} sentences: accuracy {t['accuracy']:.1%}, loss {t['loss']:.3g} bits")
        if out["unseen_words"]:
            screen.print(f"[yellow]not in training, angles at random: {', '.join(out['unseen_words'])}[/]")
        shares = ", ".join(f"P({k}) = {p:.4f}" for k, p in enumerate(out["probabilities"]))
        screen.print(f"label {out['label']}: {shares}")
