"""Quantum natural language processing: sentences become circuits by their grammar, and word meanings are trained angles.

Two tasks of the follow-up (Lorenz et al. 2021, arXiv:2102.12846): whether a sentence is about food or computing (MC), and whether a noun
phrase has a subject or an object clause (RP, on word lists of the library's own). Beside the grammar stand a word sequence and a bag of
words. MC is trained by Adam on exact gradients and by the paper's SPSA, and read exactly, from shots, and from shots under noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="qnlp",
    title="Foundations for Near-Term Quantum Natural Language Processing",
    authors=("Bob Coecke", "Giovanni de Felice", "Konstantinos Meichanetzidis", "Alexis Toumi"),
    year=2020,
    arxiv="2012.03755",
)
SUMMARY = (
    "Sentences parsed into diagrams, compiled to circuits and classified; grammar against word order and bag of words."
)
READERS = ("grammar", "sequence", "bag")


@dataclass(frozen=True)
class Config:
    """Settings of the two tasks."""

    mc_runs: Annotated[int, Ge(1)] = 20
    """Seeds of draw, split and start on MC."""
    rp_runs: Annotated[int, Ge(1)] = 10
    adam_steps: Annotated[int, Ge(1)] = 200
    adam_rate: Annotated[float, Ge(1e-6), Le(1.0)] = 0.02
    """In full turns."""
    spsa_runs: Annotated[int, Ge(1)] = 20
    spsa_iterations: Annotated[int, Ge(1)] = 2000
    shots: Annotated[int, Ge(1)] = 8192
    one_qubit_error: Annotated[float, Ge(0), Le(1)] = 0.0005
    two_qubit_error: Annotated[float, Ge(0), Le(1)] = 0.01
    readout_error: Annotated[float, Ge(0), Le(0.5)] = 0.02


SCALES = {
    "quick": Config(mc_runs=4, rp_runs=3, adam_steps=150, spsa_runs=1, spsa_iterations=500),
    "full": Config(),
}


def _parameters(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.of(m["mc/parameters"], m["mc/parameters"] == 40, "trained angles of the 17 words")


def _qubits(m: Mapping[str, float], config: Config) -> Verdict:
    holds = m["qubits/bent"] == 3 and m["qubits/naive"] == 5 and m["meaning/largest_difference"] < 1e-12
    return Verdict.of(
        m["qubits/bent"],
        holds,
        f"qubits of 'man prepares meal' after bending; {m['qubits/naive']:.0f} before, meanings differ by "
        f"{m['meaning/largest_difference']:.1e}",
    )


def _converges(m: Mapping[str, float], config: Config) -> Verdict:
    share = m["mc/adam/no_training_error"]
    return Verdict.of(share, share >= 0.8, f"share of {config.mc_runs} runs (Adam) that end without a training error")


def _spsa(m: Mapping[str, float], config: Config) -> Verdict:
    if config.spsa_iterations < 2000:
        return Verdict.untested(f"{config.spsa_iterations} iterations of SPSA; the paper has 2000")
    error = m["mc/spsa/train_error"]
    return Verdict.of(error, error <= 0.02, f"mean training error of {config.spsa_runs} runs")


def _mc_test(m: Mapping[str, float], config: Config) -> Verdict:
    error = m["mc/adam/test_error"]
    return Verdict.of(error, error <= 0.05, f"mean test error of {config.mc_runs} runs, exact simulation")


def _device(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.untested(
        f"the device is not at hand; with {config.shots} shots under simulated noise the mean test error is {m['mc/noisy/test_error']:.3f}"
    )


def _order(m: Mapping[str, float], config: Config) -> Verdict:
    gain = m["rp/bag/test_error"] - m["rp/grammar/test_error"]
    return Verdict.of(
        gain, gain >= 0.10, f"test error of the bag of words ({m['rp/bag/test_error']:.3f}) minus that of the grammar"
    )


def _ranking(m: Mapping[str, float], config: Config) -> Verdict:
    errors = [m[f"rp/{r}/test_error"] for r in READERS]
    text = ", ".join(f"{r} {e:.3f}" for r, e in zip(READERS, errors, strict=True))
    return Verdict.of(errors[0], errors[0] <= errors[1] <= errors[2], f"mean test errors on RP: {text}")


CLAIMS = (
    Claim("forty_parameters", "The model of the MC task has 40 parameters.", 40.0, _parameters),
    Claim("fewer_qubits", "Bending nouns takes a transitive sentence from 5 qubits to 3.", 3.0, _qubits),
    Claim("mc_trainable", "On MC exact simulation converges to (near-)zero training error.", "near zero", _converges),
    Claim("mc_spsa", "So it does with SPSA in 2000 iterations.", "near zero", _spsa),
    Claim("mc_generalises", "Unseen MC sentences are classified, too.", "near zero", _mc_test),
    Claim("mc_on_device", "On a noisy device with 8192 shots the MC test error is 16.7 %.", 0.167, _device),
    Claim("rp_needs_order", "On RP, where order decides, grammar beats the bag of words.", "at least 0.10", _order),
    Claim(
        "rp_ranking",
        "On RP grammar is no worse than the sequence, and that no worse than the bag.",
        "ordering",
        _ranking,
    ),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """Compile, train, read out."""
    metrics: dict[str, float] = dict(run.step("rewriting", partial(_rewriting, run)))
    mc = [run.step(f"mc {k}", partial(_mc, config, run, k)) for k in run.progress(range(config.mc_runs), "MC, Adam")]
    spsa = [
        run.step(f"spsa {k}", partial(_spsa_run, config, run, k))
        for k in run.progress(range(config.spsa_runs), "MC, SPSA")
    ]
    rp = [run.step(f"rp {k}", partial(_rp, config, run, k)) for k in run.progress(range(config.rp_runs), "RP")]
    import numpy as np

    for name, rows in (("mc", mc), ("mc/spsa", spsa), ("rp", rp)):
        for key in (k for k in rows[0] if k != "history"):
            metrics[f"{name}/{key}"] = float(np.mean([row[key] for row in rows]))
            if key.endswith("error"):
                metrics[f"{name}/{key}/spread"] = float(np.std([row[key] for row in rows]))
    metrics["mc/adam/no_training_error"] = float(np.mean([row["adam/train_error"] == 0 for row in mc]))
    table = [
        {
            "task": task,
            "model": model,
            "train": metrics.get(f"{key}/train_error"),
            "test": metrics[f"{key}/test_error"],
            "spread": metrics[f"{key}/test_error/spread"],
        }
        for task, model, key in (
            ("MC", "Adam, exact", "mc/adam"),
            ("MC", f"Adam, {config.shots} shots", "mc/shots"),
            ("MC", f"Adam, {config.shots} shots, noise", "mc/noisy"),
            ("MC", "SPSA, exact", "mc/spsa"),
            *(("RP", reader, f"rp/{reader}") for reader in READERS),
        )
    ]
    run.table("errors", table, "Mean errors over the runs and the standard deviation of the test error")
    run.note(
        "RP is drawn from word lists of the library's own; nouns and verbs have the same distribution in both classes."
    )
    run.note("The noise is depolarising after each gate with readout errors; it stands in for the paper's device.")
    figure, axes = run.subplots()
    for label, rows in (("Adam (exact gradients)", mc), ("SPSA", spsa)):
        curves = np.array([row["history"] for row in rows])
        middle = curves.mean(0)
        (line,) = axes.plot(middle, label=label)
        axes.fill_between(
            range(len(middle)), curves.min(0), curves.max(0), color=line.get_color(), alpha=0.15, linewidth=0
        )
    axes.set(xlabel="step", ylabel="loss (bits)", xscale="symlog", ylim=(0, None))
    axes.legend(frameon=False)
    run.figure("training", figure, "Training loss on MC: mean and range over the runs.")
    figure, axes = run.subplots(width=5.5, height=3.6)
    axes.boxplot([[row[f"{r}/test_error"] for row in rp] for r in READERS], tick_labels=list(READERS))
    axes.axhline(12 / 31, color="0.5", linewidth=1, linestyle="--")
    axes.set(ylabel="test error on RP")
    run.figure("readers", figure, "Test error on RP by reader; the dashed line is always guessing the larger class.")
    return metrics


def _rewriting(run: Run) -> dict[str, float]:
    """One sentence through all stages, drawn; and how much the rewrites change meanings."""
    import numpy as np

    from bitket.quantum.language import CircuitFunctor, IQPAnsatz, SentenceModel, bend_nouns, remove_cups

    functor = CircuitFunctor(IQPAnsatz())
    parse = _readers()["parse"]
    parsed = parse("man prepares meal")
    bent = bend_nouns(parsed)
    compiled = [functor(d) for d in (parsed, bent)]
    longer = parse("skillful man prepares tasty meal")
    run.figure("diagram", longer.draw("figure"), "A sentence as it is parsed: words are states, cups are contractions.")
    run.figure(
        "rewritten",
        remove_cups(longer).draw("figure"),
        "The same without cups: every second word is bent into an effect.",
    )
    run.figure(
        "circuit", compiled[1].circuit.draw("figure"), "The circuit of 'man prepares meal' after bending its nouns."
    )
    differences = []
    for sentence in ("man prepares meal", "skillful woman cooks sauce", "person runs useful software"):
        diagrams = [parse(sentence), bend_nouns(parse(sentence)), remove_cups(parse(sentence))]
        weights = SentenceModel(functor, seed=run.seed).initialise(diagrams).save_weights()
        meanings = [c.meaning([weights[p.name] for p in c.circuit.weights]).numpy() for c in map(functor, diagrams)]
        differences += [float(np.abs(m - meanings[0]).max()) for m in meanings[1:]]
    return {
        "qubits/naive": float(compiled[0].circuit.num_qubits),
        "qubits/bent": float(compiled[1].circuit.num_qubits),
        "postselected/naive": float(len(compiled[0].postselected)),
        "postselected/bent": float(len(compiled[1].postselected)),
        "meaning/largest_difference": max(differences),
    }


def _readers() -> dict[str, Any]:
    from bitket.quantum.language import (
        PregroupParser,
        Ty,
        bag_of_words,
        mc_lexicon,
        remove_cups,
        rp_lexicon,
        wire_pronouns,
        word_sequence,
    )

    sentences, phrases, n = PregroupParser(mc_lexicon()), PregroupParser(rp_lexicon()), Ty("n")
    return {
        "parse": sentences.parse,
        "mc": lambda text: remove_cups(sentences.parse(text)),
        "grammar": lambda text: remove_cups(wire_pronouns(phrases.parse(text, n))),
        "sequence": lambda text: remove_cups(word_sequence(text, n)),
        "bag": lambda text: bag_of_words(text, n),
    }


def _seed(run: Run, name: str) -> int:
    return int(run.generator(name).integers(2**31))


def _mc_parts(seed: int) -> dict[str, Any]:
    from bitket.quantum.language import mc_dataset

    data, read = mc_dataset(seed), _readers()["mc"]
    parts = {name: data.part(name) for name in ("train", "dev", "test")}
    return {name: ([read(text) for text in texts], labels) for name, (texts, labels) in parts.items()}


def _mc(config: Config, run: Run, k: int) -> dict[str, Any]:
    from bitket.learning import Adam
    from bitket.quantum.language import CircuitFunctor, IQPAnsatz, SentenceModel
    from bitket.quantum.noise import NoiseModel

    seed = _seed(run, f"mc {k}")
    parts, functor = _mc_parts(seed), CircuitFunctor(IQPAnsatz())
    model = SentenceModel(functor, Adam(config.adam_steps, config.adam_rate), seed=seed)
    extra = [*parts["dev"][0], *parts["test"][0]]
    model.fit(*parts["train"], extra=extra)
    found: dict[str, Any] = {f"adam/{name}_error": 1 - model.score(*parts[name]) for name in parts}
    found["parameters"] = float(len(model.vocabulary_))
    found["success_probability"] = float(model.success_probability(parts["test"][0]).mean())
    noise = NoiseModel.depolarizing(config.one_qubit_error, config.two_qubit_error).with_readout(config.readout_error)
    for name, model_noise in (("shots", None), ("noisy", noise)):
        reader = SentenceModel(functor, shots=config.shots, noise=model_noise, seed=seed)
        reader.initialise([*parts["train"][0], *extra]).weights_ = model.weights_
        found[f"{name}/train_error"] = 1 - reader.score(*parts["train"])
        found[f"{name}/test_error"] = 1 - reader.score(*parts["test"])
    run.log(task="mc", run=k, loss=model.history_[-1], **{n: v for n, v in found.items() if n.endswith("error")})
    return found | {"history": model.history_}


def _spsa_run(config: Config, run: Run, k: int) -> dict[str, Any]:
    from bitket.quantum.language import CircuitFunctor, IQPAnsatz, SentenceModel
    from bitket.quantum.language.model import paper_spsa

    seed = _seed(run, f"mc {k}")
    parts = _mc_parts(seed)
    model, extra = SentenceModel(CircuitFunctor(IQPAnsatz()), seed=seed), [*parts["dev"][0], *parts["test"][0]]
    texts, labels = parts["train"]
    gain = model.initialise([*texts, *extra]).spsa_gain(texts, labels, config.spsa_iterations)
    model.optimiser = paper_spsa(gain, config.spsa_iterations)
    model.fit(*parts["train"], extra=extra)
    errors = {f"{name}_error": 1 - model.score(*parts[name]) for name in parts} | {"gain": gain}
    run.log(task="mc, spsa", run=k, loss=model.history_[-1], **errors)
    return errors | {"history": model.history_}


def _rp(config: Config, run: Run, k: int) -> dict[str, float]:
    from bitket.learning import Adam
    from bitket.quantum.language import CircuitFunctor, IQPAnsatz, SentenceModel, rp_dataset

    seed = _seed(run, f"rp {k}")
    data, readers = rp_dataset(seed), _readers()
    functor = CircuitFunctor(IQPAnsatz({"n": 1, "s": 0}, layers=2, single=1))
    found = {}
    for reader in READERS:
        parts = {n: ([readers[reader](t) for t in data.part(n)[0]], data.part(n)[1]) for n in ("train", "test")}
        model = SentenceModel(functor, Adam(config.adam_steps, config.adam_rate), seed=seed)
        model.fit(*parts["train"], extra=parts["test"][0])
        for name, (diagrams, labels) in parts.items():
            found[f"{reader}/{name}_error"] = 1 - model.score(diagrams, labels)
    run.log(task="rp", run=k, **found)
    return found
