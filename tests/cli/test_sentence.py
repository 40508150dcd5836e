import json

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
    ],
)
def test_errors_are_one_line(arguments, message, capsys):
    assert _status(["sentence", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
