import numpy as np
import pytest

from bitket.data.circuits import MQT_FAMILIES, NOT_OFFERED, QasmCorpus, preprocess
from bitket.errors import InvalidInput
from bitket.quantum.circuits.qasm import read_qasm

BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\nh q[0];\ncx q[0],q[1];\n'


@pytest.fixture(scope="module")
def mqt():
    pytest.importorskip("mqt.bench")
    return QasmCorpus.from_mqt_bench(qubits=range(2, 6), max_lines=200)


def test_circuits_of_mqt_bench(mqt):
    assert set(mqt.families) == set(MQT_FAMILIES)
    assert len(set(mqt.texts)) == len(mqt) > 50
    for name, family, text, (first, lines) in zip(mqt.names, mqt.families, mqt.texts, mqt.sizes, strict=True):
        assert preprocess(text) == text
        assert lines == text.count("\n") < 200
        circuit = read_qasm(text)
        assert name == f"{family}_{circuit.num_qubits}"
        assert 1 <= first <= circuit.num_qubits
        assert "gate " not in text  # gates of qelib1.inc alone
    assert set(NOT_OFFERED) <= set(mqt.left_out)
    assert "refuses" in mqt.left_out["graphstate_2"]
    assert mqt.left_out["qwalk_4"].startswith("200 lines or more")
    assert mqt.left_out["vqe_two_local_2"] == "equal to vqe_real_amp_2"
    assert QasmCorpus.from_mqt_bench(["graphstate", "qaoa"], [3, 4]).texts == tuple(
        t
        for t, f, n in zip(mqt.texts, mqt.families, mqt.names, strict=True)
        if f in ("graphstate", "qaoa") and n[-1] in "34"
    )


def test_a_split_holds_out_of_every_family(mqt):
    train, held = mqt.split(0.25, np.random.default_rng(0))
    assert sorted(train.texts + held.texts) == sorted(mqt.texts)
    assert len(held) == pytest.approx(len(mqt) / 4, abs=1)
    assert len(set(held.families)) >= 10
    assert mqt.split(0.25, np.random.default_rng(0))[1].texts == held.texts
    with pytest.raises(InvalidInput, match="both parts need at least one"):
        mqt.split(0.0, np.random.default_rng(0))


def test_a_folder(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "bell_2.qasm").write_text("// by hand\n" + BELL.replace("\n", "  \n\n"))
    (tmp_path / "more" / "ghz3.qasm").write_text(BELL.replace("2]", "3]"))
    (tmp_path / "twice.qasm").write_text(BELL)
    (tmp_path / "notes.txt").write_text("nothing")
    corpus = QasmCorpus.from_folder(tmp_path)
    assert corpus.names == ("bell_2.qasm", "more/ghz3.qasm")
    assert corpus.families == ("bell", "ghz")
    assert corpus.texts[0] == BELL
    assert corpus.left_out == {"twice.qasm": "equal to bell_2.qasm"}
    assert corpus.lines(0)[3] == "h q[0];\n"
    assert corpus.sizes.tolist() == [[2, 5], [3, 5]]
    assert len(corpus.map(lambda text, name: BELL)) == 1
    with pytest.raises(InvalidInput, match="no file of the corpus has fewer than 5 lines"):
        corpus.shorter_than(5)


def test_folders_that_hold_no_corpus(tmp_path):
    with pytest.raises(InvalidInput, match=r"nowhere: there is no such folder"):
        QasmCorpus.from_folder(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match=r"there is no \.qasm file"):
        QasmCorpus.from_folder(tmp_path)
    (tmp_path / "a.qasm").write_text("h q[0];")
    with pytest.raises(InvalidInput, match=r"a\.qasm: the first statement must be 'OPENQASM 2\.0;'"):
        QasmCorpus.from_folder(tmp_path)
    (tmp_path / "a.qasm").write_bytes(b"OPENQASM 2.0;\xff")
    with pytest.raises(InvalidInput, match="is not UTF-8 text"):
        QasmCorpus.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("families", "qubits", "message"),
    [
        (["portfoliovqe"], [3], "'portfoliovqe': not in MQT Bench 2; there are "),
        (["nothing"], [3], "'nothing': unknown to MQT Bench"),
        (["ghz"], [], "sizes of 1 or more"),
        (["ghz"], [0], "sizes of 1 or more"),
        (["graphstate"], [2], "the corpus is empty"),
        ([], [2], "the corpus is empty"),
    ],
)
def test_corpora_that_cannot_be(families, qubits, message):
    pytest.importorskip("mqt.bench")
    with pytest.raises(InvalidInput, match=message):
        QasmCorpus.from_mqt_bench(families, qubits)
