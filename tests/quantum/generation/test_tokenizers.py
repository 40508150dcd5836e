import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.quantum.circuits.qasm import read_qasm
from bitket.quantum.generation import GateTokenizer, LineTokenizer, Tokenizer
from bitket.quantum.generation.tokenizers import SPECIAL, UNKNOWN, angle_value


def test_lines_come_back_byte_for_byte(corpus):
    t = LineTokenizer.fit(corpus.texts)
    assert all(t.decode(t.encode(text)) == text for text in corpus.texts)
    assert t.unknown(corpus.texts) == 0
    assert t.tokens[:6] == SPECIAL == ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "\n")
    assert len(t) == 6 + len({line for text in corpus.texts for line in text.splitlines()})


def test_unknown_lines_are_counted(parts):
    train, held = parts
    t = LineTokenizer.fit(train.texts)
    known = {line for text in train.texts for line in text.splitlines()}
    new = sum(line not in known for text in held.texts for line in text.splitlines())
    assert t.unknown(held.texts) == new > 0
    assert t.encode("h q[99];\nh q[0];\n") == [UNKNOWN, t.id("h q[0];\n")]
    assert t.decode(t.encode("h q[99];\n")) == "<unk>\n"


def test_gates_come_back_but_for_angles_that_do_not_recur(corpus):
    t = GateTokenizer.fit(corpus.texts, buckets=64)
    assert t.unknown(corpus.texts) == 0
    changed = 0
    for text in corpus.texts:
        again = t.decode(t.encode(text))
        for a, b in zip(read_qasm(text), read_qasm(again), strict=True):
            assert (a.name, a.qubits, a.clbits) == (b.name, b.qubits, b.clbits)
            for x, y in zip(a.gate.params if a.gate else (), b.gate.params if b.gate else (), strict=True):
                assert abs(math.remainder(float(x) - float(y), 4 * math.pi)) <= 2 * math.pi / 64 + 1e-6
        changed += again != text
    exact = [text for text in corpus.texts if all(a == b for a, b in [(t.decode(t.encode(text)), text)])]
    assert len(exact) + changed == len(corpus)
    assert len(exact) > len(corpus) / 2


def test_a_gate_tokenizer_writes_lines_that_no_file_has():
    t = GateTokenizer.fit(["cx q[0],q[1];\nh q[2];\n"])
    assert t.decode(t.encode("cx q[2],q[0];\n")) == "cx q[2],q[0];\n"
    assert t.encode("cx q[2], q[0];\n") == [UNKNOWN]  # written otherwise
    assert t.decode([t.id("cx"), t.id("q[1]"), t.id("h"), t.id("q[0]")]) == "cx q[1];\nh q[0];\n"


@given(st.lists(st.sampled_from(["pi", "2", "0.5", "1e-3"]), min_size=1, max_size=4), st.data())
def test_angles_are_valued_as_python_does(numbers, data):
    operators = [data.draw(st.sampled_from("+-*/")) for _ in numbers[1:]]
    text = data.draw(st.sampled_from(["", "-"])) + numbers[0]
    text += "".join(o + n for o, n in zip(operators, numbers[1:], strict=True))
    assert angle_value(text) == pytest.approx(eval(text.replace("pi", str(math.pi))), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kind", [LineTokenizer, GateTokenizer])
def test_files_of_tokenizers(kind, corpus, tmp_path):
    t = kind.fit(corpus.texts)
    t.save(tmp_path / "t.json")
    again = Tokenizer.load(tmp_path / "t.json")
    assert type(again) is kind
    assert again.tokens == t.tokens
    assert again.encode(corpus.texts[5]) == t.encode(corpus.texts[5])
    with pytest.raises(InvalidInput, match="the corpus is empty"):
        kind.fit([])


@pytest.mark.parametrize("text", ["[]", "{", '{"kind": "word", "tokens": []}', '{"kind": "line", "tokens": ["h"]}'])
def test_other_files_are_refused(text, tmp_path):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"token|t\.json: not JSON"):
        Tokenizer.load(tmp_path / "t.json")
    with pytest.raises(InvalidInput, match=r"nowhere\.json: there is no such file"):
        Tokenizer.load(tmp_path / "nowhere.json")
