import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import estimator_checks_generator

from bitket.data import load
from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantum.circuits import angle_encoding
from bitket.quantum.learning.autoencoder import Autoencoder
from bitket.quantum.learning.feature_map import QuantumFeatureMap
from bitket.quantum.learning.saved import load as load_model
from bitket.quantum.learning.saved import save
from bitket.quantum.learning.transfer import CutAt, DenseClassifier, TransferPipeline

SMALL = {
    "hidden": (24, 8),
    "encoder_epochs": 8,
    "epochs": 8,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "random_state": 3,
}


@pytest.fixture(scope="module")
def digits():
    data = load("digits")
    order = np.random.default_rng(0).permutation(len(data.y))[:500]
    return data.X[order[:400]], data.y[order[:400]], data.X[order[400:]], data.y[order[400:]]


@pytest.fixture(scope="module")
def fitted(digits):
    return TransferPipeline(**SMALL).fit(*digits[:2])


def test_autoencoder_learns_and_its_loss_is_what_it_reports(digits):
    x = torch.tensor(digits[0] / 16).float()
    g = torch.Generator().manual_seed(0)
    for loss in ("mse", "bce"):
        net = Autoencoder((64, 24, 8), loss, generator=g)
        before = net.error(x)
        history = net.fit(x, Training(10, 50, learning_rate=3e-3), generator=g).history
        assert history[-1] < history[0]
        assert net.error(x) < 0.6 * before
        assert net.error(x) == pytest.approx(float((net.decode(net.encode(x)) - x).detach().square().mean()), rel=1e-5)
    assert (
        sum(p.numel() for p in Autoencoder((784, 256, 64)).parameters())
        == 2 * (784 * 256 + 256 * 64) + 256 + 64 + 256 + 784
    )


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Autoencoder((5,)), "two or more"),
        (lambda: Autoencoder((5, 2), "l1"), "loss 'l1'"),
        (lambda: Autoencoder((5, 2)).fit(torch.zeros(3, 4), generator=torch.Generator()), r"\[N, 5\] is needed"),
        (lambda: Autoencoder((4, 2)).fit(torch.full((3, 4), 2.0), generator=torch.Generator()), "not a number from 0 to 1"),
        (lambda: CutAt(torch.nn.Sequential(torch.nn.ReLU()), "1"), "layer '1': the module has no such layer; it has 0"),
        (lambda: CutAt(torch.nn.ModuleDict({"a": torch.nn.Sequential(torch.nn.ReLU())}), "b"), "it has a, a.0"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(act, message):
    with pytest.raises(InvalidInput, match=message):
        act()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"feature_map": "loop"}, "feature map 'loop'; cascade"),
        ({"feature_map": angle_encoding(3)}, "5 components; the circuit takes 3"),
        ({"reducer": 0}, "0 components"),
        ({"reducer": None, "hidden": (24, 20)}, "20 qubits: 16 at most"),
        ({"encoder": 3}, "the encoder is a int"),
        ({"encoder": torch.nn.Linear(5, 2)}, r"encoder cannot take samples of shape \(64,\): mat1 and mat2"),
        ({"scale": 1.0}, "two angles"),
        ({"shots": 0}, "0 shots"),
    ],
)
def test_wrong_settings_are_named(digits, settings, message):
    with pytest.raises(InvalidInput, match=message):
        TransferPipeline(**SMALL | {"encoder_epochs": 1, "epochs": 1} | settings).fit(digits[0][:50], digits[1][:50])


def test_pipeline_is_its_stages(fitted, digits):
    """The angles are scikit-learn's components of the codes, scaled as the feature map scales them, and the circuit is the feature map."""
    x = digits[0]
    front, network = fitted.module_[0], fitted.module_[1]
    assert fitted.components_ == 5
    with torch.no_grad():
        angles = front(torch.tensor(x).float()).double().numpy()
        features = network[0](front(torch.tensor(x).float())).double().numpy()
    theirs = QuantumFeatureMap("shifted", scale=None).fit(angles).transform(angles)
    np.testing.assert_allclose(features, theirs, atol=1e-5)
    whole = TransferPipeline(**SMALL | {"patience": None, "epochs": 1}).fit(*digits[:2])
    with torch.no_grad():
        codes = whole.module_[0][0].inner[0](torch.tensor(x).float()).double().numpy()
        angles = whole.module_[0](torch.tensor(x).float()).double().numpy()
    expected = QuantumFeatureMap().fit(PCA(5).fit_transform(codes))
    np.testing.assert_allclose(angles, expected.angles(PCA(5).fit_transform(codes)), atol=1e-4)


