"""KetGPT: a GPT-2 trained from scratch on circuit files, sampled for new ones, which are then held against real and random files.

Beside the paper's sampling stand unconstrained sampling and sampling under the grammar; beside its random files stand random files that
are valid. Vocabulary and weights come from the training files alone; held-out files judge the model against n-grams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Lt

from bitket.errors import InvalidInput
from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.data.circuits import QasmCorpus
    from bitket.quantum.generation import CircuitGPT
    from bitket.runs import Run

PAPER = Paper(
    key="ketgpt",
    title="KetGPT - Dataset Augmentation of Quantum Circuits using Transformers",
    authors=("Boran Apak", "Medina Bandic", "Aritra Sarkar", "Sebastian Feld"),
    year=2024,
    arxiv="2402.13352",
)
SUMMARY = "A GPT-2 trained on circuit files writes new ones; validity, realism, structure and memorisation beside random files."

MODES = ("none", "paper", "grammar")
CONTROLS = ("paper", "grammar")


@dataclass(frozen=True)
class Config:
    """Settings. The paper's network has width 768 and context 1024, its training 5 epochs in batches of 4 on 713 files."""

    families: tuple[str, ...] = (
        *(
            "ae",
            "dj",
            "ghz",
            "graphstate",
            "grover",
            "qaoa",
            "qft",
            "qftentangled",
            "qnn",
            "qpeexact",
            "qpeinexact",
            "qwalk",
        ),
        *("vqe_real_amp", "vqe_su2", "vqe_two_local", "wstate"),
    )
    largest: Annotated[int, Ge(4)] = 24
    """Qubits of the largest circuits; sizes begin at 2."""
    context: Annotated[int, Ge(16)] = 512
    """Positions of the network; files of so many lines or more are left out."""
    width: Annotated[int, Ge(1)] = 256
    layers: Annotated[int, Ge(1)] = 3
    heads: Annotated[int, Ge(1)] = 4
    epochs: Annotated[int, Ge(1)] = 14
    batch: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    held_out: Annotated[float, Gt(0), Lt(1)] = 0.1
    """Share of files that the generator never sees."""
    samples: Annotated[int, Ge(10)] = 500
    """Generated files of each kind, and random files of each kind."""
    top_k: Annotated[int, Ge(1)] = 5
    temperature: Annotated[float, Gt(0)] = 1.0
    no_repeat_ngram: Annotated[int, Ge(0)] = 15
    classifier_width: Annotated[int, Ge(1)] = 64
    classifier_layers: Annotated[int, Ge(1)] = 2
    classifier_words: Annotated[int, Ge(8)] = 256
    """Words that the classifier reads; the one of order and wiring reads half as many gates."""
    classifier_epochs: Annotated[int, Ge(1)] = 10
    classifier_rate: Annotated[float, Gt(0)] = 2e-3
    unseen: tuple[str, ...] = ("qaoa", "qftentangled", "wstate")
    """Families that a second classifier is not trained on."""
    shuffles: Annotated[int, Ge(1)] = 3
    """Classifiers trained and tested on shuffled labels, as a control."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InvalidInput(f"settings width={self.width}, heads={self.heads}: the heads must divide the width")
        if not self.unseen or not set(self.unseen) < set(self.families):
            raise InvalidInput(f"setting unseen={','.join(self.unseen)}: some of the families, but not all, are needed")


SCALES = {
    "quick": Config(
        largest=7,
        context=128,
        width=64,
        layers=2,
        epochs=20,
        batch=4,
        learning_rate=2e-3,
        samples=60,
        classifier_width=32,
        classifier_layers=1,
        classifier_words=96,
        classifier_epochs=16,
        classifier_rate=3e-3,
        shuffles=1,
    ),
    "full": Config(),
}


# -- claims ---------------------------------------------------------------------------------------------------------------
def _accuracy(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["classifier/accuracy"]
    if m["classifier/held_out"] < 50:
        return Verdict.untested(f"{value:.3f} of {m['classifier/held_out']:.0f} held-out files; 50 or more are needed")
    return Verdict.of(
        value,
        value >= 0.97 and abs(m["classifier/shuffled"] - 0.5) <= 0.08,
        f"of {m['classifier/held_out']:.0f} held-out files, at least 0.97 is asked; with shuffled labels {m['classifier/shuffled']:.3f}, from "
        f"sizes alone {m['classifier/sizes_alone']:.3f}, on families left out of training {m['classifier/unseen_families']:.3f}",
    )


def _called_real(m: Mapping[str, float], config: Config) -> Verdict:
    value, control = m["called_real/paper"], m["called_real/random paper"]
    return Verdict.of(
        value,
        value >= 0.95 and control <= 0.05,
        f"share of {config.samples} files sampled as in the paper, at least 0.95 is asked; of random files {control:.3f}, at most 0.05; under "
        f"the grammar {m['called_real/grammar']:.3f}, valid random files {m['called_real/random grammar']:.3f}",
    )


def _loads(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["valid/paper"]
    return Verdict.of(
        value,
        value >= 0.95,
        f"share that can be read (95 % interval {m['valid/paper/low']:.3f} to {m['valid/paper/high']:.3f}), at least 0.95 is asked; without "
        f"constraint {m['valid/none']:.3f}, random files {m['valid/random paper']:.3f}",
    )


def _nearer(m: Mapping[str, float], config: Config) -> Verdict:
    value, control = m["structure/paper"], m["structure/random paper"]
    return Verdict.of(
        value / control,
        value < control,
        f"distance of mean metrics from the real ones, generated {value:.3g} over random {control:.3g}; held-out real files "
        f"{m['structure/held_out']:.3g}",
    )


def _grammar_valid(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["valid/grammar"]
    return Verdict.of(
        value,
        value == 1 and m["simulated/grammar"] == 1,
        f"share that can be read of {config.samples}; of those on at most 12 qubits {m['simulated/grammar']:.3f} simulate with norm 1",
    )


def _grammar_nearer(m: Mapping[str, float], config: Config) -> Verdict:
    value, control = m["structure/grammar"], m["structure/random paper"]
    return Verdict.of(
        value / control,
        value < 0.5 * control,
        f"distance of mean metrics from the real ones, generated {value:.3g} over random {control:.3g}, at most 0.5 is asked; valid random "
        f"files {m['structure/random grammar']:.3g}; energy distances {m['energy/grammar']:.3g} and {m['energy/random paper']:.3g}",
    )


def _copies(m: Mapping[str, float], config: Config) -> Verdict:
    value = max(m["copies/paper"], m["copies/grammar"])
    return Verdict.of(
        value,
        value <= 0.05,
        f"larger share of exact copies on 6 qubits or more, at most 0.05; sampled as in the paper {m['copies/paper']:.3f}, under the grammar "
        f"{m['copies/grammar']:.3f}; the longest run shared with a training file is {m['run_share/paper']:.2f} and "
        f"{m['run_share/grammar']:.2f} of a file's lines, on average",
    )


def _perplexity(m: Mapping[str, float], config: Config) -> Verdict:
    value = m["perplexity/unigram"] / m["perplexity/generator"]
    return Verdict.of(
        value,
        value >= 5 and m["perplexity/generator"] < m["perplexity/trigram"],
        f"perplexity of held-out files, unigrams {m['perplexity/unigram']:.4g} over generator {m['perplexity/generator']:.3g}, at least 5; "
        f"trigrams have {m['perplexity/trigram']:.3g}; {m['held_out/unknown']:.0f} unknown lines do not count",
    )


CLAIMS = (
    Claim("classifier_accuracy", "A transformer tells real from random circuit files.", 0.982, _accuracy),
    Claim("called_real", "Nearly all generated circuits are called real, random ones are not.", 0.999, _called_real),
    Claim("files_load", "Generated files load in a quantum SDK.", "they do; no rate given", _loads),
    Claim(
        "structure_nearer",
        "Generated circuits are nearer to real ones in structure than random ones.",
        "nearer",
        _nearer,
    ),
    Claim(
        "grammar_is_valid", "Under the grammar every file is valid and simulates.", "not in the paper", _grammar_valid
    ),
    Claim(
        "grammar_halves_distance",
        "Under the grammar the structural distance is less than half of that of random files.",
        "not in the paper",
        _grammar_nearer,
    ),
    Claim("few_copies", "Hardly any generated file is a copy of a training file.", "not in the paper", _copies),
    Claim(
        "beats_ngrams", "The generator predicts held-out files better than n-grams.", "not in the paper", _perplexity
    ),
)


# -- run --------------------------------------------------------------------------------------------------------------------
def run(config: Config, run: Run) -> Mapping[str, float]:
    """Train, sample, verify."""
    from bitket.data.circuits import QasmCorpus
    from bitket.runs.files import write_text

    corpus = QasmCorpus(**run.step("corpus", partial(_corpus, config)))
    train, held = corpus.split(config.held_out, run.generator("held-out files"))
    generator, history = _generator(config, run, train)
    metrics = run.step("perplexity", partial(_perplexities, generator, train, held))
    files = _files(config, run, generator, train)
    for k, text in enumerate(files["grammar"]):
        write_text(run.folder / "circuits" / f"generated_{k + 1:04}.qasm", text)
    metrics |= {
        "corpus/files": float(len(corpus)),
        "corpus/train": float(len(train)),
        "corpus/held_out": float(len(held)),
    }
    metrics |= {"vocabulary": float(len(generator.tokenizer)), "held_out/unknown": metrics.pop("unknown")}
    metrics |= _verified(config, run, train, held, files)
    others = run.step("negatives", partial(_negatives, run, held))
    found = run.step("classifier", partial(_classified, config, run, corpus, files | others))
    confusion = found.pop("confusion")
    metrics |= found | run.step("wiring", partial(_wired, config, run, train, held, files | others))
    _tables(run, config, corpus, metrics, files)
    _figures(config, run, train, held, files, history, confusion)
    return metrics


def _corpus(config: Config) -> dict[str, Any]:
    from dataclasses import asdict

    from bitket.data.circuits import QasmCorpus

    return asdict(QasmCorpus.from_mqt_bench(config.families, range(2, config.largest + 1), max_lines=config.context))


def _generator(config: Config, run: Run, train: QasmCorpus) -> tuple[CircuitGPT, list[float]]:
    """The trained generator, also stored in the run folder, and its loss after each epoch."""
    from bitket.learning import Training
    from bitket.quantum.generation import CircuitGPT, GeneratorConfig

    path = run.folder / "generator.safetensors"

    def fit() -> list[float]:
        model = CircuitGPT(GeneratorConfig(config.width, config.layers, config.heads, config.context))
        training = Training(
            config.epochs,
            batch_size=config.batch,
            optimiser="adamw",
            learning_rate=config.learning_rate,
            weight_decay=0.01,
            decay="cosine",
            largest_gradient=1.0,
            checkpoint_every=2,
        )
        checkpoint = run.folder / "checkpoint" / "generator-training.safetensors"
        result = model.fit(train, training, generator=run.torch_generator("generator"), checkpoint=checkpoint)
        model.save(path)
        for epoch, loss in enumerate(result.history):
            run.log(epoch=epoch + 1, loss=loss)
        return result.history

    history = run.step("generator", fit)
    return CircuitGPT.load(path), history


def _perplexities(generator: CircuitGPT, train: QasmCorpus, held: QasmCorpus) -> dict[str, float]:
    from bitket.quantum.generation import NGramModel

    known, new = ([generator.tokenizer.encode(text) for text in part.texts] for part in (train, held))
    found = generator.perplexity(held)
    out = {"perplexity/generator": found.value, "unknown": float(found.unknown)}
    for order, name in ((1, "unigram"), (3, "trigram")):
        out[f"perplexity/{name}"] = NGramModel(order, len(generator.tokenizer), known).perplexity(new)
    return out


def _files(config: Config, run: Run, generator: CircuitGPT, train: QasmCorpus) -> dict[str, list[str]]:
    """Generated files under each constraint, and random files, by kind."""
    from bitket.quantum.generation import LineTokenizer, RandomCircuitBaseline, drawn_sizes

    def sampled(mode: Any) -> list[str]:
        return list(
            generator.sample(
                config.samples,
                generator=run.torch_generator(f"samples, {mode}"),
                top_k=config.top_k,
                temperature=config.temperature,
                no_repeat_ngram=config.no_repeat_ngram,
                constraint=mode,
            )
        )

    def random(mode: Any) -> list[str]:
        numbers = run.generator(f"random files, {mode}")
        baseline = RandomCircuitBaseline(LineTokenizer(generator.tokenizer.tokens), mode)
        return list(baseline.sample(*drawn_sizes(train, config.samples, numbers), numbers))

    out = {mode: run.step(f"samples, {mode}", partial(sampled, mode)) for mode in run.progress(MODES, "sampling")}
    return out | {f"random {mode}": run.step(f"random files, {mode}", partial(random, mode)) for mode in CONTROLS}


def _verified(
    config: Config, run: Run, train: QasmCorpus, held: QasmCorpus, files: Mapping[str, list[str]]
) -> dict[str, float]:
    from bitket.quantum.generation import verify

    def report_of(name: str, texts: list[str]) -> dict[str, Any]:
        return verify(texts, train, generator=run.generator(f"report, {name}")).to_dict()

    out: dict[str, float] = {}
    for name, texts in {**files, "held_out": list(held.texts)}.items():
        report = run.step(f"report, {name}", partial(report_of, name, texts))
        validity, memory = report["validity"], report["memorisation"]
        out |= {f"valid/{name}": validity["rate"], f"structure/{name}": report["structure_distance"]}
        out |= {f"valid/{name}/{end}": validity[end] for end in ("low", "high")}
        out |= {f"energy/{name}": report["energy_distance"], f"energy_p/{name}": report["energy_p"]}
        out |= {f"copies/{name}": memory["copies_large"] or 0.0, f"copies, all sizes/{name}": memory["copies"]}
        out |= {f"run_share/{name}": memory["run_share"], f"longest_run/{name}": float(memory["longest_run_max"])}
        out |= {f"failures/{name}/{cause}": float(count) for cause, count in validity["failures"].items()}
    return out | {"simulated/grammar": run.step("simulation", partial(_simulated, files["grammar"]))}


def _simulated(texts: list[str]) -> float:
    """Share of the files on at most 12 qubits whose state, without measurements, has norm 1."""
    import numpy as np

    from bitket.quantum.circuits import Circuit
    from bitket.quantum.circuits.qasm import read_qasm
    from bitket.quantum.simulation import statevector

    small = [circuit for circuit in map(read_qasm, texts) if circuit.num_qubits <= 12]
    good = 0
    for circuit in small:
        gates = Circuit(circuit.num_qubits)
        for i in circuit:
            if i.gate is not None:
                gates.append(i.gate, i.qubits)
        good += bool(abs(np.linalg.norm(statevector(gates).numpy()) - 1) < 1e-9)
    return good / max(1, len(small))


def _classified(config: Config, run: Run, corpus: QasmCorpus, files: Mapping[str, list[str]]) -> dict[str, Any]:
    """Accuracy on held-out files, with its controls, and what the classifier says of generated and of new random files."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import confusion_matrix
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from bitket.data.circuits import QasmCorpus
    from bitket.quantum.generation import LineTokenizer, RandomCircuitBaseline, RealismClassifier, drawn_sizes

    baseline, numbers = RandomCircuitBaseline(LineTokenizer.fit(corpus.texts)), run.generator("classifier")
    n = len(corpus)
    random = baseline.sample(*drawn_sizes(corpus, n, numbers), numbers)
    texts, truth = [*corpus.texts, *random], np.repeat([1, 0], n)
    families = np.array([*corpus.families, *[""] * n])

    def fitted(chosen: Any, labels: Any) -> RealismClassifier:
        classifier = RealismClassifier(
            config.classifier_width,
            config.classifier_layers,
            config.classifier_words,
            config.classifier_epochs,
            learning_rate=config.classifier_rate,
            seed=int(numbers.integers(2**31)),
        )
        return classifier.fit([texts[k] for k in chosen], labels[chosen])

    def parts(labels: Any) -> Any:
        return train_test_split(
            np.arange(2 * n), test_size=0.15, stratify=labels, random_state=int(numbers.integers(2**31))
        )

    known, new = parts(truth)
    classifier = fitted(known, truth)
    said = classifier.predict([texts[k] for k in new])
    out: dict[str, Any] = {
        "classifier/accuracy": float((said == truth[new]).mean()),
        "classifier/held_out": float(len(new)),
        "confusion": confusion_matrix(truth[new], said, labels=[1, 0]).tolist(),
    }
    out |= {f"called_real/{name}": float(classifier.predict(part).mean()) for name, part in files.items() if part}
    sizes = QasmCorpus(("",) * 2 * n, tuple(families.tolist()), tuple(texts)).sizes
    alone = make_pipeline(StandardScaler(), LogisticRegression()).fit(sizes[known], truth[known])
    out["classifier/sizes_alone"] = float(alone.score(sizes[new], truth[new]))
    seen = np.flatnonzero(~np.isin(families, config.unseen))
    other = fitted(seen, truth)
    out["classifier/unseen_families"] = float(
        other.predict([texts[k] for k in np.flatnonzero(np.isin(families, config.unseen))]).mean()
    )
    scores = []
    for _ in range(config.shuffles):
        shuffled = numbers.permutation(truth)
        known, new = parts(shuffled)
        scores.append(fitted(known, shuffled).score([texts[k] for k in new], shuffled[new]))
    return out | {"classifier/shuffled": float(np.mean(scores))}


