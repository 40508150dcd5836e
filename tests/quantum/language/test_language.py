"""Grammar, diagrams, rewriting, meanings as tensors and as circuits, training."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.learning import SPSA
from bitket.quantum.language import (
    MEALS_PARSER,
    Box,
    CircuitFunctor,
    Diagram,
    GrammarError,
    IQPAnsatz,
    PregroupParser,
    SentenceModel,
    TensorFunctor,
    Ty,
    Word,
    bend_nouns,
    cap,
    cup,
    functional_words,
    grammar_reader,
    meals_and_code,
    read_as_bag,
    read_as_sequence,
    read_labelled,
    relative_clauses,
    spider,
    swap,
)
from bitket.quantum.language.corpora import all_meals_and_code
from bitket.quantum.noise import NoiseModel

n, s = Ty("n"), Ty("s")
DIMENSIONS = {"n": 2, "s": 3}
CLAUSES = PregroupParser(
    {
        "that": ["subject pronoun", "object pronoun"],
        **{w: ["noun"] for w in ("chef", "meal", "critic")},
        **{w: ["transitive verb"] for w in ("cooks", "loves")},
        "famous": ["adjective"],
        "the": ["determiner"],
        "sleeps": ["intransitive verb"],
    }
)


def identity(wires: Ty) -> Diagram:
    return Diagram.id(wires)


@st.composite
def diagrams(draw: st.DrawFn, snakes: int = 0) -> Diagram:
    """Random boxes on random wires; ``snakes`` bent wires anywhere, which mean nothing."""
    wires = draw(st.lists(st.sampled_from([n, s, n.r, s.l]), min_size=1, max_size=3))
    diagram = identity(Ty(*(t for w in wires for t in w)))
    bent = 0
    for k in range(draw(st.integers(1, 5)) + snakes):
        now = diagram.cod
        at = draw(st.integers(0, max(0, len(now) - 1)))
        left, wire, right = identity(now[:at]), now[at : at + 1], identity(now[at + 1 :])
        if bent < snakes and len(wire):
            bent += 1
            if draw(st.booleans()):
                piece = identity(wire) @ cap(wire.r, wire) >> cup(wire, wire.r) @ identity(wire)
            else:
                piece = cap(wire, wire.l) @ identity(wire) >> identity(wire) @ cup(wire.l, wire)
        elif len(now) < 5 and draw(st.booleans()):
            out = draw(st.sampled_from([n, s, n @ s, Ty()]))
            piece = Diagram.of(wire, [(0, Box(f"box {k} {wire} {out}", wire, out))])
        else:
            piece = Diagram.of(wire, [(0, Box(f"end {k} {wire}", wire, wire))]) if len(wire) else identity(Ty())
        diagram = diagram >> left @ piece @ right
    return diagram


def functor(diagram: Diagram, seed: int = 0) -> TensorFunctor:
    """Random arrays for the boxes of a diagram, the same ones for the same names."""
    arrays = {}
    for box in diagram.boxes:
        if box.kind in ("box", "word"):
            size = math.prod(DIMENSIONS[t.name] for t in (*box.dom, *box.cod))
            rng = np.random.default_rng([seed, *box.name.encode()])
            arrays[box.name] = rng.normal(size=size) + 1j * rng.normal(size=size)
    return TensorFunctor(DIMENSIONS, arrays)


def close(a, b) -> None:
    scale = max(1.0, float(np.abs(a).max(initial=0.0)))
    np.testing.assert_allclose(a, b, atol=1e-12 * scale, rtol=1e-12)


@given(diagrams(snakes=2))
@settings(deadline=None, max_examples=250)
def test_normal_forms_have_no_snake_and_mean_the_same(diagram):
    straight = diagram.normal_form()
    assert straight._snake() is None
    assert not any(box.kind in ("cup", "cap") for box in straight.boxes)
    assert (straight.dom, straight.cod) == (diagram.dom, diagram.cod)
    F = functor(diagram)
    close(F(diagram), F(straight))


@given(diagrams(), diagrams(), st.integers(0, 3))
@settings(deadline=None, max_examples=250)
def test_functors_and_interchange(one, other, k):
    both = one @ other
    F = functor(both)
    dom_one = one.dom
    product = np.multiply.outer(F(one), F(other))
    i, j, a, b = (len(w) for w in (dom_one, one.cod, other.dom, other.cod))
    order = [*range(i), *range(i + j, i + j + a), *range(i, i + j), *range(i + j + a, i + j + a + b)]
    close(F(both), product.transpose(order))
    if k + 1 < len(both.layers):
        try:
            moved = both.interchange(k)
        except GrammarError:
            return
        close(F(both), F(moved))
        assert moved.interchange(k) == both or moved.layers[k + 1] == both.layers[k]


@given(diagrams())
@settings(deadline=None, max_examples=60)
def test_daggers(diagram):
    F = functor(diagram)
    k = len(diagram.dom)
    value = F(diagram)
    close(F(diagram.dagger()), np.moveaxis(value.conj(), range(k), range(value.ndim - k, value.ndim)))
    assert diagram.dagger().dagger() == diagram


def test_structure_means_what_it_says():
    F = TensorFunctor({"n": 3}, {})
    np.testing.assert_array_equal(F(cup(n, n.r)), np.eye(3))
    a, b = np.arange(3.0), np.arange(3.0) ** 2
    G = TensorFunctor({"n": 3}, {"a": a, "b": b})
    states = identity(Ty()) @ Word("a", n) @ Word("b", n)
    np.testing.assert_array_equal(G(states >> swap(n, n)), np.outer(b, a))
    np.testing.assert_array_equal(G(states >> spider(2, 1, n)), a * b)


def test_all_sentences_have_one_reading():
    sentences = all_meals_and_code()
    assert len({text for text, _ in sentences}) == 162
    for text, _ in sentences:
        assert len(list(MEALS_PARSER.parses(text))) == 1


def test_readings_of_clauses():
    for text in ("chef that cooks meal", "meal that chef cooks", "the famous chef that loves meal that critic loves"):
        assert CLAUSES.parse(text, n).cod == n
    assert CLAUSES.parse("the famous chef that cooks meal sleeps").cod == s
    readings = list(CLAUSES.parses("chef that cooks meal that critic loves", n))
    assert len(readings) == 2  # what the critic loves: the chef, or the meal


def test_long_phrases_parse():
    assert PregroupParser({"very": ["adjective"], "meal": ["noun"]}).parse(["very"] * 199 + ["meal"], n).cod == n


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: MEALS_PARSER.parse("cooks man meal"), "reduces to n.r s n, not to s"),
        (lambda: MEALS_PARSER.parse("man cooks pizza"), "word 'pizza'"),
        (lambda: MEALS_PARSER.parse(""), "empty sentence"),
        (lambda: PregroupParser({"a": ["verb"]}), "category 'verb'"),
        (lambda: Ty("n.l"), "adjoints are written"),
        (lambda: Ty.parse("n.x"), "basic types"),
        (lambda: cup(n, n), "right adjoint"),
        (lambda: cap(n, n), "right adjoint"),
        (lambda: identity(n) >> identity(s), "do not fit"),
        (lambda: Diagram.of(n, [(0, Box("f", s, s))]), "is needed there"),
        (lambda: TensorFunctor({"n": 2}, {})(identity(Ty()) @ Word("a", n)), "array was not given"),
        (lambda: TensorFunctor({"n": 2}, {"a": [1]})(identity(Ty()) @ Word("a", n)), "1 entries"),
        (lambda: CircuitFunctor()(identity(n)), "a sentence has none"),
        (lambda: IQPAnsatz(single=4), "1, 2 or 3"),
        (lambda: relative_clauses(unseen=40), "0 to 31"),
        (lambda: SentenceModel(read_as_bag).fit(["a"], [2], generator=np.random.default_rng(0)), "labels 0 or 1"),
        (lambda: SentenceModel(read_as_bag, shots=5).fit(["a"], [1], generator=np.random.default_rng(0)), "SPSA"),
    ],
)
def test_wrong_input(wrong, message):
    with pytest.raises(InvalidInput, match=message):
        wrong()


def random_values(symbols, seed=0):
    rng = np.random.default_rng(seed)
    return {symbol: float(rng.uniform()) for symbol in sorted(symbols)}


def tensors(diagram: Diagram, C: CircuitFunctor, values) -> TensorFunctor:
    arrays = {box.name: C.array(box, values) for box in diagram.boxes if box.kind == "word"}
    return TensorFunctor({t: 1 << q for t, q in C.qubits.items()}, arrays)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (2, 1)])
def test_circuits_mean_what_tensors_mean(sizes):
    C = CircuitFunctor(dict(zip("ns", sizes, strict=True)), IQPAnsatz(2))
    texts = [t for t, _ in all_meals_and_code()][:: 1 if sizes == (1, 1) else 40]
    for text in texts:
        diagram = MEALS_PARSER.parse(text)
        plain, bent = C(diagram), C(bend_nouns(diagram))
        values = random_values({*plain.symbols, *bent.symbols})
        F = tensors(diagram, C, values)
        exact = F(diagram).reshape(-1)
        for circuit in (plain, bent):
            np.testing.assert_allclose(circuit.amplitudes(values).reshape(-1), exact, atol=1e-10)


@pytest.mark.parametrize("text", ["chef that cooks meal", "meal that chef cooks", "famous chef that loves meal"])
@pytest.mark.parametrize("sentence_qubits", [0, 1])
def test_relative_pronouns_as_spiders(text, sentence_qubits):
    C = CircuitFunctor({"n": 1, "s": sentence_qubits}, IQPAnsatz(2, 2))
    diagram = functional_words(CLAUSES.parse(text, n))
    bent = bend_nouns(diagram)
    assert C(bent).circuit.num_qubits < C(diagram).circuit.num_qubits
    values = random_values(C(diagram).symbols)
    exact = tensors(diagram, C, values)(diagram).reshape(-1)
    for d in (diagram, bent):
        np.testing.assert_allclose(C(d).amplitudes(values).reshape(-1), exact, atol=1e-10)


def test_worked_values_and_sizes():
    diagram = MEALS_PARSER.parse("man prepares meal")
    C = CircuitFunctor()
    plain, bent = C(diagram), C(bend_nouns(diagram))
    assert (plain.circuit.num_qubits, len(plain.post_selected)) == (5, 4)
    assert (bent.circuit.num_qubits, len(bent.post_selected)) == (3, 2)
    given_values = {"man (n)": (0.1, 0.2, 0.3), "meal (n)": (0.4, 0.5, 0.6), "prepares (n.r s n.l)": (0.25, 0.6)}
    values = {f"{word}[{k}]": v for word, vs in given_values.items() for k, v in enumerate(vs)}
    for circuit in (plain, bent):
        p = np.abs(circuit.amplitudes(values)) ** 2
        assert p.sum() == pytest.approx(0.5272387865, abs=1e-9)
        assert p[0] / p.sum() == pytest.approx(0.3793099, abs=1e-6)


def test_meals_need_forty_parameters():
    model = SentenceModel(grammar_reader(MEALS_PARSER))
    model.compile([text for text, _ in all_meals_and_code()], grow=True)
    assert len(model.symbols) == 40


def test_probabilities_are_the_amplitudes():
    corpus = meals_and_code(0)
    texts = [t for t, _ in corpus.train[:9]]
    model = SentenceModel(grammar_reader(corpus.parser))
    model.compile(texts, grow=True)
    model.weights = np.random.default_rng(0).uniform(size=len(model.symbols))
    values = dict(zip(model.symbols, model.weights.tolist(), strict=True))
    for text, p, success in zip(texts, model.predict_proba(texts), model.success_probability(texts), strict=True):
        circuit = CircuitFunctor()(bend_nouns(corpus.parser.parse(text)))
        exact = np.abs(circuit.amplitudes(values) / circuit.scale) ** 2
        assert success == pytest.approx(exact.sum(), abs=1e-12)
        np.testing.assert_allclose(p, exact / exact.sum(), atol=1e-6)


def test_training_learns_meals():
    corpus = meals_and_code(0)
    texts, labels = zip(*corpus.train, strict=True)
    model = SentenceModel(grammar_reader(corpus.parser))
    losses = model.fit(texts, labels, generator=np.random.default_rng(0), epochs=150)
    assert losses[-1] < 0.1 < losses[0]
    assert model.score(texts, labels) == 1.0
    assert model.score(*zip(*corpus.test, strict=True)) >= 0.9


def test_training_by_spsa_and_shots_repeats():
    corpus = meals_and_code(1)
    texts, labels = zip(*corpus.train[:20], strict=True)
    found = []
    for _ in range(2):
        model = SentenceModel(grammar_reader(corpus.parser), shots=2000)
        generator = np.random.default_rng(3)
        losses = model.fit(texts, labels, generator=generator, optimiser=SPSA(30, bounds=(0.0, 1.0)))
        found.append((losses, model.weights.tolist(), model.predict(texts, generator).tolist()))
    assert found[0] == found[1]
    assert len(found[0][0]) == 30


def test_shots_lie_within_five_standard_errors():
    corpus = meals_and_code(0)
    texts = [t for t, _ in corpus.train]
    exact, noisy = (SentenceModel(grammar_reader(corpus.parser), shots=k) for k in (None, 8192))
    for model in (exact, noisy):
        model.compile(texts, grow=True)
        model.weights = np.random.default_rng(5).uniform(size=len(model.symbols))
    p, success = exact.predict_proba(texts)[:, 0], exact.success_probability(texts)
    q = noisy.predict_proba(texts, np.random.default_rng(0))[:, 0]
    errors = np.sqrt(p * (1 - p) / (8192 * success))
    assert (np.abs(p - q) <= 5 * errors + 1e-6).mean() >= 0.99


def test_no_surviving_shot_is_a_tie():
    model = SentenceModel(read_as_sequence, shots=1)
    text = "a b c"
    model.compile([text], grow=True)
    model.weights = np.random.default_rng(0).uniform(size=len(model.symbols))
    answers = {int(model.predict([text], np.random.default_rng(k))[0]) for k in range(40)}
    assert -1 in answers


def test_noise_lowers_the_contrast():
    corpus = meals_and_code(0)
    texts, labels = zip(*corpus.train, strict=True)
    model = SentenceModel(grammar_reader(corpus.parser))
    model.fit(texts, labels, generator=np.random.default_rng(0), epochs=60)
    sharp = np.abs(model.predict_proba(texts)[:, 0] - 0.5).mean()
    model.noise = NoiseModel.depolarizing(0.01, 0.05)
    assert np.abs(model.predict_proba(texts)[:, 0] - 0.5).mean() < sharp


def test_order_does_not_matter_to_a_bag():
    model = SentenceModel(read_as_bag)
    model.compile(["a b c"], grow=True)
    model.weights = np.random.default_rng(0).uniform(size=len(model.symbols))
    np.testing.assert_allclose(*model.predict_proba(["a b c", "c a b"]), atol=1e-9)


def test_relative_clauses_are_balanced():
    corpus = relative_clauses(2)
    assert (len(corpus.train), len(corpus.test)) == (74, 31)
    labels = [label for _, label in corpus.train + corpus.test]
    assert sum(labels) == 65
    seen = {w for text, _ in corpus.train for w in text.split()}
    assert all(set(text.split()) <= seen for text, _ in corpus.test)
    assert not {t for t, _ in corpus.train} & {t for t, _ in corpus.test}
    for text, label in corpus.train:
        _, second, third, fourth = text.split()
        assert second == "that"
        verb = third if label == 0 else fourth
        assert corpus.lexicon[verb] == ["transitive verb"]
        assert corpus.parser.parse(text, n).cod == n
    unseen = relative_clauses(2, unseen=10)
    seen = {w for text, _ in unseen.train for w in text.split()}
    assert sum(not set(text.split()) <= seen for text, _ in unseen.test) == 10


def test_labelled_files(tmp_path):
    path = tmp_path / "phrases.txt"
    path.write_text("1 device_N that_RPRON detects_TV planets_N\n\n0 device_N that_RPRON astronomer_N uses_TV\n")
    sentences, lexicon = read_labelled(path)
    assert sentences == [("device that detects planets", 1), ("device that astronomer uses", 0)]
    parser = PregroupParser(lexicon)
    assert all(parser.parse(text, n).cod == n for text, _ in sentences)
    for text, message in (("2 a_N", "line 1: a label"), ("1 a_X", "'a_X'"), ("", "no sentences")):
        path.write_text(text)
        with pytest.raises(InvalidInput, match=message):
            read_labelled(path)
    with pytest.raises(InvalidInput, match="cannot read"):
        read_labelled(tmp_path / "none.txt")
