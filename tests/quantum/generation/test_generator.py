import dataclasses
import math

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from bitket.errors import InvalidInput
from bitket.learning import Training
from bitket.quantum.circuits.qasm import read_qasm
from bitket.quantum.generation import CircuitGPT, GeneratorConfig, NGramModel, RandomCircuitBaseline, drawn_sizes
from bitket.quantum.generation.constraints import largest_integer
from bitket.quantum.generation.tokenizers import UNKNOWN
from bitket.quantum.simulation import statevector


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["line", "gate"])
def test_files_under_the_grammar_parse_in_qiskit_and_simulate(trained, kind):
    files = trained[kind].sample(250, generator=seeded(), constraint="grammar")
    for k, text in enumerate(files):
        theirs = QuantumCircuit.from_qasm_str(text)
        ours = read_qasm(text)
        assert theirs.num_qubits == ours.num_qubits <= 12
        if k % 5 == 0:
            plain = QuantumCircuit(theirs.num_qubits)
            mine = type(ours)(ours.num_qubits)
            for i in theirs.data:
                if i.operation.name not in ("measure", "barrier"):
                    plain.append(i.operation, [theirs.find_bit(q).index for q in i.qubits])
            for i in ours:
                if i.gate is not None:
                    mine.append(i.gate, i.qubits)
            psi = statevector(mine).numpy()
            assert abs(np.vdot(psi, psi) - 1) < 1e-10
            assert abs(abs(np.vdot(psi, Statevector(plain).data)) - 1) < 1e-10


def test_no_gate_acts_on_a_measured_qubit(trained):
    for kind in ("line", "gate"):
        for text in trained[kind].sample(60, generator=seeded(1), top_k=50, temperature=2.0):
            measured = set()
            for i in read_qasm(text):
                assert not measured & set(i.qubits)
                if i.name == "measure":
                    measured |= set(i.qubits)


def test_the_paper_s_constraint(trained):
    files = trained["line"].sample(200, generator=seeded(2), constraint="paper")
    limit = max(trained["line"].sizes[:, 1])
    for text in files:
        lines = text.splitlines()
        n = int(lines[2].removeprefix("qreg q[").removesuffix("];"))
        assert all(largest_integer(line) < n for line in lines[3:])
        assert not any(line.startswith(("OPENQASM", "include", "qreg")) for line in lines[3:])
        assert len(lines) <= limit
        runs = [tuple(lines[k : k + 15]) for k in range(len(lines) - 14)]
        assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("ngram", [1, 2, 5])
def test_no_run_of_tokens_comes_twice(trained, ngram):
    for text in trained["line"].sample(
        20, generator=seeded(3), n_qubits=5, max_lines=90, no_repeat_ngram=ngram, constraint="none", top_k=3
    ):
        ids = trained["line"].tokenizer.encode(text)
        runs = [tuple(ids[k : k + ngram]) for k in range(len(ids) - ngram + 1)]
        assert len(set(runs)) == len(runs)
        assert len(ids) <= 90


@pytest.mark.parametrize("constraint", ["none", "grammar"])
@pytest.mark.parametrize("kind", ["line", "gate"])
def test_a_cache_and_the_batch_change_no_token(trained, kind, constraint):
    g = trained[kind]
    some = {"n_qubits": 6, "max_lines": 40, "constraint": constraint}
    files = g.sample(12, generator=seeded(4), **some)
    assert g.sample(12, generator=seeded(4), cached=False, **some) == files
    assert g.sample(12, generator=seeded(5), **some) != files
    assert len(set(files)) > 6


def test_top_one_is_the_likeliest(trained):
    files = trained["line"].sample(
        3, generator=seeded(6), n_qubits=5, max_lines=20, top_k=1, no_repeat_ngram=0, constraint="none"
    )
    assert len(set(files)) == 1
    ids = trained["line"].tokenizer.encode(files[0])
    scores = trained["line"].model(torch.tensor([ids]))[0]
    scores[:, [0, 1, 3, 4, 5]] = -math.inf
    assert scores.argmax(1)[2:-1].tolist() == ids[3:]


def test_sampled_frequencies_are_the_model_s(trained):
    """First tokens of many files against softmax over the top five."""
    g = trained["line"]
    files = g.sample(3000, generator=seeded(7), n_qubits=4, max_lines=4, constraint="none", batch=3000, temperature=1.5)
    prompt = g.tokenizer.encode("".join(files[0].splitlines(keepends=True)[:3]))
    scores = g.model(torch.tensor([prompt]))[0, -1].detach()
    scores[[0, 1, 3, 4, 5]] = -math.inf
    values, places = scores.topk(5)
    for p, place in zip(torch.softmax(values / 1.5, 0).tolist(), places.tolist(), strict=True):
        seen = sum(g.tokenizer.encode(text)[3:] == ([place] if place != 2 else []) for text in files) / 3000
        assert abs(seen - p) < 5 * math.sqrt(p * (1 - p) / 3000) + 1e-9


