import json
import subprocess
import sys

import numpy as np
import pytest

from bitket.cli import _status


def test_diagram_circuit_and_figure(capsys, tmp_path):
    figure, circuit = tmp_path / "a.svg", tmp_path / "a.qasm"
    assert _status(["sentence", "man prepares meal", "--figure", str(figure), "--circuit", str(circuit)]) == 0
    out = capsys.readouterr().out
    assert "man" in out
    assert "╰" in out
    assert "3 qubits, 2 post-selected, 8 angles" in out
    assert figure.read_text().lstrip().startswith("<?xml")
    from bitket.quantum.circuits.qasm import load_qasm

    assert load_qasm(circuit).num_qubits == 3


def test_json_has_what_the_circuit_needs(capsys):
    assert _status(["sentence", "actor that artist admires", "--target", "n", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["derivations"] == 1
    assert found["outputs"]
    assert 0 < found["success_probability"] < 1


def test_training_on_own_sentences(capsys, tmp_path):
    from bitket.quantum.language import mc_dataset, mc_lexicon

    data = mc_dataset(0)
    names = {"n": "N", "n·n.l": "ADJ", "n.r·s·n.l": "TV"}
    tags = {w: names[str(t[0])] for w, t in mc_lexicon().items()}
    lines = [
        f"{label} " + " ".join(f"{w}_{tags[w]}" for w in text.split())
        for text, label in zip(*data.part("train"), strict=True)
    ]
    path = tmp_path / "train.txt"
    path.write_text("\n".join(lines))
    (text, *_), (label, *_) = data.part("test")
    assert _status(["sentence", text, "--train", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["training"]["accuracy"] == 1
    assert found["label"] == label
    assert found["unseen_words"] == []
    assert found["labels"] == [0, 1]


def trained(tmp_path, lines, sentence, *options, status=0):
    path = tmp_path / "train.txt"
    path.write_text("\n".join(lines))
    assert _status(["sentence", sentence, "--train", str(path), *options]) == status


RELATIVE = [
    "1 planet_N that_RPRON rocket_N orbit_V",
    "0 planet_N that_RPRON attract_V rocket_N",
    "1 comet_N that_RPRON rocket_N attract_V",
    "0 comet_N that_RPRON orbit_V planet_N",
]


def test_the_published_format_of_relative_clauses_is_read_whole(capsys, tmp_path):
    trained(tmp_path, RELATIVE, "The planet that attracts?", "--target", "n", status=2)
    assert "word 'attracts' (number 4" in capsys.readouterr().err
    trained(tmp_path, RELATIVE, "planet that orbit comet", "--target", "n", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["training"]["sentences"] == 4
    assert found["label"] in (0, 1)


def test_unseen_words_are_refused_by_name_or_read_as_rare_ones(capsys, tmp_path):
    trained(tmp_path, RELATIVE, "actor that orbit planet", "--target", "n", status=2)
    err = capsys.readouterr().err
    assert "word 'actor' was not in training (as n)" in err
    assert "--min-count 2" in err
    lines = [*RELATIVE, "1 moon_N that comet_N attract_V"]
    trained(tmp_path, lines, "actor that orbit planet", "--target", "n", "--min-count", "2")
    assert "not in training, read as a rare word of the type: actor" in capsys.readouterr().out


def test_a_tie_is_no_label(capsys, tmp_path):
    from bitket.quantum.language import SentenceModel

    lines = ["1 planet_N that_RPRON rocket_N orbit_V", "0 planet_N that_RPRON rocket_N orbit_V"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SentenceModel, "predict_proba", lambda self, diagrams: np.full((len(diagrams), 2), 0.5))
        trained(tmp_path, lines, "planet that rocket orbit", "--target", "n")
        assert "tie, no label: P(0) = 0.5000, P(1) = 0.5000" in capsys.readouterr().out
        trained(tmp_path, lines, "planet that rocket orbit", "--target", "n", "--json")
    assert json.loads(capsys.readouterr().out)["label"] is None


def test_errors_of_a_training_file_name_it(capsys, tmp_path):
    for lines, message in (
        (["1 cat_N", "0 dog_NOUN"], "train.txt, line 2: tag NOUN of 'dog' is unknown; there are N, ADJ"),
        (["1 planet_N", "0 planet_N orbit_V"], "train.txt, sentence 2: 'planet orbit' does not reduce to n"),
        (["1 planet_N", "1 comet_N"], "train.txt: fit: one class of labels, 1"),
        (["1 planet_N", "0 comet_N", "2 moon_N"], "train.txt: fit: 3 classes of labels"),
        (["1 " + "planet_N " * 201, "0 comet_N"], "train.txt, sentence 1: 201 words; at most 200"),
    ):
        trained(tmp_path, lines, "planet", "--target", "n", status=2)
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1


def test_wrong_input_is_refused_before_torch_is_imported():
    code = (
        "import sys; from bitket.cli import _status; "
        "print(_status(['sentence', 'man eats meal']), _status(['sentence', 'man cooks meal', '--layers', '100000']), "
        "'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2 2 False\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"cat": 3}', "lexicon.json: lexicon, word 'cat': 3 is neither a tag nor a type"),
        ('{"cat": ["N", {"a": 1}]}', "word 'cat': {'a': 1}"),
        ('{"cat": "NOUN"}', "word 'cat': tag 'NOUN' is unknown"),
        ('{"cat": ""}', "word 'cat': a type that is not the unit"),
        ('{"the cat": "N"}', "word 'the cat': a text without blanks"),
        ('{"cat": "N", "cat": "IV"}', "'cat' stands twice in one object"),
        ('["cat"]', "an object from words"),
        ("{}", "with one word at least"),
        ("", "lexicon.json: not JSON (Expecting value"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_lexicon_names_file_and_word(text, message, capsys, tmp_path):
    path = tmp_path / "lexicon.json"
    path.write_text(text)
    assert _status(["sentence", "cat sleeps", "--lexicon", str(path)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "lexicon.json" in err
    assert err.count("\n") == 1


def test_lexicons_with_a_byte_order_mark_and_other_scripts(capsys, tmp_path):
    path = tmp_path / "lexicon.json"
    path.write_text('{"Katze": "N", "schläft": "IV", "猫": "N"}', encoding="utf-8-sig")
    for sentence in ("Katze schläft.", "猫 schläft"):
        assert _status(["sentence", sentence, "--lexicon", str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["qubits"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cooks man meal"], "does not reduce to s: its type reduces to n.r·s·n"),
        (["man eats meal"], "word 'eats'"),
        (["man cooks meal", "--figure", "a.gif"], ".svg, .png or .pdf"),
        (["man cooks meal", "--lexicon", "none.json"], "none.json: there is no such file"),
        (["man cooks meal", "--train", "none.txt"], "none.txt: there is no such file"),
        (["man cooks meal", "--target", "q.x"], "not a simple type"),
        (["man cooks meal", "--target", "1"], "a type that is not the unit"),
        (["man cooks meal", "--target", "q"], "does not reduce to q"),
        ([""], "the sentence is empty"),
        ([" . ! "], "the sentence is empty"),
        (["man prepares meal", "--layers", "100000"], "is not a whole number from 1 to 1000"),
        (["man prepares meal", "--layers", "0"], "is not a whole number from 1 to 1000"),
        (["man prepares meal", "--seed", "9" * 30], "seed"),
        (["man prepares meal", "--min-count", "2"], "--min-count: it needs --train"),
        (["cat " * 300], "300 words; at most 200"),
        (["skillful " * 20 + "man prepares meal", "--keep-cups"], "its circuit has 45 qubits; at most 26"),
    ],
)
def test_errors_are_one_line(arguments, message, capsys):
    assert _status(["sentence", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
