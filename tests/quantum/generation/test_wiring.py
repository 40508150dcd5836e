"""Negatives keep what they should, and a classifier that sees order and wiring tells them from real files."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.data.circuits import QasmCorpus
from bitket.errors import InvalidInput
from bitket.quantum.circuits import random_circuit
from bitket.quantum.circuits.qasm import read_qasm, write_qasm
from bitket.quantum.generation import NEGATIVES, WiringClassifier, histogram_matched, negatives, rewired, shuffled
from bitket.quantum.generation.statements import statement
from bitket.quantum.generation.wiring import wiring

LADDER = (
    'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[4];\ncreg c[4];\nh q[0];\ncx q[0],q[1];\ncx q[1],q[2];\ncx q[2],q[3];\n'
    "rz(pi/4) q[3];\nmeasure q[0] -> c[0];\n"
)


def files(seed, n=4):
    circuit = random_circuit(n, 12, np.random.default_rng(seed))
    return write_qasm(circuit, 2).replace(", ", ",")


def gates(text):
    return [s for s in map(statement, text.splitlines()) if s.kind == "gate"]


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_what_negatives_keep(seed):
    text, rng = files(seed), np.random.default_rng(seed)
    mixed, moved = shuffled(text, rng), rewired(text, rng)
    assert Counter(mixed.splitlines()) == Counter(text.splitlines())
    assert [(s.name, s.params) for s in gates(moved)] == [(s.name, s.params) for s in gates(text)]
    for made in (mixed, moved):
        read_qasm(made)
        assert [x for x in made.splitlines() if statement(x).kind != "gate"] == [
            x for x in text.splitlines() if statement(x).kind != "gate"
        ]
    (drawn,) = histogram_matched(QasmCorpus(("a",), ("f",), (text,)), [3], [40], rng)
    assert read_qasm(drawn).num_qubits == 3
    assert {(s.name, s.params) for s in gates(drawn)} <= {(s.name, s.params) for s in gates(text)}


def test_features_are_of_order_and_wires():
    names = {"h": 2, "cx": 3, "rz": 4}
    rows = wiring(LADDER, names, 10)
    assert [row[0] for row in rows] == [2, 3, 3, 3, 4]
    assert [row[1] for row in rows] == [0, 0, 0, 0, 3]  # pi/4: a multiple of pi/4
    # cx q[1],q[2]: qubit 1 had the cx just before, qubit 2 nothing; they are one apart and never met
    assert rows[2][2:] == [2, 3, 1, 3, 0, 0, 0, 0, 0, 7, 1, 7]
    assert wiring(LADDER.replace("cx q[1],q[2];\ncx q[2],q[3];", "cx q[2],q[3];\ncx q[1],q[2];"), names, 10) != rows
    assert wiring(LADDER, names, 2) == rows[:2]
    # Lines that cannot stand where they are do not count.
    assert wiring(LADDER.replace("h q[0];", "cx q[0],q[9];\nh q[0];\nnonsense;"), names, 10) == rows
    assert wiring("", names, 10) == []


def test_it_tells_all_negatives(corpus, parts):
    train, held = parts
    made, new = negatives(train, np.random.default_rng(0)), negatives(held, np.random.default_rng(1))
    assert set(made) == set(NEGATIVES)
    assert not set(train.texts) & {text for texts in made.values() for text in texts}
    others = [text for texts in made.values() for text in texts]
    texts, labels = [*train.texts, *others], [1] * len(train) + [0] * len(others)
    c = WiringClassifier(epochs=12).fit(texts, labels)
    assert np.mean(c.predict(train.texts)) >= 0.95
    assert np.mean(c.predict(held.texts)) >= 0.8
    for kind, files_of_it in new.items():
        assert np.mean(c.predict(files_of_it)) <= 0.25, kind
    p = c.predict_proba(held.texts)
    assert np.array_equal(WiringClassifier(**c.get_params()).fit(texts, labels).predict_proba(held.texts), p)


def test_no_gate_to_draw():
    with pytest.raises(InvalidInput, match="no gate to draw from"):
        histogram_matched(QasmCorpus(("a",), ("f",), ("qreg q[2];\n",)), [2], [9], np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="positive numbers"):
        histogram_matched(QasmCorpus(("a",), ("f",), (LADDER,)), [2], [], np.random.default_rng(0))