def _negatives(run: Run, held: QasmCorpus) -> dict[str, list[str]]:
    """Held-out files shuffled, rewired and the like, which a judge of circuits should not call real."""
    from bitket.quantum.generation import negatives

    made = negatives(held, run.generator("negatives of held-out files"))
    return {f"held out, {kind}": list(texts) for kind, texts in made.items()}


def _wired(
    config: Config, run: Run, train: QasmCorpus, held: QasmCorpus, files: Mapping[str, list[str]]
) -> dict[str, float]:
    """What a classifier says that sees order and wiring, trained against all kinds of negatives of the training files."""
    from bitket.quantum.generation import WiringClassifier, negatives

    numbers = run.generator("wiring")
    others = [text for texts in negatives(train, numbers).values() for text in texts]
    classifier = WiringClassifier(
        config.classifier_width,
        config.classifier_layers,
        config.classifier_words // 2,
        config.classifier_epochs,
        learning_rate=config.classifier_rate,
        seed=int(numbers.integers(2**31)),
    ).fit([*train.texts, *others], [1] * len(train) + [0] * len(others))
    judged = {**files, "held_out": list(held.texts)}
    return {f"wiring/{name}": float(classifier.predict(part).mean()) for name, part in judged.items() if part}


# -- what the report shows -------------------------------------------------------------------------------------------------
def _tables(
    run: Run, config: Config, corpus: QasmCorpus, m: Mapping[str, float], files: Mapping[str, list[str]]
) -> None:
    import numpy as np

    rows = [
        {
            "files": name,
            "valid": f"{m[f'valid/{name}']:.3f} ({m[f'valid/{name}/low']:.3f} to {m[f'valid/{name}/high']:.3f})",
            "called real": f"{m[f'called_real/{name}']:.3f}" if f"called_real/{name}" in m else "",
            "structure": f"{m[f'structure/{name}']:.3f}",
            "energy distance": f"{m[f'energy/{name}']:.3f}",
            "p": f"{m[f'energy_p/{name}']:.3f}",
            "copies, n >= 6": f"{m[f'copies/{name}']:.3f}",
            "longest shared run, part of the file": f"{m[f'run_share/{name}']:.2f}",
            "lines": f"{np.mean([text.count(chr(10)) for text in files[name]]):.0f}" if name in files else "",
        }
        for name in (*files, "held_out")
    ]
    run.table("files", rows, f"Files by how they were made, {config.samples} each, against the training files")
    judged = [name.removeprefix("wiring/") for name in m if name.startswith("wiring/")]
    run.table(
        "judges",
        [
            {
                "files": name,
                "by words, as in the paper": f"{m[f'called_real/{name}']:.3f}" if f"called_real/{name}" in m else "",
                "by order and wiring": f"{m[f'wiring/{name}']:.3f}",
            }
            for name in judged
        ],
        "Share that is called real. The paper's classifier was trained against random lines alone; the other one also against files shuffled, "
        "rewired, and drawn from the real gates",
    )
    failures = [
        {"files": name, **{k.rsplit("/", 1)[1]: v for k, v in m.items() if k.startswith(f"failures/{name}/")}}
        for name in files
    ]
    run.table("failures", failures, "Files that cannot be read, by the first cause")
    run.note(
        f"The corpus is {len(corpus)} circuits of MQT Bench on up to {config.largest} qubits and of fewer than {config.context} lines. Left "
        "out: " + "; ".join(f"{name} ({why})" for name, why in corpus.left_out.items()) + "."
    )
    run.note(
        "Deviations from the paper: a smaller network and corpus, a larger learning rate that decays by a cosine, a vocabulary of the training "
        "files alone, qubits and lines of a new file drawn together, and a classifier trained from scratch, which does not read headers."
    )
    run.note(
        "Structure is measured on the lines of a file that can stand where they are. In it distances are those of mean vectors, in standard "
        "deviations of the training files."
    )


