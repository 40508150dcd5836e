"""``bitket generate``: a folder of circuit files in; a generator of such circuits, new files, and a report on them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console
from bitket.cli.options import Constraint, Json, Seed, Tokens, choice, number
from bitket.errors import BitketError, InvalidInput
from bitket.files import read_bytes

if TYPE_CHECKING:
    from bitket.data.circuits import QasmCorpus

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    group = typer.Typer(
        help="Circuits like those of a folder: bitket generate train FOLDER --out MODEL, then sample, then verify.",
        no_args_is_help=True,
    )
    group.command()(train)
    group.command()(sample)
    group.command()(verify)
    app.add_typer(group, name="generate")


def train(
    folder: Annotated[Path, options.folder(help="Folder of .qasm files in OpenQASM 2.")],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="File to write the generator to.")],
    tokens: Annotated[
        Tokens, choice(Tokens, "KIND", help="A token a line, or for each gate, angle and operand")
    ] = "line",
    width: Annotated[int, number("width", help="Width of the network.")] = 128,
    layers: Annotated[int, number("network layers", help="Its layers.")] = 2,
    context: Annotated[int, number("context", help="Longest file, in tokens; longer ones are left out.")] = 512,
    epochs: Annotated[int, number("epochs", help="Passes over the files.")] = 20,
    learning_rate: Annotated[float, number("learning rate", help="Of AdamW, decaying by a cosine.")] = 2e-3,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a generator on a folder. Example: bitket generate train circuits --out circuits.safetensors"""
    import torch

    from bitket.learning import Training
    from bitket.quantum.generation import CircuitGPT, GateTokenizer, GeneratorConfig

    corpus = _read(folder)
    given = len(corpus)
    if tokens == "gate":
        t = GateTokenizer.fit(corpus.texts)
        fitting = [k for k, text in enumerate(corpus.texts) if len(t.encode(text)) <= context]
        if not fitting:
            raise InvalidInput(f"--context {context}: every file of {folder} is longer")
        corpus = corpus.take(fitting)
    else:
        corpus = corpus.shorter_than(context)
    _require_memory(corpus, tokens, width, layers, context)
    model = CircuitGPT(GeneratorConfig(width, layers, 4 if width % 4 == 0 else 1, context, 0.1, tokens))
    training = Training(
        epochs, batch_size=8, optimiser="adamw", learning_rate=learning_rate, decay="cosine", largest_gradient=1.0
    )
    result = model.fit(corpus, training, generator=torch.Generator().manual_seed(seed))
    model.save(out)
    found = {
        "model": str(out),
        "files": len(corpus),
        "left_out": given - len(corpus),
        "vocabulary": len(model.tokenizer),
        "loss": result.history[-1],
        "seed": seed,
    }
    if as_json:
        print(json.dumps(found))
        return
    console().print(
        f"{out}: trained on {len(corpus)} files ({given - len(corpus)} too long), {len(model.tokenizer)} tokens, loss "
        f"{result.history[-1]:.3f} a token after {epochs} epochs",
        markup=False,
    )


def _require_memory(corpus: QasmCorpus, tokens: str, width: int, layers: int, context: int) -> None:
    """Refuse a network that cannot be trained in memory: its weights, their slopes and the optimiser's two means, and activations."""
    from bitket.quantum.simulation.memory import require

    words = {line for text in corpus.texts for line in text.splitlines()}
    weights = layers * 12 * width**2 + (context + (len(words) if tokens == "line" else 1000)) * width
    longest = max(text.count("\n") for text in corpus.texts)
    activations = 8 * layers * longest * (16 * width + 4 * longest)
    require(4.0 * (4 * weights + activations), f"training a network of width {width} with {layers} layers")


