import json
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from bitket.errors import InvalidInput
from bitket.learning import Adam
from bitket.quantum.language import (
    CircuitFunctor,
    IQPAnsatz,
    PregroupParser,
    SentenceModel,
    Sim14Ansatz,
    Sim15Ansatz,
    StronglyEntanglingAnsatz,
    TensorFunctor,
    Ty,
    bag_of_words,
    bend_nouns,
    curry,
    mc_dataset,
    mc_lexicon,
    read_sentences,
    remove_cups,
    rp_dataset,
    rp_lexicon,
    wire_determiners,
    wire_pronouns,
    word_sequence,
)
from bitket.quantum.language.datasets import all_mc_sentences
from bitket.quantum.language.model import UNKNOWN, paper_spsa
from bitket.quantum.language.parser import TAGS
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import statevector

PARSER = PregroupParser(mc_lexicon())
N = Ty("n")


def word_tensors(ansatz, weights):
    """The state of each word by its own circuit, alone: the semantics that sentence circuits are held against."""

    def array(box):
        circuit = ansatz.state(CircuitFunctor.weight_name(box), ansatz.width(box.type))
        state = statevector(circuit, [weights[p.name] for p in circuit.weights]).numpy()
        k = circuit.num_qubits
        return state.reshape((2,) * k).transpose()  # qubit 0 is the first leg

    return TensorFunctor({"n": 2, "s": 2}, array)


def meaning(compiled, weights):
    return (
        compiled.meaning([weights[p.name] for p in compiled.circuit.weights])
        .numpy()
        .reshape((2,) * len(compiled.outputs))
    )


@pytest.mark.parametrize("ansatz", [IQPAnsatz(), Sim14Ansatz(), Sim15Ansatz(), StronglyEntanglingAnsatz(layers=2)])
def test_circuits_mean_what_tensors_mean(ansatz):
    functor = CircuitFunctor(ansatz)
    diagrams = [PARSER.parse(x) for x, _ in all_mc_sentences()]
    weights = SentenceModel(functor, seed=3).initialise(diagrams).save_weights()
    F = word_tensors(ansatz, weights)
    for d in diagrams if isinstance(ansatz, IQPAnsatz) else diagrams[::9]:
        expected = F(d)
        for other in (d, bend_nouns(d), remove_cups(d), curry(d), d.normal_form()):
            assert np.abs(F(other) - expected).max() < 1e-12
            assert np.abs(meaning(functor(other), weights) - expected).max() < 1e-12


@pytest.mark.parametrize(
    "phrase",
    [
        "actor that admires the artist",
        "the actor that the artist admires",
        "actor that artist that admires king admires",
    ],
)
def test_pronouns_and_determiners_as_wires(phrase):
    ansatz = IQPAnsatz(layers=2)
    functor = CircuitFunctor(ansatz)
    parser = PregroupParser(rp_lexicon() | {"the": "DET"})
    for d in parser.parses(phrase, N):
        wired = wire_pronouns(wire_determiners(d))
        bent = remove_cups(wired)
        weights = SentenceModel(functor).initialise([wired]).save_weights()
        F = word_tensors(ansatz, weights)
        expected = F(wired)
        assert np.abs(expected).max() > 1e-3
        assert np.abs(F(bent) - expected).max() < 1e-12
        assert np.abs(meaning(functor(wired), weights) - expected).max() < 1e-10
        assert np.abs(meaning(functor(bent), weights) - expected).max() < 1e-10
        assert functor(bent).circuit.num_qubits < functor(wired).circuit.num_qubits


def test_a_relative_clause_is_the_product_of_noun_and_verb():
    arrays = {"actor": [1, 2], "king": [3, 5], "admires": np.arange(1.0, 9).reshape(2, 2, 2)}
    F = TensorFunctor({"n": 2, "s": 2}, arrays)
    parser = PregroupParser(rp_lexicon())
    verb = np.asarray(arrays["admires"]).sum(1)
    subject = F(wire_pronouns(parser.parse("actor that admires king", N)))
    assert np.allclose(subject, np.array([1, 2]) * (verb @ [3, 5]))
    assert np.allclose(F(wire_pronouns(parser.parse("actor that king admires", N))), np.array([1, 2]) * ([3, 5] @ verb))