def _figures(
    config: Config,
    run: Run,
    train: QasmCorpus,
    held: QasmCorpus,
    files: Mapping[str, list[str]],
    history: list[float],
    confusion: list[list[int]],
) -> None:
    from bitket.quantum.circuits import draw_figure
    from bitket.quantum.circuits.qasm import read_qasm
    from bitket.quantum.generation import Structure
    from bitket.quantum.generation.structure import metrics_table

    real = metrics_table(train.texts)
    scale = Structure.of(real)
    figure, axes = run.subplots(width=7, height=4.6)
    shown = {"real": real} | {
        name: metrics_table(files[name]) for name in ("random paper", "random grammar", "paper", "grammar")
    }
    for k, (name, table) in enumerate(shown.items()):
        x, y = scale.projected(table).T
        axes.scatter(x, y, s=9, alpha=0.45, color=f"C{k}", linewidths=0, label=name)
    axes.set(xlabel="first principal component", ylabel="second")
    axes.legend(markerscale=2)
    run.figure("structure", figure, "Structure of circuits in the two directions in which real ones vary most.")
    figure, axes = run.subplots(width=4, height=3.4)
    axes.imshow(confusion, cmap="Blues")
    for i, row in enumerate(confusion):
        for j, count in enumerate(row):
            axes.text(
                j, i, str(count), ha="center", va="center", color="w" if count > max(map(max, confusion)) / 2 else "k"
            )
    axes.set_xticks((0, 1), ("real", "random"))
    axes.set_yticks((0, 1), ("real", "random"))
    axes.set(xlabel="called", ylabel="is")
    axes.grid(visible=False)
    run.figure("confusion", figure, "What the classifier calls held-out files.")
    figure, axes = run.subplots(width=6, height=3.4)
    axes.plot(range(1, len(history) + 1), history, "o-", markersize=3.5)
    axes.set(xlabel="epoch", ylabel="training loss (nats a line)", ylim=(0, None))
    run.figure("loss", figure, "Mean loss of the generator in each epoch.")
    known = set(train.texts) | set(held.texts)
    circuits = [read_qasm(text) for text in files["grammar"] if text not in known]
    fitting = (
        [c for c in circuits if 3 <= c.num_qubits <= 6 and 8 <= len(c) <= 60]
        or circuits
        or [read_qasm(files["grammar"][0])]
    )
    run.figure(
        "circuit",
        draw_figure(fitting[0]),
        "A circuit that was generated under the grammar and is in no file of the corpus.",
    )
