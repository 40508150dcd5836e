import math

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from bitket.data import TextFeatures, angle_pipeline, load
from bitket.data.stemming import stem
from bitket.data.text_features import lexicon_features, tokens
from bitket.errors import InvalidInput

TEXTS = load("restaurant")


# Examples of the steps in Porter's paper (the published description, not another program).
PORTER = """
caresses caress ponies poni ties ti cats cat feed feed agreed agre plastered plaster bled bled motoring motor sing sing
conflated conflat troubled troubl sized size hopping hop tanned tan falling fall hissing hiss fizzed fizz failing fail
filing file happy happi sky sky relational relat conditional condit rational ration valenci valenc hesitanci hesit
digitizer digit conformabli conform radicalli radic differentli differ vileli vile analogousli analog
vietnamization vietnam predication predic operator oper feudalism feudal decisiveness decis hopefulness hope
callousness callous formaliti formal sensitiviti sensit sensibiliti sensibl triplicate triplic formative form
formalize formal electriciti electr electrical electr hopeful hope goodness good revival reviv allowance allow
inference infer airliner airlin gyroscopic gyroscop adjustable adjust defensible defens irritant irrit
replacement replac adjustment adjust dependent depend adoption adopt homologou homolog communism commun
activate activ angulariti angular homologous homolog effective effect bowdlerize bowdler probate probat rate rate
cease ceas controll control roll roll
""".split()


@pytest.mark.parametrize(("word", "stemmed"), zip(PORTER[::2], PORTER[1::2], strict=True))
def test_stems_of_the_paper(word, stemmed):
    assert stem(word) == stemmed