def test_learns_and_the_control_too(fitted, digits):
    x, y, x_test, y_test = digits
    control = TransferPipeline(**SMALL, feature_map="none").fit(x, y)
    assert fitted.score(x_test, y_test) > 0.4
    assert control.score(x_test, y_test) > 0.4
    for a, b in zip(fitted.module_[0][0].parameters(), control.module_[0][0].parameters(), strict=True):
        assert torch.equal(a, b)  # the same encoder: what differs is the circuit


def test_frozen_encoders_stay_and_others_move(digits):
    x, y = digits[0][:100], digits[1][:100]
    net = torch.nn.Sequential(
        torch.nn.Linear(64, 12), torch.nn.BatchNorm1d(12), torch.nn.ReLU(), torch.nn.Linear(12, 3)
    ).train()
    user = CutAt(net, "2")
    kept = {k: v.clone() for k, v in net.state_dict().items()}
    for frozen in (True, False):
        model = TransferPipeline(**SMALL | {"epochs": 2}, encoder=user, frozen=frozen, reducer=3).fit(x, y)
        now = next(m for m in model.module_.modules() if isinstance(m, CutAt)).module.state_dict()
        assert torch.equal(now["0.weight"], kept["0.weight"]) == frozen
        assert torch.equal(now["1.running_mean"], kept["1.running_mean"]) == frozen
    assert all(torch.equal(v, kept[k]) for k, v in net.state_dict().items())  # the user's own is a copy's source alone


def test_nothing_is_learnt_from_the_test_part(digits):
    """Stages and stopping know the training part alone: another test part, or other labels on it, change no weight."""
    x, y, x_test, y_test = digits
    first = TransferPipeline(**SMALL | {"epochs": 3, "patience": 3}).fit(x, y)
    first.score(x_test, y_test)
    again = TransferPipeline(**SMALL | {"epochs": 3, "patience": 3}).fit(x, y)
    again.score(x_test[::-1] * 3 + 1, np.roll(y_test, 7))
    for a, b in zip(first.module_.state_dict().values(), again.module_.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    # samples held out for early stopping are not in the scaling or the components either
    model = TransferPipeline(**SMALL | {"epochs": 1, "encoder_epochs": 1, "patience": 1})
    seen = []
    learn = model._scaling
    model._scaling = lambda part: (seen.append(len(part)), learn(part))[1]
    model.fit(x, y)
    assert seen[0] < len(x)


def test_defaults_serve_small_tables():
    """By its defaults: a table of 150 rows, and what the fold of the first component costs where the shift is left out."""
    iris = load("iris")
    order = np.random.default_rng(0).permutation(150)
    x, y = iris.X[order], iris.y[order]
    shifted, folded = (
        TransferPipeline(feature_map=f).fit(x[:100], y[:100]).score(x[100:], y[100:]) for f in ("shifted", "cascade")
    )
    assert shifted > 0.9
    assert shifted >= folded


def test_saved_and_loaded(fitted, digits, tmp_path):
    save(fitted, tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(digits[2]), fitted.predict_proba(digits[2]))
    user = TransferPipeline(**SMALL | {"epochs": 1}, encoder=torch.nn.Linear(64, 6)).fit(*digits[:2])
    with pytest.raises(InvalidInput, match="encoder"):
        save(user, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_images_have_one_scale_and_shots_draw(digits):
    x, y = digits[0].reshape(-1, 8, 8)[:100], digits[1][:100]
    model = TransferPipeline(**SMALL | {"epochs": 1, "shots": 64}).fit(x, y)
    unit = model.module_[0][0].inner[0][0][0]
    assert unit.offset.shape == (1,)
    p = model.predict_proba(x[:3])
    np.testing.assert_allclose(p.sum(1), 1)


TINY = {"epochs": 8, "batch_size": 16, "learning_rate": 3e-2, "widths": (16,), "dropout": 0.0, "patience": None}
CHECKS = [
    pytest.param(made, check, id=f"{type(made).__name__}-{number}")
    for model in (
        TransferPipeline(hidden=(8, 4), encoder_epochs=2, dtype="float64", **TINY),
        DenseClassifier(**TINY),
    )
    for number, (made, check) in enumerate(estimator_checks_generator(model))
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_keeps_scikit_learns_contract(estimator, check):
    check(estimator)