def test_worked_value_and_qubit_counts():
    functor = CircuitFunctor(IQPAnsatz({N: 1, Ty("s"): 1}, layers=1, single=3))
    naive = PARSER.parse("man prepares meal")
    bent = bend_nouns(naive)
    assert [functor(d).circuit.num_qubits for d in (naive, bent)] == [5, 3]
    assert [len(functor(d).postselected) for d in (naive, bent)] == [4, 2]
    model = SentenceModel(functor).initialise([bent])
    values = {"man:n": (0.1, 0.2, 0.3), "meal:n": (0.4, 0.5, 0.6), "prepares:n.r·s·n.l": (0.25, 0.6)}
    model.weights_ = np.array([values[v.split("[")[0]][int(v[-2])] for v in model.vocabulary_])
    assert model.success_probability([bent])[0] == pytest.approx(0.5272387865, abs=1e-9)
    assert model.predict_proba([bent])[0, 1] == pytest.approx(0.3793099, abs=1e-6)


def test_every_mc_sentence_has_one_parse():
    assert len({x for x, _ in all_mc_sentences()}) == 162
    assert all(len(list(PARSER.parses(x))) == 1 for x, _ in all_mc_sentences())


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("cooks man meal", r"'cooks man meal' does not reduce to s: its type reduces to n.r·s·n at best"),
        ("man eats meal", r"word 'eats' \(number 2 of 'man eats meal'\)"),
        ("", "empty"),
    ],
)
def test_parse_errors_name_the_trouble(sentence, message):
    with pytest.raises(ValueError, match=message):
        PARSER.parse(sentence)


def test_long_phrases_and_ambiguity():
    phrase = ["skillful"] * 199 + ["man"]
    assert PARSER.parse(phrase, N).cod == N
    several = PregroupParser({"a": "x·x.l", "b": "x", "c": ["x.r·x", "x·x.l"]})
    found = list(several.parses("a b c", Ty("x")))
    assert len(found) == len(set(found)) == 2


def test_forty_weights_and_training():
    train, labels = mc_dataset(1).part("train")
    test, truth = mc_dataset(1).part("test")
    a, b = ([remove_cups(PARSER.parse(x)) for x in part] for part in (train, test))
    model = SentenceModel(CircuitFunctor(IQPAnsatz()), seed=1).fit(a, labels, extra=b)
    assert len(model.vocabulary_) == 40
    assert model.score(a, labels) == 1
    assert model.score(b, truth) >= 0.9
    assert model.loss(a, labels) == pytest.approx(model.history_[-1], abs=0.01)
    again = SentenceModel(CircuitFunctor(IQPAnsatz()), seed=1).fit(a, labels, extra=b)
    assert np.array_equal(again.weights_, model.weights_)


def test_spsa_lowers_the_loss():
    train, labels = mc_dataset(1).part("train")
    a = [remove_cups(PARSER.parse(x)) for x in train]
    model = SentenceModel(CircuitFunctor(IQPAnsatz()), seed=1).initialise(a)
    before = model.loss(a, labels)
    model.optimiser = paper_spsa(model.spsa_gain(a, labels, 300, 100), 300)
    model.fit(a, labels)
    assert model.loss(a, labels) < before
    assert 0 <= model.weights_.min() <= model.weights_.max() <= 1


def test_shots_lie_within_five_standard_errors_and_no_shot_is_a_tie():
    every = [remove_cups(PARSER.parse(x)) for x, _ in all_mc_sentences()]
    functor = CircuitFunctor(IQPAnsatz())
    exact = SentenceModel(functor, seed=2).initialise(every)
    shots = SentenceModel(functor, seed=2, shots=8192).initialise(every)
    kept = exact.success_probability(every)
    p = exact.predict_proba(every)[:, 1]
    near = np.abs(shots.success_probability(every) - kept) <= 5 * np.sqrt(kept * (1 - kept) / 8192)
    close = np.abs(shots.predict_proba(every)[:, 1] - p) <= 5 * np.sqrt(p * (1 - p) / (kept * 8192)) + 1e-9
    assert near.mean() >= 0.99
    assert close.mean() >= 0.99
    once = SentenceModel(functor, seed=2, shots=1).initialise(every)
    none = once.predict_proba(every)[:, 0] == 0.5
    assert none.any()
    tied = once.tied(every)
    assert tied[none].all()
    assert np.array_equal(once.predict(every), once.predict_proba(every).argmax(-1))
    truth = np.array([y for _, y in all_mc_sentences()])
    assert once.score(every, truth) == np.mean((once.predict(every) == truth) & ~tied)  # a tie is no right answer
    assert not exact.tied(every).any()


