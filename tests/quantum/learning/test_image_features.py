import numpy as np
import pytest
import torch

from bitket.errors import InvalidInput
from bitket.quantum.learning.image_features import image_features, read_two_classes, split, two_classes


def test_features_have_norm_two_and_keep_the_picture():
    images = np.random.default_rng(0).random((5, 16, 16))
    features = image_features(images)
    torch.testing.assert_close(features.norm(dim=1), torch.full((5,), 2.0))
    ratio = features.numpy() / images.reshape(5, -1)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-5)
    small = image_features(images[:, :9, :9]).reshape(5, 16, 16)
    assert bool((small[:, 3:12, 3:12] > 0).all())
    assert int(small.count_nonzero()) == 5 * 81
    smooth = np.outer(*[np.sin(np.linspace(0.1, 3, 16))] * 2)[None]
    large = image_features(np.kron(smooth, np.ones((3, 3))))
    assert float((large - image_features(smooth)).abs().max()) < 0.01
    assert image_features(np.ones((1, 28, 28))).std() < 1e-6


def test_two_classes_are_picked_and_named():
    pixels, labels = np.ones((6, 8, 8)), np.array([1, 9, 3, 9, 1, 0])
    x, y = two_classes(pixels, labels, 1, 9)
    assert x.shape == (4, 256)
    assert y.tolist() == [0, 1, 1, 0]
    with pytest.raises(InvalidInput, match="some of both"):
        two_classes(pixels, labels, 1, 7)


def test_samples_of_a_split_are_disjoint_and_share_what_there_is():
    data = torch.arange(100.0)[:, None], torch.arange(100)
    (x, y), (tests, truth) = split(data, 50, 20, np.random.default_rng(1))
    assert len(x) == 50
    assert len(tests) == 20
    assert not set(y.tolist()) & set(truth.tolist())
    (x, _), (tests, _) = split(data, 700, 300, np.random.default_rng(1))
    assert (len(x), len(tests)) == (70, 30)


def test_files_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "images.npz"
    good = {
        "train_images": np.ones((4, 6, 6)),
        "train_labels": [0, 1, 0, 1],
        "test_images": np.ones((2, 6, 6)),
        "test_labels": [0, 1],
    }
    np.savez(path, **good)
    found = read_two_classes(path)
    assert [tuple(x.shape) for x, _ in found] == [(4, 256), (2, 256)]
    assert found[1][1].tolist() == [0, 1]
    for change, words in (
        ({"train_labels": [0, 1, 2, 1]}, "some 0 and some 1"),
        ({"train_labels": [0, 0, 0, 0]}, "some 0 and some 1"),
        ({"test_images": np.ones((2, 6, 7))}, "square"),
        ({"test_images": np.full((2, 6, 6), np.nan)}, "finite"),
        ({"test_images": np.array([["a"] * 6] * 6)[None].repeat(2, 0)}, "square"),
    ):
        np.savez(path, **(good | change))
        with pytest.raises(InvalidInput, match=words):
            read_two_classes(path)
    np.savez(path, train_images=np.ones((4, 6, 6)))
    with pytest.raises(InvalidInput, match="arrays"):
        read_two_classes(path)
    np.save(tmp_path / "one.npy", np.ones(3))
    for name, text in (("one.npy", None), ("text.npz", "not an archive")):
        if text:
            (tmp_path / name).write_text(text)
        with pytest.raises(InvalidInput, match="npz"):
            read_two_classes(tmp_path / name)
    with pytest.raises(InvalidInput, match="square grey"):
        image_features(np.ones((2, 5, 6)))