def sample(
    model: Annotated[Path, options.file("MODEL", help="A generator, as 'train' wrote it.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write the files to.")],
    qubits: Annotated[
        int | None, number("qubits", help="Of each circuit. [default: as the training files have them]")
    ] = None,
    count: Annotated[int, number("files", help="How many files.")] = 10,
    lines: Annotated[
        int | None, number("lines", help="Most lines of each file. [default: until the end token]")
    ] = None,
    constraint: Annotated[
        Constraint, choice(Constraint, "RULES", help="What can follow, by the grammar only valid files")
    ] = "grammar",
    top_k: Annotated[int, number("tokens", help="How many of the likeliest tokens can follow.")] = 5,
    temperature: Annotated[
        float, number("temperature", help="Above 1 bolder, below 1 closer to the training files.")
    ] = 1.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write new circuits. Example: bitket generate sample circuits.safetensors --qubits 5 --count 20 --out new"""
    import torch

    from bitket.quantum.generation import CircuitGPT
    from bitket.runs.files import write_text

    texts = CircuitGPT.load(model).sample(
        count,
        generator=torch.Generator().manual_seed(seed),
        n_qubits=qubits,
        max_lines=lines,
        top_k=top_k,
        temperature=temperature,
        constraint=constraint,
    )
    names = [out / f"generated_{k + 1:0{max(4, len(str(count)))}}.qasm" for k in range(count)]
    for name, text in zip(names, texts, strict=True):
        write_text(name, text)
    if as_json:
        print(json.dumps({"files": [str(name) for name in names], "seed": seed}))
    else:
        console().print(f"{out}: {count} files, {names[0].name} to {names[-1].name}", markup=False)


def verify(
    folder: Annotated[Path, options.folder(help="Folder of generated .qasm files.")],
    against: Annotated[Path, options.folder("FOLDER", "--against", help="Folder of the real ones.")],
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Validity, realism, structure and memorisation. Example: bitket generate verify new --against circuits"""
    import numpy as np

    from bitket.quantum.generation import RealismClassifier, WiringClassifier, canonical, negatives
    from bitket.quantum.generation import verify as report_on

    raw = [read_bytes(file).decode("utf-8", "replace") for file in sorted(folder.rglob("*.qasm"))]
    if not raw:
        raise InvalidInput(f"{folder}: there is no .qasm file")
    real = _read(against)
    texts = []
    for text in raw:
        try:
            texts.append(canonical(text))
        except BitketError:  # counted by the report
            texts.append(text)
    numbers = np.random.default_rng(seed)
    judges = {}
    if len(real) >= 10:  # classifiers of fewer would say nothing
        made = negatives(real, numbers)
        others = [text for kind in made.values() for text in kind]
        for name, classifier, false in (
            ("wiring", WiringClassifier(seed=seed), others),
            ("words", RealismClassifier(seed=seed), made["random"]),
        ):
            classifier.fit([*real.texts, *false], [1] * len(real) + [0] * len(false))
            judges[name] = classifier.predict
    found = report_on(texts, real, generator=numbers, judges=judges).to_dict() | {"seed": seed}
    if as_json:
        print(json.dumps(found))
    else:
        _print(found)


def _read(folder: Path) -> QasmCorpus:
    """The files of a folder, each as this library writes it; one that is no circuit is named with its line."""
    from bitket.data.circuits import QasmCorpus
    from bitket.quantum.generation import canonical

    return QasmCorpus.from_folder(folder).map(lambda text, name: canonical(text, str(folder / name)))


def _print(found: dict[str, Any]) -> None:
    from bitket.intervals import wilson

    screen, valid, memory = console(), found["validity"], found["memorisation"]

    def share(rate: float) -> str:
        low, high = wilson(round(rate * valid["files"]), valid["files"])
        return f"{rate:.1%} ({low:.1%} to {high:.1%})"

    causes = ", ".join(f"{cause} {count}" for cause, count in valid["failures"].items())
    screen.print(
        f"valid         {valid['valid']} of {valid['files']}, {valid['rate']:.1%} ({valid['low']:.1%} to {valid['high']:.1%})"
        + (f"; {causes}" if causes else "")
    )
    for name, seen in (("wiring", "order and wiring"), ("words", "words alone, as in the paper")):
        if name in found["called_real"]:
            screen.print(f"called real   {share(found['called_real'][name])} by a classifier that sees {seen}")
    screen.print(
        f"structure     {found['structure_distance']:.3g} deviations from the real mean; energy distance "
        f"{found['energy_distance']:.3g}, p = {found['energy_p']:.2g}"
    )
    screen.print(
        f"copies        {share(memory['copies'])}; the longest run of lines shared with a real file is {memory['longest_run_mean']:.1f} on "
        f"average, {memory['longest_run_max']} at most"
    )
