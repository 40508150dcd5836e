import math

import networkx as nx
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from scipy.stats import energy_distance as energy_distance_1d
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from bitket.data.circuits import QasmCorpus
from bitket.errors import InvalidInput
from bitket.intervals import wilson
from bitket.quantum.circuits import Circuit
from bitket.quantum.generation import (
    METRICS,
    RandomCircuitBaseline,
    RealismClassifier,
    Structure,
    canonical,
    drawn_sizes,
    memorisation,
    structure_metrics,
    validity,
    verify,
)
from bitket.quantum.generation.classifier import words
from bitket.quantum.generation.structure import energy_distance, energy_test, metrics_table

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\n'


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def random_files(corpus, trained):
    baseline = RandomCircuitBaseline(trained["line"].tokenizer)
    return baseline.sample(*drawn_sizes(corpus, len(corpus), rng()), rng(1))


def test_validity_is_qiskit_s_verdict(trained, random_files):
    import torch

    files = trained["line"].sample(150, generator=torch.Generator().manual_seed(0), constraint="none", top_k=20)
    found = 0
    for text in (*files, *random_files):
        try:
            QuantumCircuit.from_qasm_str(text)
            found += 1
        except QiskitError:
            pass
    report = validity([*files, *random_files])
    assert report.valid == found
    assert report.files == len(files) + len(random_files) == found + sum(report.failures.values())
    assert 0 < report.low < report.rate < report.high < 1
    assert "other" not in report.failures
    assert set(validity(files).failures) >= {"undeclared register"} or validity(files).rate == 1


def test_wilson_s_interval_solves_its_equation():
    for k, n in ((0, 7), (3, 10), (50, 50), (199, 200)):
        low, high = wilson(k, n)
        for p in {low, high} - {0.0, 1.0}:
            assert abs(k / n - p) == pytest.approx(norm.ppf(0.975) * math.sqrt(p * (1 - p) / n), rel=1e-5, abs=1e-7)
    with pytest.raises(InvalidInput, match="3 successes of 2"):
        wilson(3, 2)


def test_metrics_of_known_circuits():
    star = Circuit(5).h(0).cx(0, 1).cx(0, 2).cx(0, 3).cx(0, 4).cx(0, 4)
    m = structure_metrics(star)
    assert m["qubits"] == 5
    assert m["gates"] == m["depth"] == 6
    assert m["two_qubit_share"] == 5 / 6
    assert (m["degree_max"], m["degree_min"], m["degree_mean"]) == (4, 1, 8 / 5)
    assert m["path_length"] == pytest.approx(nx.average_shortest_path_length(nx.star_graph(4)))
    assert (m["weight_mean"], m["weight_deviation"]) == (5 / 4, np.std([1, 1, 1, 2]))
    assert (m["density"], m["clustering"]) == (4 / 10, 0)
    ring = structure_metrics(Circuit(3).ccx(0, 1, 2))
    assert (ring["density"], ring["clustering"], ring["two_qubit_share"]) == (1, 1, 0)
    alone = structure_metrics(Circuit(2).h(0))
    assert (alone["path_length"], alone["density"], alone["weight_mean"]) == (0, 0, 0)
    assert tuple(alone) == METRICS


def test_only_lines_that_stand_are_measured():
    table = metrics_table([HEAD + "h q[0];\ncx q[0],q[5];\ncx node[0],q[1];\ncx q[0],q[1];\n", "nothing\n"])
    assert table.shape == (1, 12)
    assert table[0, METRICS.index("gates")] == 2
    with pytest.raises(InvalidInput, match="at least one circuit"):
        metrics_table(["nothing"])


def test_energy_distance_and_its_p_value():
    x, y = rng(0).normal(size=(60, 1)), rng(1).normal(0.3, 1, size=(80, 1))
    assert energy_distance(x, y) == pytest.approx(energy_distance_1d(x[:, 0], y[:, 0]) ** 2, rel=1e-9)
    assert energy_distance(x, x) == 0
    e, p = energy_test(x, y + 1, rng(2))
    assert e == pytest.approx(energy_distance(x, y + 1))
    assert p == 1 / 501
    values = [energy_test(*np.split(rng(k).normal(size=(40, 3)), 2), rng(99), 99)[1] for k in range(60)]
    assert 0.3 < np.mean(values) < 0.7  # uniform where both are alike


