"""What scikit-learn asks of every estimator, and what users bring: labels of any type, data frames, sparse matrices, too little data."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitket.errors import BitketError, InvalidInput
from bitket.learning import AQGD, SPSA
from bitket.quantum.circuits import angle_encoding, zz_feature_map
from bitket.quantum.learning.kernels import QuantumKernel, QuantumSVC, product_kernel
from bitket.quantum.learning.variational import VariationalClassifier
from bitket.quantum.variational.classifier import VQC

ESTIMATORS = [
    VQC(optimizer=AQGD(15, mode="exact")),
    QuantumSVC(),
    VariationalClassifier(optimiser=SPSA(60), depth=2, shots=None, predict_shots=None),
]
each = pytest.mark.parametrize("model", ESTIMATORS, ids=lambda m: type(m).__name__)


CHECKED = [
    *ESTIMATORS[1:],  # VQC: in its own file
    VariationalClassifier(optimiser=SPSA(60), depth=2, shots=200, predict_shots=200),
    QuantumSVC(product_kernel, indefinite="shift"),
]
# Not scikit-learn's own names for them: they hold the address of the kernel, another one in each process that runs tests.
CHECKS = [
    pytest.param(made, check, id=f"{type(made).__name__}-{k}-{number}")
    for k, model in enumerate(CHECKED)
    for number, (made, check) in enumerate(estimator_checks_generator(model))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_keeps_scikit_learns_contract(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def drawn(n=24, seed=0):
    y = np.arange(n) % 2
    X = np.where(y, 2.0, -2.0)[:, None] + np.random.default_rng(seed).normal(size=(n, 2))
    return X, y


@each
@pytest.mark.parametrize(
    "names",
    [
        ["no", "yes"],
        [3, 7],
        [-1.0, 1.0],
        [False, True],
        np.array(["no", "yes"], dtype=object),
        np.array([False, True], dtype=object),
        np.array([1, 2], dtype=object),
    ],
    ids=["text", "int", "float", "bool", "object text", "object bool", "object int"],
)
def test_labels_of_any_type(model, names):
    X, y = drawn()
    labels = np.array(names)[y] if not isinstance(names, np.ndarray) else names[y]
    fitted = clone(model).fit(X, labels)
    plain = clone(model).fit(X, y)
    assert fitted.classes_.tolist() == list(names)
    assert fitted.predict(X).tolist() == [list(names)[k] for k in plain.predict(X)]
    assert fitted.score(X, labels) > 0.8
    assert clone(model).fit(X, list(labels)).predict(X).tolist() == fitted.predict(X).tolist()


@each
def test_predict_is_the_larger_probability(model):
    X, y = drawn()
    fitted = clone(model).fit(X, y)
    if hasattr(fitted, "predict_proba"):
        p = fitted.predict_proba(X)
        assert np.allclose(p.sum(axis=1), 1)
        assert np.array_equal(fitted.predict(X), fitted.classes_[p.argmax(axis=1)])
    else:
        assert np.array_equal(fitted.predict(X), fitted.classes_[(fitted.decision_function(X) > 0).astype(int)])


def test_a_bias_moves_probabilities_as_it_moves_decisions():
    X, y = drawn()
    fitted = clone(ESTIMATORS[2]).fit(X, y)
    fitted.weights_[-1] = 0.0
    p = fitted.predict_proba(X)[:, 1]
    for b in (-0.7, -0.2, 0.3, 1.0):
        fitted.weights_[-1] = b
        assert np.array_equal(fitted.predict(X), (p > (1 - p) - b).astype(int))  # the paper's rule


def test_more_than_two_classes():
    rng = np.random.default_rng(0)
    y = np.arange(45) % 3
    X = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])[y] + rng.normal(scale=0.5, size=(45, 2))
    labels = np.array(["a", "b", "c"])[y]
    fitted = QuantumSVC().fit(X, labels)
    assert fitted.decision_function(X).shape == (45, 3)
    assert fitted.score(X, labels) > 0.9
    assert np.array_equal(fitted.predict(X), fitted.classes_[fitted.decision_function(X).argmax(axis=1)])


@each
def test_unfitted_is_scikit_learns_error_and_ours(model):
    for method in ("predict", "predict_proba", "decision_function", "score"):
        call = getattr(clone(model), method, None)
        if call is not None:
            arguments = drawn() if method == "score" else drawn()[:1]
            for kind in (NotFittedError, BitketError, AttributeError):
                with pytest.raises(kind, match="not fitted yet; call fit first"):
                    call(*arguments)
    failed = clone(model)
    with pytest.raises(InvalidInput):
        failed.fit([[1.0], [2.0]], ["a", "a"])
    with pytest.raises(NotFittedError):  # a fit that failed half way is none
        failed.predict([[1.0]])


@each
def test_data_frames_keep_their_names(model):
    pandas = pytest.importorskip("pandas")
    X, y = drawn()
    frame = pandas.DataFrame(X, columns=["width", "height"])
    labels = pandas.Series(np.array(["no", "yes"])[y])
    fitted = clone(model).fit(frame, labels)
    assert fitted.n_features_in_ == 2
    assert fitted.feature_names_in_.tolist() == ["width", "height"]
    assert fitted.predict(frame).tolist() == clone(model).fit(X, labels.to_numpy()).predict(X).tolist()
    with pytest.raises(InvalidInput, match=r"(?i)feature names"):
        fitted.predict(frame[["height", "width"]])
    for other in (labels.astype("category"), labels.astype("string"), list(labels)):
        assert clone(model).fit(frame, other).predict(frame).tolist() == fitted.predict(frame).tolist()


@each
def test_copies_are_the_same_model(model, tmp_path):
    X, y = drawn()
    fitted = clone(model).fit(X, y)
    joblib.dump(fitted, tmp_path / "model.joblib")
    again = clone(model).set_params(**model.get_params()).fit(X, y)
    ask = (lambda m: m.predict_proba(X)) if hasattr(fitted, "predict_proba") else (lambda m: m.decision_function(X))
    for other in (joblib.load(tmp_path / "model.joblib"), pickle.loads(pickle.dumps(fitted)), again):
        assert np.array_equal(ask(other), ask(fitted))
    assert repr(clone(model)) == repr(model)


@each
@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((0, 2)), [], "0 sample"),
        (np.zeros((4, 0)), [0, 1, 0, 1], "0 feature"),
        (np.zeros(4), [0, 1, 0, 1], "Reshape your data"),
        ([[0.0, 1.0]] * 4, [1, 1, 1, 1], "one class of labels, 1; two labels"),
        ([[0.0, 1.0]] * 4, ["a"] * 4, "one class of labels, 'a'"),
        ([[0.0, 1.0]] * 4, [0, 1, 1], "inconsistent numbers of samples"),
        ([[0.0, np.nan]] * 4, [0, 1, 0, 1], "contains NaN"),
        ([["a", "b"]] * 4, [0, 1, 0, 1], "could not convert string to float"),
        (np.array([[1j, 2]] * 4), [0, 1, 0, 1], "Complex data not supported"),
        (scipy.sparse.csr_matrix(np.eye(4)), [0, 1, 0, 1], "Sparse data"),
        ([[0.0, 1.0]] * 4, np.array([0, "a", 1, None], dtype=object), "labels of the types NoneType, int, str"),
        ([[0.0, 1.0]] * 4, [0.0, np.nan, 1.0, 1.0], "y contains NaN"),
        ([[0.0, 1.0]] * 4, [0.1, 0.2, 0.3, 0.45], "continuous"),
        ([[0.0, 1.0]] * 4, None, "requires y to be passed"),
    ],
)
def test_bad_data_is_refused_in_one_line(model, X, y, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        clone(model).fit(X, y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", [ESTIMATORS[0], ESTIMATORS[2]], ids=lambda m: type(m).__name__)
def test_random_state(model):
    X, y = drawn()

    def weights(state):
        return clone(model).set_params(random_state=state).fit(X, y).weights_

    assert np.array_equal(weights(3), weights(3))
    assert np.array_equal(weights(np.int64(3)), weights(3))
    assert not np.array_equal(weights(3), weights(4))
    assert np.array_equal(weights(np.random.default_rng(3)), weights(3))
    assert np.array_equal(weights(np.random.RandomState(3)), weights(np.random.RandomState(3)))
    assert not np.array_equal(weights(None), weights(None))
    for bad in ("seed", 1.5, True, -1):
        with pytest.raises(InvalidInput, match="random_state"):
            weights(bad)


def test_kernels_take_part_in_searches():
    X, y = drawn()
    chain = make_pipeline(StandardScaler(), QuantumSVC(QuantumKernel(zz_feature_map(2, 1))))
    maps = [zz_feature_map(2, 1), angle_encoding(2)]
    grid = {"quantumsvc__C": [0.1, 10.0], "quantumsvc__kernel__feature_map": maps, "quantumsvc__scale": [(0, 1), None]}
    search = GridSearchCV(chain, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.8
    kernel = clone(QuantumKernel(shots=5, generator=np.random.default_rng(0), factors=[1, 2]))
    assert kernel.get_params()["shots"] == 5
    with pytest.raises(InvalidInput, match="17 features"):
        QuantumKernel()(np.zeros((2, 17)))
    for bad, message in (
        (QuantumSVC(C=0), "C 0"),
        (QuantumSVC(indefinite="mend"), "'clip', 'shift' and 'leave'"),
        (QuantumSVC(scale=3), "two angles"),
        (QuantumSVC(QuantumKernel(zz_feature_map(3))), r"\[samples, 3\] is needed"),
    ):
        with pytest.raises(InvalidInput, match=message):
            bad.fit(X, y)