def test_noise_without_strength_changes_nothing():
    every = [remove_cups(PARSER.parse(x)) for x, _ in all_mc_sentences()[::20]]
    functor = CircuitFunctor(IQPAnsatz())
    exact = SentenceModel(functor).initialise(every).predict_proba(every)
    calm = SentenceModel(functor, noise=NoiseModel.depolarizing(0.0, 0.0)).initialise(every).predict_proba(every)
    noisy = SentenceModel(functor, noise=NoiseModel.depolarizing(0.3, 0.3)).initialise(every).predict_proba(every)
    assert np.abs(calm - exact).max() < 1e-9
    assert np.abs(noisy - 0.5).mean() < np.abs(exact - 0.5).mean() / 2


def test_readers_without_grammar():
    arrays = {"START": [1.0, 2.0], "a": [[1.0, 2.0], [3.0, 4.0]], "b": [[0.0, 1.0], [1.0, 1.0]]}
    F = TensorFunctor({"n": 2}, arrays)
    d = word_sequence("a b", N)
    expected = np.array([1, 2]) @ np.array(arrays["a"]) @ np.array(arrays["b"])
    assert np.allclose(F(d), expected)
    assert np.allclose(F(remove_cups(d)), expected)
    G = TensorFunctor({"n": 2}, {"a": [2.0, 3.0], "b": [5.0, 7.0]})
    assert np.allclose(G(bag_of_words("a b", N)), [10, 21])


def test_datasets():
    data = mc_dataset(5)
    assert [len(data.part(p)[0]) for p in ("train", "dev", "test")] == [70, 30, 30]
    assert sum(data.labels) == 65
    assert len(set(data.sentences)) == 130
    for unseen in (0, 7):
        rp = rp_dataset(5, unseen_verbs=unseen)
        train, labels = rp.part("train")
        test, truth = rp.part("test")
        assert (len(train), len(test), sum(labels), sum(truth)) == (74, 31, 46, 19)
        verbs = {w for w in rp_lexicon() if rp_lexicon()[w] == (Ty.parse("n.r·s·n.l"),)}
        missing = (verbs & set(" ".join(test).split())) - set(" ".join(train).split())
        assert len(missing) == unseen
    assert len(rp_lexicon()) == 115