def test_projection_is_that_of_scikit_learn(corpus):
    table = metrics_table(corpus.texts)
    s = Structure.of(table)
    z = s.standardised(table)
    assert np.allclose(z.mean(0), 0)
    assert np.allclose(z.std(0), 1)
    assert np.allclose(np.abs(s.projected(table)), np.abs(PCA(2).fit_transform(z)), atol=1e-8)
    half = len(table) // 2
    assert s.mean_distance(table[:half], table[half:]) == pytest.approx(
        np.linalg.norm(z[:half].mean(0) - z[half:].mean(0))
    )


def longest_run(a, b):
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            k = 0
            while i + k < len(a) and j + k < len(b) and a[i + k] == b[j + k]:
                k += 1
            best = max(best, k)
    return best


def test_memorisation_against_all_pairs():
    draw = rng(3)
    alphabet = [f"x q[{k}];" for k in range(3)]
    files = [HEAD + "".join(f"{line}\n" for line in draw.choice(alphabet, draw.integers(1, 25))) for _ in range(24)]
    training = QasmCorpus(("",) * 16, ("",) * 16, tuple(files[:16]))
    new = files[16:]
    bodies = [text.splitlines()[3:] for text in files]
    expected = [max(longest_run(body, other) for other in bodies[:16]) for body in bodies[16:]]
    found = memorisation(new, training)
    assert found.longest_run_max == max(expected)
    assert found.longest_run_mean == np.mean(expected)
    assert found.run_share == np.mean([r / len(b) for r, b in zip(expected, bodies[16:], strict=True)])
    assert found.copies == np.mean([text in files[:16] for text in new])
    assert math.isnan(found.copies_large)
    whole = memorisation([files[2], "// a remark\n" + files[3]], training)
    assert whole.copies == 1
    assert whole.run_share >= 0.9


def test_the_classifier_tells_real_from_random(parts, random_files):
    train, held = parts
    split = len(train)
    texts, labels = [*train.texts, *random_files[:split]], [1] * split + [0] * split
    c = RealismClassifier(32, 1, 128, epochs=12, learning_rate=2e-3).fit(texts, labels)
    new, truth = [*held.texts, *random_files[split:]], [1] * len(held) + [0] * (len(random_files) - split)
    assert c.score(new, truth) >= 0.9
    p = c.predict_proba(new)
    assert np.allclose(p.sum(1), 1)
    assert (c.predict(new) == (p[:, 1] >= 0.5)).all()
    assert np.array_equal(RealismClassifier(**c.get_params()).fit(texts, labels).predict_proba(new), p)
    assert c.predict_proba([]).shape == (0, 2)
    assert c.predict_proba(["measure q[0] -> c[0];\n"]).shape == (1, 2)  # no word is left
    with pytest.raises(InvalidInput, match="and both, are needed"):
        RealismClassifier().fit(texts[:3], [1, 1, 1])
    with pytest.raises(NotFittedError):
        RealismClassifier().predict(texts)


def test_nothing_that_gives_the_class_away_is_read():
    text = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\ncreg meas[3];\n{}measure q[0] -> meas[0];\n'
    assert words(text.format("")) == []
    assert words(text.format("cp(pi/16) q[1],node[12];\n")) == "cp ( pi / 16 q 1 node 12 ;".split()


def test_a_report(corpus, trained, random_files):
    import torch

    files = trained["line"].sample(40, generator=torch.Generator().manual_seed(1))
    report = verify(files, corpus, generator=rng(), judges={"all": lambda texts: np.ones(len(texts))})
    control = verify(random_files, corpus, generator=rng())
    assert report.validity.rate == 1
    assert report.called_real == {"all": 1.0}
    assert control.called_real == {}
    half = verify(corpus.texts[::2], corpus, generator=rng())
    assert half.structure_distance < control.structure_distance
    assert half.energy_distance < control.energy_distance
    assert half.energy_p > 0.05 > control.energy_p
    assert report.to_dict()["validity"]["rate"] == 1
    itself = verify(corpus.texts, corpus, generator=rng())
    assert itself.structure_distance == itself.energy_distance == 0
    assert itself.energy_p == 1
    assert itself.memorisation.copies == itself.memorisation.run_share == 1
    with pytest.raises(InvalidInput, match="at least one file"):
        verify([], corpus, generator=rng())


def test_canonical_files_are_the_same_circuit():
    text = 'OPENQASM 2.0; include "qelib1.inc"; qreg a[1]; qreg b[2]; gate g x,y { h x; cx x,y; } g a[0],b[1];'
    assert canonical(text) == HEAD + "h q[0];\ncx q[0],q[2];\n"
    with pytest.raises(InvalidInput, match=r"f\.qasm:1:"):
        canonical("OPENQASM 2.0; h q[0];", "f.qasm")
