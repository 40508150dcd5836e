import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open
from tests.quantum.learning.plain import Convolution, Plain

from bitket.errors import InvalidInput
from bitket.learning import AQGD, SPSA
from bitket.quantum.circuits import zz_feature_map
from bitket.quantum.learning import models
from bitket.quantum.learning.baselines import logistic, svm
from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC, product_kernel
from bitket.quantum.learning.models import Model
from bitket.quantum.learning.saved import load, save
from bitket.quantum.learning.variational import VariationalClassifier
from bitket.quantum.variational.classifier import VQC
from bitket.runs.storage import load_tree, save_tree


@pytest.fixture(autouse=True)
def two_more(monkeypatch):
    for kind in (Plain, Convolution):
        entry = Model(kind.__name__, f"{kind.__module__}:{kind.__name__}", "for tests")
        monkeypatch.setitem(models.MODELS, kind.__name__, entry)


def drawn(n=24, seed=0):
    y = np.arange(n) % 2
    return np.where(y, 2.0, -2.0)[:, None] + np.random.default_rng(seed).normal(size=(n, 2)), y


MADE = {
    "kernel": QuantumSVC(),
    "kernel of a circuit": QuantumSVC(QuantumKernel(zz_feature_map(2, 1)), scale=(0.0, 1.0)),
    "vqc": VQC(optimizer=AQGD(10, mode="exact")),
    "vqc of circuits": VQC(zz_feature_map(2, 1), optimizer=AQGD(5, mode="exact")),
    "variational": VariationalClassifier(optimiser=SPSA(20), depth=1),
    "svm": svm(),
    "logistic": logistic(),
    "plain": Plain(epochs=3),
    "double": Convolution(epochs=3, dtype="float64"),
}
each = pytest.mark.parametrize("name", MADE)
ELSEWHERE = """
import sys, numpy as np
from bitket.quantum.learning.saved import load
X = np.load(sys.argv[1])
for path in sys.argv[2:]:
    model = load(path)
    ask = model.predict_proba if hasattr(model, "predict_proba") else model.decision_function
    sys.stdout.buffer.write(np.asarray(ask(X)).tobytes())
"""


def ask(model):
    return model.predict_proba if hasattr(model, "predict_proba") else model.decision_function


@each
def test_loads_to_the_same_bits(name, tmp_path):
    X, y = drawn()
    labels = np.array(["no", "yes"])[y]
    model = MADE[name].fit(X, labels)
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.classes_.tolist() == ["no", "yes"]
    assert again.n_features_in_ == 2
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, method):
            assert np.array_equal(getattr(again, method)(X), getattr(model, method)(X)), method
    with safe_open(tmp_path / "model.safetensors", "numpy") as file:  # all that is no array is JSON
        assert json.loads(file.metadata()["tree"])


def test_another_process_predicts_the_same_bits(tmp_path):
    X, y = drawn()
    np.save(tmp_path / "X.npy", X)
    expected = []
    for name in ("kernel", "variational", "svm"):
        model = MADE[name].fit(X, y)
        save(model, tmp_path / name)
        expected.append(ask(model)(X).tobytes())
    names = [tmp_path / name for name in ("kernel", "variational", "svm")]
    code = [sys.executable, "-c", ELSEWHERE, tmp_path / "X.npy", *names]
    assert subprocess.run(code, capture_output=True, check=True).stdout == b"".join(expected)


def test_feature_names_are_kept(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y = drawn()
    frame = pandas.DataFrame(X, columns=["width", "height"])
    save(Plain(epochs=1).fit(frame, y), tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.feature_names_in_.tolist() == ["width", "height"]
    with pytest.raises(InvalidInput, match=r"(?i)feature names"):
        again.predict(frame[["height", "width"]])


def test_what_cannot_be_saved_is_refused(tmp_path):
    X, y = drawn()
    with pytest.raises(InvalidInput, match="not fitted yet"):
        save(Plain(), tmp_path / "m")
    with pytest.raises(InvalidInput, match="parameter kernel: function cannot be stored"):
        save(QuantumSVC(product_kernel).fit(X, y), tmp_path / "m")

    class Other(Plain):
        pass

    with pytest.raises(InvalidInput, match=r"Other: it cannot be saved; kernel, .* can"):
        save(Other(epochs=1).fit(X, y), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_files_that_are_none_are_refused_in_one_line(tmp_path):
    X, y = drawn()
    save(Plain(epochs=1).fit(X, y), tmp_path / "good")
    tree = load_tree(tmp_path / "good")
    text = tmp_path / "text"
    text.write_text("hello")
    cases = [(text, "not a saved classifier"), (tmp_path / "none", "no such file"), (tmp_path, "it is a folder")]
    for k, (change, message) in enumerate(
        [
            ({"what": "a generator"}, "not a saved classifier"),
            ({"version": 2}, "of version 2; this bitket reads version 1"),
            ({"kind": "oracle"}, "a model 'oracle', which this bitket does not know"),
            ({"weights": {}}, "a damaged classifier"),
            ({"parameters": {"depth": 3}}, "a damaged classifier"),
            ({"fitted": {}}, "a damaged classifier"),
        ]
    ):
        save_tree(tmp_path / str(k), tree | change)
        cases.append((tmp_path / str(k), message))
    cut = tmp_path / "cut"
    cut.write_bytes((tmp_path / "good").read_bytes()[:-9])
    cases.append((cut, "not a saved classifier"))
    for path, message in cases:
        with pytest.raises(InvalidInput, match=message) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