def test_stems_equal_those_of_nltk():
    porter = pytest.importorskip("nltk.stem.porter")
    theirs = porter.PorterStemmer(mode="ORIGINAL_ALGORITHM")
    words = {w for t in load("rotten_tomatoes").texts for w in t.split() if w.isascii() and w.isalpha() and len(w) > 2}
    assert all(stem(w) == theirs.stem(w) for w in words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It isn't good, and I can't recommend it.", ["not", "good", "not", "recommend"]),
        ("<b>NEVER</b> again!!! 10/10 ☃", ["never"]),
        ("Nothing without the owner’s sauces", ["noth", "without", "owner", "sauc"]),
        ("", []),
    ],
)
def test_cleaning_keeps_negations(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize("words", ["tfidf", "bag", "lexicon"])
def test_components_are_those_of_a_dense_decomposition(words):
    """Against a singular value decomposition of the centred features, up to the sign of each component."""
    features = TextFeatures(5, words, vocabulary=150)
    X = features.fit_transform(TEXTS.texts[:300])
    assert np.allclose(features.transform(TEXTS.texts[:300]), X, atol=1e-9)
    assert X.min() == 0
    assert X.max() == math.pi
    raw = TextFeatures(None, words, vocabulary=150).fit_transform(TEXTS.texts[:300])
    if words == "lexicon":
        raw = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    u, s, _ = np.linalg.svd(raw - raw.mean(axis=0), full_matrices=False)
    projected = u[:, :5] * s[:5]
    unit = (projected - projected.min(axis=0)) / np.ptp(projected, axis=0) * math.pi
    for ours, theirs in zip(X.T, unit.T, strict=True):
        assert min(np.abs(ours - theirs).max(), np.abs(ours - (math.pi - theirs)).max()) < 1e-6
    assert features.explained_ == pytest.approx((s[:5] ** 2).sum() / (s**2).sum(), rel=1e-6)


def test_counts_are_those_of_plain_counting():
    texts = TEXTS.texts[:50]
    features = TextFeatures(None, "bag", vocabulary=20)
    counts = features.fit_transform(texts)
    names = features.vectorizer_.get_feature_names_out()
    expected = [[tokens(t).count(n) for n in names] for t in texts]
    assert np.array_equal(counts, expected)
    totals = {}
    for t in texts:
        for token in tokens(t):
            totals[token] = totals.get(token, 0) + 1
    assert min(totals[n] for n in names) >= sorted(totals.values())[-20]


@pytest.mark.parametrize("words", ["tfidf", "bag", "lexicon"])
def test_no_leak_from_the_test_part(words):
    """Poisoned test texts change nothing that was fitted, nor any feature of another text."""
    train, test = list(TEXTS.texts[:200]), list(TEXTS.texts[200:250])
    poison = ["zebra quantum " * 500 + t for t in test]
    clean, poisoned = TextFeatures(5, words), TextFeatures(5, words)
    one, two = clean.fit_transform(train), poisoned.fit_transform(train)
    before = poisoned.components_.components_.copy()
    poisoned.transform(poison)
    assert np.array_equal(one, two)
    assert np.array_equal(before, clean.components_.components_)
    assert np.array_equal(clean.transform(test), poisoned.transform(test))
    assert np.allclose(clean.transform(test)[3:4], clean.transform(test[3:4]), atol=1e-12)
    # The poison would have been seen, had it been fitted.
    assert not np.allclose(TextFeatures(5, words).fit_transform(train + poison)[:200], one)


def test_no_leak_through_the_angle_pipeline():
    wine = load("wine")
    train, test = wine.X[::2], wine.X[1::2]
    pipeline = angle_pipeline(5)
    angles = pipeline.fit_transform(train)
    fitted = {name: step.__dict__.copy() for name, step in pipeline.named_steps.items()}
    out = pipeline.transform(test * 1e6)
    assert out.min() >= 0
    assert out.max() <= math.pi
    for name, step in pipeline.named_steps.items():
        assert all(np.array_equal(step.__dict__[k], v) for k, v in fitted[name].items())
    assert np.allclose(pipeline.transform(train), angles, atol=1e-12)
    assert angles.min() == pytest.approx(0, abs=1e-12)
    assert np.ptp(angles, axis=0) == pytest.approx(math.pi)


def test_range_of_the_older_tutorials():
    X = TextFeatures(3, "bag", low=-1.0, high=1.0).fit_transform(TEXTS.texts)
    assert X.min() == pytest.approx(-1, abs=1e-12)
    assert X.max() == pytest.approx(1, abs=1e-12)


def test_follows_scikit_learn():
    features = TextFeatures(4, "bag", vocabulary=99)
    assert clone(features).get_params() == features.get_params()
    fitted = clone(features).fit(TEXTS.texts)
    assert np.allclose(fitted.transform(TEXTS.texts), features.fit_transform(TEXTS.texts), atol=1e-9)
    assert np.array_equal(clone(features).fit_transform(TEXTS.texts), features.fit_transform(TEXTS.texts))


@pytest.mark.parametrize("words", ["bag", "tfidf", "lexicon"])
def test_frames_names_and_copies(words, tmp_path):
    pandas = pytest.importorskip("pandas")
    if words == "lexicon":
        pytest.importorskip("vaderSentiment")
    series = pandas.Series(TEXTS.texts[:200])
    for components in (3, None):
        features = TextFeatures(components, words, vocabulary=40).set_output(transform="pandas")
        frame = features.fit_transform(series)
        assert list(frame.columns) == features.get_feature_names_out().tolist()
        assert np.allclose(frame, clone(features).set_output(transform="default").fit(list(series)).transform(series))
        joblib.dump(features, tmp_path / "features.joblib")
        loaded = joblib.load(tmp_path / "features.joblib").transform(series)
        assert np.allclose(loaded, features.transform(series), atol=1e-12)
    with pytest.raises(InvalidInput, match="not DataFrame"):
        features.transform(series.to_frame())
    with pytest.raises(NotFittedError):
        clone(features).transform(series)
    assert not get_tags(features).input_tags.two_d_array


def test_lexicon_tells_praise_from_blame():
    good, bad, turned = lexicon_features(["A great, lovely dinner.", "An awful, dirty place.", "It was not good."])
    assert good[0] > 0.5 > -0.5 > bad[0]
    assert turned[0] < 0
    assert turned[6] == 25  # one negation in four words


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TextFeatures().fit("one text"), "a list of texts"),
        (lambda: TextFeatures().fit([]), "there are none"),
        (lambda: TextFeatures().fit(["a", float("nan")]), "number 1 is float"),
        (lambda: TextFeatures(words="glove").fit(TEXTS.texts), "'tfidf', 'bag' and 'lexicon' are known"),
        (lambda: TextFeatures(5).fit(["good food", "bad food"]), "5 components of 2 texts"),
        (lambda: TextFeatures(1).fit(["the", "of"]), "no text has a word"),
        (lambda: TextFeatures(0).fit(TEXTS.texts), "must be positive"),
        (lambda: TextFeatures(2.5).fit(TEXTS.texts), "n_components 2.5 must be positive, a whole number"),
        (lambda: TextFeatures(vocabulary=True).fit(TEXTS.texts), "vocabulary True"),
        (lambda: TextFeatures().fit(np.array([["a"], ["b"]])), "not ndarray"),
        (lambda: TextFeatures().fit({"a": 1}), "not dict"),
        (lambda: TextFeatures().fit(3), "not int"),
        (lambda: TextFeatures().fit(b"text"), "not one text"),
        (lambda: TextFeatures().fit([b"text"]), "number 0 is bytes"),
        (lambda: TextFeatures().transform(["text"]), "not fitted yet; call fit first"),
        (lambda: TextFeatures().get_feature_names_out(), "not fitted yet; call fit first"),
        (lambda: TextFeatures(low=1, high=0).fit(TEXTS.texts), "the lower one first"),
        (lambda: angle_pipeline(0), "at least 1"),
        (lambda: angle_pipeline(2, 0, math.inf), "finite numbers"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
