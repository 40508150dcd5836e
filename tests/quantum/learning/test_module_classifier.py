import copy
import io
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator
from tests.quantum.learning.plain import Convolution, Plain

from bitket.errors import InvalidInput
from bitket.quantum.learning.image_classifiers import HQNNParallelClassifier, HQNNQuanvClassifier
from bitket.quantum.learning.module_classifier import InputScaling

CHECKS = [
    pytest.param(made, check, id=f"{type(made).__name__}-{number}")
    for model in (
        Plain(dtype="float64"),
        Convolution(dtype="float64"),
        Plain(patience=3, dtype="float64"),
        HQNNParallelClassifier(2, 2, 1, epochs=8, learning_rate=0.02, batch_size=60, dtype="float64"),
        HQNNQuanvClassifier(dtype="float64"),
    )
    for number, (made, check) in enumerate(estimator_checks_generator(model))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_keeps_scikit_learns_contract(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def bars(count=40, side=5, channels=0, seed=0):
    """Noisy images of a bar across or down."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    images = rng.normal(scale=0.3, size=(count, side, side))
    for image, label in zip(images, y, strict=True):
        image[(slice(None), 2) if label else 2] += 1
    return (np.repeat(images[:, None], channels, axis=1) if channels else images), y


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_images_of_any_channels_and_flat_are_the_same_samples(channels):
    X, y = bars(channels=channels)
    model = Convolution(epochs=30).fit(X, y)
    assert model.score(X, y) == 1.0
    assert model.sample_shape_ == X.shape[1:]
    flat = X.reshape(len(X), -1)
    assert np.array_equal(model.predict_proba(flat), model.predict_proba(X))
    again = Convolution(epochs=30, image_shape=X.shape[1:]).fit(flat, y)
    assert np.array_equal(again.predict_proba(flat), model.predict_proba(X))


def test_flat_samples_are_laid_into_the_smallest_square():
    X, y = bars(side=4)
    model = Convolution(epochs=1).fit(X.reshape(len(X), -1)[:, :13], y)
    assert model.sample_shape_ == (4, 4)
    seen = model.samples(X.reshape(len(X), -1)[:, :13])
    assert not seen.reshape(len(X), -1)[:, 13:].any()


def test_scaling_is_learnt_from_the_trained_part_alone():
    X, y = bars()
    model = Plain(epochs=1, patience=5).fit(X, y)
    mean = model.module_[0].offset.numpy()
    means = [
        X.mean(axis=0),
        np.array([X[[k for k in range(40) if k not in out]].mean(axis=0) for out in [range(4)]])[0],
    ]
    assert np.abs(mean - means[0]).max() > 1e-4  # four samples are held out
    rest = Plain(epochs=1).fit(X, y)
    assert np.allclose(rest.module_[0].offset.numpy(), X.mean(axis=0), atol=1e-6)


def test_early_stopping_keeps_the_best_epoch():
    X, y = bars()
    noise = np.random.default_rng(1).integers(0, 2, len(y))  # nothing to learn: the loss on held-out data rises soon
    model = Plain(epochs=300, patience=5).fit(X, noise)
    assert model.training_.epochs < 300
    assert len(model.training_.validation) == model.training_.best_epoch + 5


def test_settings_and_shapes_are_refused_in_one_line():
    X, y = bars()
    for made, message in (
        (Plain(epochs=0), "epochs"),
        (Plain(dtype="float16"), "dtype 'float16'"),
        (Plain(device="nowhere"), "device 'nowhere'"),
        (Plain(image_shape=(5, 4)), "image_shape"),
        (Convolution(image_shape=(25, 1)), "images of 25 x 1 pixels; 2 x 2"),
    ):
        with pytest.raises(InvalidInput, match=message) as caught:
            made.fit(X.reshape(len(X), -1), y)
        assert "\n" not in str(caught.value)
    model = Plain(epochs=1).fit(X, y)
    with pytest.raises(InvalidInput, match=r"images of shape \(4, 5\); it is fitted to samples of shape \(5, 5\)"):
        model.predict(X[:, 1:])
    with pytest.raises(InvalidInput, match=r"\[t, c, h, w\]"):
        model.fit(X[:, None, None], y)
    with pytest.raises(InvalidInput, match="NaN"):
        model.fit(np.where(np.arange(5) == 0, np.nan, X), y)
    with pytest.raises(InvalidInput, match="too few"):
        Plain(patience=1).fit(X[:2], y[:2])


def test_seeds_and_cross_validation():
    X, y = bars()

    def bits(seed):
        return Plain(epochs=3, random_state=seed).fit(X, y).predict_proba(X)

    before = torch.get_rng_state()
    assert np.array_equal(bits(1), bits(1))
    assert not np.array_equal(bits(1), bits(2))
    assert torch.equal(torch.get_rng_state(), before)  # torch's own generator is left as it was
    assert cross_val_score(clone(Convolution(epochs=20)), X, y, cv=4).mean() > 0.9


def test_module_takes_raw_samples_and_copies():
    X, y = bars()
    model = Convolution(epochs=5).fit(X, y)
    module = model.module_
    x = torch.tensor(X, dtype=torch.float32)
    assert torch.allclose(torch.softmax(module(x), 1).double(), torch.tensor(model.predict_proba(X)), atol=1e-6)
    stored = io.BytesIO()
    torch.save(module.state_dict(), stored)
    stored.seek(0)
    other = copy.deepcopy(module)
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert torch.equal(other(x), module(x))


def test_scaling_to_a_range():
    x = np.array([[1.0, 5.0], [3.0, 5.0]])
    scaled = InputScaling.to_range(x, -1.0, 2.0)(torch.tensor([[1.0, 5.0], [3.0, 7.0], [9.0, 0.0]]).double())
    assert scaled[:, 0].tolist() == pytest.approx([-1.0, 2.0, 2.0])
    assert InputScaling.standardised(x)(torch.tensor(x)).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