def test_files_in_the_published_format(tmp_path):
    path = tmp_path / "rp.txt"
    path.write_text("1 cat_N that dog_N chase_V\n\n0 cat_N that chase_V dog_N\n")
    sentences, labels, lexicon = read_sentences(path)
    assert labels == [1, 0]
    parser = PregroupParser(lexicon)
    assert [parser.parse(s, N).cod for s in sentences] == [N, N]
    path.write_bytes(b"\xef\xbb\xbf1  cat_N that_RPRON dog_N chase_V\r\n0  cat_N who_RPRON chase_V ice_cream_N\r\n")
    sentences, labels, lexicon = read_sentences(path)
    assert sentences == ["cat that dog chase", "cat who chase ice_cream"]
    assert lexicon["that"] == lexicon["who"] == TAGS["REL"]
    parser = PregroupParser(lexicon)
    assert [len(list(parser.parses(s.split(), N))) for s in sentences] == [1, 1]
    for text, message in (
        ("x cat_N", "line 1: a label"),
        ("-1 cat_N", "line 1: a label"),
        ("99999999999 cat_N", "below 10"),
        ("1", "line 1: a label"),
        ("1 cat_N\n0 cat_XX", r"rp.txt, line 2: tag XX of 'cat' is unknown; there are N, ADJ.*RPRON"),
        ("1 _N", "'_N': word_TAG"),
        ("1 cat_", "'cat_': word_TAG"),
        ("", "no sentence"),
        ("\n \n", "no sentence"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_sentences(path)
    path.write_bytes(b"1 caf\xe9_N")
    for bad, message in (
        (path, "byte 5 is not UTF-8 text"),
        (tmp_path, "it is a folder; a file is needed"),
        (tmp_path / "none", "there is no such file"),
    ):
        with pytest.raises(ValueError, match=message):
            read_sentences(bad)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"cat": 3}, "word 'cat': 3 is neither a tag nor a type"),
        ({"cat": None}, "word 'cat': None"),
        ({"cat": {"N": 1}}, "word 'cat': {'N': 1}"),
        ({"cat": ["N", ["IV"]]}, r"word 'cat': \['IV'\]"),
        ({"cat": []}, "word 'cat': a type that is not the unit"),
        ({"cat": ""}, "word 'cat': a type that is not the unit"),
        ({"cat": "n.x"}, "word 'cat': type 'n.x'"),
        ({"cat": "NOUN"}, "word 'cat': tag 'NOUN' is unknown; there are N, ADJ"),
        ({"": "N"}, "word '': a text without blanks"),
        ({"two words": "N"}, "word 'two words': a text without blanks"),
        ({7: "N"}, "word 7: a text without blanks"),
        (["cat"], "a mapping from words"),
        (None, "a mapping from words"),
    ],
)
def test_lexicons_name_the_word_that_is_wrong(entries, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        PregroupParser(entries)
    assert len(str(caught.value)) < 200


def test_sizes_are_reckoned_before_anything_is_made():
    d = PARSER.parse("man cooks meal")
    start = time.perf_counter()
    with pytest.raises(InvalidInput, match="100000 layers make some 600003 gates; at most 20000"):
        CircuitFunctor(IQPAnsatz(layers=100_000))(d)
    with pytest.raises(InvalidInput, match="gates"):
        CircuitFunctor(Sim14Ansatz({"n": 30, "s": 30}, layers=10_000))(d)
    with pytest.raises(InvalidInput, match="20000 simple types; at most 5000"):
        PregroupParser({"a": "a·a.l"}).parse(["a"] * 10_000)
    with pytest.raises(InvalidInput, match="its circuit has 33 qubits; at most 26"):
        SentenceModel(CircuitFunctor(IQPAnsatz({"n": 6, "s": 9}))).initialise([d]).predict([d])
    assert time.perf_counter() - start < 5
    for wrong in (
        {"qubits": [1]},
        {"layers": 0},
        {"layers": 1.5},
        {"layers": True},
        {"qubits": {"n": 31}},
        {"qubits": {"n": 0.5}},
    ):
        with pytest.raises(InvalidInput, match="whole numbers of qubits"):
            IQPAnsatz(**wrong)


def tiny(labels=(1, 0, 1, 0)):
    texts = ["man cooks meal", "man runs program", "woman bakes sauce", "woman debugs software"]
    return [bend_nouns(PARSER.parse(t)) for t in texts], [labels[k] for k in range(4)]


@pytest.mark.parametrize("names", [(0, 1), (5, 9), ("computing", "food"), (False, True), (-1.0, 1.0)])
def test_labels_of_any_type(names):
    diagrams, index = tiny()
    plain = SentenceModel(CircuitFunctor(IQPAnsatz()), Adam(30, 0.05), seed=1).fit(diagrams, index)
    model = clone(plain).fit(diagrams, [names[k] for k in index])
    assert model.classes_.tolist() == sorted(names)
    assert np.array_equal(model.predict_proba(diagrams), plain.predict_proba(diagrams))
    assert model.predict(diagrams).tolist() == [names[k] for k in plain.predict(diagrams)]
    assert model.score(diagrams, [names[k] for k in index]) == plain.score(diagrams, index)
    assert model.loss(diagrams, np.array([names[k] for k in index])) == plain.loss(diagrams, index)
    with pytest.raises(InvalidInput, match="label 'else' is not among those of the fit"):
        model.loss(diagrams, ["else"] * 4)


def test_fewer_classes_than_outcomes():
    diagrams, index = tiny()
    model = SentenceModel(CircuitFunctor(IQPAnsatz({"n": 1, "s": 2})), Adam(60, 0.05), seed=1).fit(diagrams, index)
    assert model.predict_proba(diagrams).shape == (4, 2)
    assert np.allclose(model.predict_proba(diagrams).sum(-1), 1)
    assert model.score(diagrams, index) == 1


def test_rare_words_stand_for_unseen_ones():
    diagrams, index = tiny()
    new = bend_nouns(PARSER.parse("person cooks meal"))
    functor = CircuitFunctor(IQPAnsatz())
    with pytest.raises(InvalidInput, match="sentence 1: word 'person' was not in training"):
        SentenceModel(functor, Adam(5), seed=1).fit(diagrams, index).predict([new])
    model = SentenceModel(functor, Adam(5), min_count=2, seed=1).fit(diagrams, index)
    words = {name.rpartition(":")[0] for name in model.vocabulary_}
    assert words == {"man", "woman", UNKNOWN}  # each of the other words is there once
    assert model.unseen(new) == ["cooks", "meal", "person"]
    same = bend_nouns(PARSER.parse("person runs software"))
    assert np.array_equal(model.predict_proba([new]), model.predict_proba([same]))
    by_hand = model.save_weights()
    expected = [by_hand[f"{UNKNOWN}:{n.rpartition(':')[2]}"] for n in model.angles(functor(new))]
    assert list(model.angles(functor(new)).values()) == expected
    with pytest.raises(InvalidInput, match=r"word 'skillful' was not in training \(as n·n.l\)"):
        model.predict([bend_nouns(PARSER.parse("skillful man cooks meal"))])


LOADED = """
import sys
from bitket.quantum.language import PregroupParser, SentenceModel, bend_nouns, mc_lexicon
model, parser = SentenceModel.load(sys.argv[1]), PregroupParser(mc_lexicon())
d = [bend_nouns(parser.parse(t)) for t in ("man cooks meal", "person runs software")]
print(model.predict(d).tolist(), [x.hex() for x in model.predict_proba(d).ravel().tolist()])
"""


@pytest.mark.parametrize(
    "settings", [{}, {"shots": 100}, {"noise": NoiseModel.depolarizing(0.01, 0.02).with_readout(0.03)}]
)
def test_a_saved_model_predicts_the_same_in_another_process(settings, tmp_path):
    diagrams, index = tiny()
    ansatz = Sim15Ansatz({"n": 1, "s": 1}, layers=2, single=2)
    model = SentenceModel(CircuitFunctor(ansatz), Adam(5), min_count=2, seed=3, **settings)
    model.fit(diagrams, [("computing", "food")[k] for k in index])
    path = tmp_path / "model.safetensors"
    model.save(path)
    d = [bend_nouns(PARSER.parse(t)) for t in ("man cooks meal", "person runs software")]
    here = f"{model.predict(d).tolist()} {[x.hex() for x in model.predict_proba(d).ravel().tolist()]}\n"
    assert subprocess.run([sys.executable, "-c", LOADED, path], capture_output=True, text=True).stdout == here
    again = SentenceModel.load(path)
    assert again.history_ == model.history_
    assert again.save_weights() == model.save_weights()
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_foreign_and_damaged_files_are_one_line(tmp_path):
    diagrams, index = tiny()
    model = SentenceModel(CircuitFunctor(IQPAnsatz()), Adam(2)).fit(diagrams, index)
    path = tmp_path / "model.safetensors"
    model.save(path)
    whole = path.read_bytes()

    def about(**changes):
        from safetensors.numpy import load, save

        size = int.from_bytes(whole[:8], "little")
        header = json.loads(json.loads(whole[8 : 8 + size])["__metadata__"]["bitket.sentence"])
        arrays = load(whole) | {k: changes.pop(k) for k in ("weights", "history") if k in changes}
        return save(arrays, metadata={"bitket.sentence": json.dumps(header | changes)})

    cases = {
        "damaged": [b"", b"{}", whole[:100], whole[:-8], whole[:8] + b"x" * 50, b"\xff" * 1000],
        "version 2; this bitket reads version 1": [about(version=2)],
        "damaged one \\(": [
            about(ansatz="Magic"),
            about(layers="many"),
            about(layers=0),
            about(qubits=[1]),
            about(qubits={"n": -1}),
            about(vocabulary=["a"]),
            about(vocabulary=3),
            about(vocabulary=["a"] * len(model.vocabulary_)),
            about(vocabulary=[1] * len(model.vocabulary_)),
            about(classes=[1, 0]),
            about(classes=[[0]]),
            about(shots=-1),
            about(seed="x"),
            about(noise=3),
            about(weights=model.weights_ * np.nan),
            about(weights=model.weights_.astype(np.float32)),
        ],
    }
    for message, files in cases.items():
        for data in files:
            path.write_bytes(data)
            with pytest.raises(InvalidInput, match=message) as caught:
                SentenceModel.load(path)
            assert "\n" not in str(caught.value)
    with pytest.raises(InvalidInput, match="there is no such file"):
        SentenceModel.load(tmp_path)
    with pytest.raises(NotFittedError, match="no weights yet"):
        SentenceModel(CircuitFunctor(IQPAnsatz())).save(path)

    class Own(IQPAnsatz):
        pass

    with pytest.raises(InvalidInput, match="ansatz Own"):
        SentenceModel(CircuitFunctor(Own())).fit(diagrams, index).save(path)


def test_settings_follow_scikit_learn():
    functor = CircuitFunctor(IQPAnsatz())
    model = SentenceModel(functor, Adam(3), shots=5, min_count=2, seed=4)
    assert model.get_params() == {
        "functor": functor,
        "optimiser": model.optimiser,
        "shots": 5,
        "noise": None,
        "min_count": 2,
        "seed": 4,
    }
    assert clone(model).set_params(seed=5).seed == 5
    diagrams, index = tiny()
    p = model.fit(diagrams, index).predict_proba(diagrams)
    assert np.array_equal(p, model.predict_proba(diagrams))  # shots begin anew
    assert np.array_equal(p, pickle.loads(pickle.dumps(model)).predict_proba(diagrams))


def test_model_refuses_what_it_cannot_do():
    d = PARSER.parse("man cooks meal")
    model = SentenceModel(CircuitFunctor(IQPAnsatz()))
    with pytest.raises(ValueError, match="no weights yet"):
        model.predict([d])
    with pytest.raises(NotFittedError, match="no weights yet"):
        model.save_weights()
    with pytest.raises(ValueError, match="one class of labels, 2"):
        model.fit([d], [2])
    with pytest.raises(ValueError, match="3 classes of labels; the sentences have 2 outcomes"):
        model.fit([d, d, d], [0, 1, 2])
    for labels in ([0, "a"], [[0], [1]], [0.0, np.nan], [None, 1], "ab"):
        with pytest.raises(ValueError, match="labels"):
            model.fit([d, d], labels)
    for wrong in ({"min_count": 0}, {"min_count": None}, {"shots": 0}, {"shots": 1.5}, {"seed": -1}, {"seed": "a"}):
        (name,) = wrong
        with pytest.raises(InvalidInput, match=name):
            SentenceModel(model.functor, **wrong)
    with pytest.raises(ValueError, match="1 diagrams and 0 labels"):
        model.fit([d], [])
    model.initialise([d])
    with pytest.raises(ValueError, match="word 'sauce' was not in training"):
        model.predict([PARSER.parse("man cooks sauce")])


def test_drawings():
    text = PARSER.parse("skillful man cooks meal").draw()
    assert text.splitlines()[0].split() == ["skillful", "man", "cooks", "meal"]
    assert text.splitlines()[1].split() == ["n", "n.l", "n", "n.r", "s", "n.l", "n"]
    assert text.count("╰") == 3
    assert PARSER.parse("man cooks meal").draw("svg").lstrip().startswith("<?xml")
    bend_nouns(PARSER.parse("man cooks meal")).draw("figure")