def test_perplexity_is_below_that_of_n_grams(trained, parts):
    g, (train, held) = trained["line"], parts
    encode = g.tokenizer.encode
    ngrams = {n: NGramModel(n, len(g.tokenizer), [encode(t) for t in train.texts]) for n in (1, 3)}
    unigram, trigram = (m.perplexity([encode(t) for t in held.texts]) for m in ngrams.values())
    found = g.perplexity(held)
    assert found.unknown == g.tokenizer.unknown(held.texts)
    assert found.tokens + found.unknown == sum(held.sizes[:, 1])  # the first is given, the end token counts
    assert found.value * 5 <= unigram
    assert trigram < unigram
    assert g.perplexity(train).value < found.value


def test_n_gram_probabilities_sum_to_one():
    sequences = [[6, 7, 6, 8], [6, 7, 7], [9]]
    for order in (1, 2, 3):
        m = NGramModel(order, 11, sequences)
        for history in ([], [6], [6, 7], [8, 9], [10, 10]):
            assert sum(m.probability(t, history) for t in range(11)) == pytest.approx(1, abs=1e-12)
    m = NGramModel(1, 11, [[6, 6, 6]])
    assert m.probability(6, []) == pytest.approx((3 + 2 / 11) / 6)
    assert m.perplexity([[6, UNKNOWN, 6]]) == pytest.approx(
        math.exp(-(math.log((3 + 2 / 11) / 6) + math.log((1 + 2 / 11) / 6)) / 2)
    )
    with pytest.raises(InvalidInput, match="order 0"):
        NGramModel(0, 3, [])


def test_a_killed_training_goes_on(parts, tmp_path):
    training = Training(2, batch_size=16, optimiser="adamw", learning_rate=1e-3, checkpoint_every=1)
    config = GeneratorConfig(16, 1, 1, 128)

    class Killed(Exception):
        pass

    def kill(epochs, loss):
        if epochs == 2:
            raise Killed

    whole, resumed = CircuitGPT(config), CircuitGPT(config)
    whole.fit(parts[1], training, generator=seeded())
    with pytest.raises(Killed):
        resumed.fit(parts[1], training, generator=seeded(), checkpoint=tmp_path / "c", callback=kill)
    resumed.fit(parts[1], training, generator=seeded(), checkpoint=tmp_path / "c")
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["line", "gate"])
def test_files_of_generators(trained, kind, tmp_path):
    trained[kind].save(tmp_path / "m.safetensors")
    again = CircuitGPT.load(tmp_path / "m.safetensors")
    assert again.config == trained[kind].config
    assert again.sample(4, generator=seeded()) == trained[kind].sample(4, generator=seeded())
    (tmp_path / "other").write_bytes(b"no model")
    for name, message in (("other", "not a generator"), ("nowhere", "there is no such file")):
        with pytest.raises(InvalidInput, match=message):
            CircuitGPT.load(tmp_path / name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_qubits": 40}, "40 qubits: larger than any training file; first registers have 1 to 7"),
        ({"max_lines": 128}, "128 lines: 4 to 127 are possible, as the context holds 128 tokens"),
        ({"max_lines": 3}, "3 lines: 4 to 127"),
        ({"n_qubits": 0}, "0 qubits: no training file has the line"),
        ({"top_k": 0}, "top_k 0"),
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"constraint": "strict"}, "constraint 'strict'"),
    ],
)
def test_bad_requests_are_named(trained, settings, message):
    with pytest.raises(InvalidInput, match=message):
        trained["line"].sample(1, generator=seeded(), **settings)


def test_errors_before_and_in_fitting(corpus, trained):
    with pytest.raises(InvalidInput, match="fit or load it first"):
        CircuitGPT().sample(1, generator=seeded())
    with pytest.raises(InvalidInput, match="constraint 'paper' forbids lines"):
        trained["gate"].sample(1, generator=seeded(), constraint="paper")
    long = dataclasses.replace(trained["line"].config, context=32)
    with pytest.raises(InvalidInput, match="tokens; the context holds 32"):
        CircuitGPT(long).fit(corpus, generator=seeded())


def test_random_files_are_uniform_over_the_lines_that_fit(corpus, trained):
    t = trained["line"].tokenizer
    files = RandomCircuitBaseline(t).sample([4] * 200, [53] * 200, np.random.default_rng(0))
    drawn = [line for text in files for line in text.splitlines(keepends=True)[3:]]
    allowed = [x for x in t.tokens[6:] if largest_integer(x) < 4 and not x.startswith(("OPENQASM", "include", "qreg"))]
    assert len(drawn) == 10_000
    assert set(drawn) <= set(allowed)
    counts = np.array([drawn.count(line) for line in allowed])
    expected = 10_000 / len(allowed)
    assert abs(((counts - expected) ** 2 / expected).sum() - len(allowed)) < 6 * math.sqrt(2 * len(allowed))
    qubits, lines = drawn_sizes(corpus, 50, np.random.default_rng(1))
    assert set(qubits) <= set(corpus.sizes[:, 0])
    for text in RandomCircuitBaseline(t, "grammar").sample(qubits, lines, np.random.default_rng(2)):
        QuantumCircuit.from_qasm_str(text)
    with pytest.raises(InvalidInput, match="positive numbers"):
        RandomCircuitBaseline(t).sample([0], [5], np.random.default_rng(0))
