"""Texts to a few angles: words, stems, counts, principal components, a range. Everything is fitted on the training texts alone.

Cleaning: markup removed, lower case, n't -> not, letters only, stop words removed except negations, Porter stems. Features are counts
of the most frequent stems, their TF-IDF, or a sentiment lexicon's scores (VADER; Hutto and Gilbert 2014).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from bitket.data.estimators import check_fitted
from bitket.data.stemming import stem
from bitket.errors import InvalidInput, MissingExtra

__all__ = ["NEGATIONS", "TextFeatures", "tokens"]

NEGATIONS = frozenset(
    ("no", "not", "nor", "never", "none", "nothing", "nobody", "nowhere", "neither", "cannot", "without", "hardly")
)
"""Words that turn a meaning round: kept among the stop words."""

LEXICON_FEATURES = ("compound", "positive", "negative", "neutral", "praise", "blame", "negations", "balance")
"""Names of the columns of `lexicon_features`."""


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return ENGLISH_STOP_WORDS - NEGATIONS


def tokens(text: str) -> list[str]:
    """Stems of a text's words, without stop words.

    >>> tokens("The fries weren't crispy,<br />and I'd <b>never</b> go back!")
    ['fri', 'not', 'crispi', 'never']
    """
    text = re.sub(r"<[^>]*>", " ", text).lower().replace("’", "'")
    text = re.sub(r"\bcan't\b", "can not", text).replace("n't", " not")
    words = re.sub(r"'[a-z]+", " ", text)
    stops = _stop_words()
    return [stem(word) for word in re.findall(r"[a-z]+", words) if word not in stops and len(word) > 1]


class TextFeatures(TransformerMixin, BaseEstimator):
    """Texts to principal components of word features, scaled to a range of angles.

    Parameters
    ----------
    n_components
        Principal components; None returns the word features themselves, unscaled.
    words
        ``"tfidf"`` (sublinear term frequency), ``"bag"`` (counts) or ``"lexicon"``.
    vocabulary
        Number of most frequent stems counted.
    low, high
        Range of the result, in radians; values of unseen texts beyond it are clipped.

    Attributes
    ----------
    explained_
        Part of the variance that the components hold.
    names_
        Names of the features.
    """

    def __init__(
        self,
        n_components: int | None = 5,
        words: Literal["tfidf", "bag", "lexicon"] = "tfidf",
        vocabulary: int = 1500,
        low: float = 0.0,
        high: float = math.pi,
    ) -> None:
        self.n_components = n_components
        self.words = words
        self.vocabulary = vocabulary
        self.low = low
        self.high = high

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "names_")

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the features: stems or scores, or ``textfeatures0``, ``textfeatures1``, ... of components."""
        check_fitted(self, "names_")
        return np.asarray(self.names_, dtype=object)

    def fit(self, texts: Sequence[str], y: Any = None) -> TextFeatures:
        """Choose the vocabulary, components and range.

        Raises
        ------
        InvalidInput
            A setting or text does not fit, or there are fewer texts or features than components.
        MissingExtra
            The lexicon is not installed.
        """
        self.fit_transform(texts, y)
        return self

    def fit_transform(self, texts: Sequence[str], y: Any = None, **_: Any) -> NDArray[np.float64]:
        """`fit`, and the features ``[N, n_components]`` of the same texts."""
        from sklearn.decomposition import PCA
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        texts = _checked(texts)
        if self.words not in ("tfidf", "bag", "lexicon"):
            raise InvalidInput(f"words '{self.words}': 'tfidf', 'bag' and 'lexicon' are known")
        for name, number in (("vocabulary", self.vocabulary), ("n_components", self.n_components)):
            whole = isinstance(number, Integral) and not isinstance(number, bool) and number >= 1
            if not whole and (name, number) != ("n_components", None):
                raise InvalidInput(f"text features: {name} {number!r} must be positive, a whole number")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InvalidInput(
                f"angles from {self.low} to {self.high}: finite numbers, the lower one first, are needed"
            )
        if self.words == "lexicon":
            self.vectorizer_ = None
            counted: Any = lexicon_features(texts)
            self.weigher_ = StandardScaler().fit(counted)
            counted = self.weigher_.transform(counted)
        else:
            kind = TfidfVectorizer if self.words == "tfidf" else CountVectorizer
            options = {"sublinear_tf": True} if self.words == "tfidf" else {"dtype": np.float64}
            self.vectorizer_ = kind(analyzer=tokens, max_features=self.vocabulary, **options)
            try:
                counted = self.vectorizer_.fit_transform(texts)
            except ValueError:
                raise InvalidInput("text features: no text has a word that is not a stop word") from None
        names = LEXICON_FEATURES if self.vectorizer_ is None else self.vectorizer_.get_feature_names_out().tolist()
        if self.n_components is None:
            self.names_ = names
            return _dense(counted)
        most = min(counted.shape)
        if self.n_components > most - (self.vectorizer_ is not None):
            raise InvalidInput(
                f"text features: {self.n_components} components of {counted.shape[0]} texts with {counted.shape[1]} features; "
                "fewer components or more texts are needed"
            )
        # Few components of a sparse matrix: Lanczos steps from a fixed start; of the lexicon's few columns: all at once.
        solver = {"svd_solver": "full"} if self.vectorizer_ is None else {"svd_solver": "arpack", "random_state": 0}
        self.components_ = PCA(self.n_components, **solver)
        projected = self.components_.fit(counted).transform(counted)
        self.explained_ = float(self.components_.explained_variance_ratio_.sum())
        self.scaler_ = MinMaxScaler((self.low, self.high), clip=True)
        self.names_ = tuple(f"textfeatures{k}" for k in range(self.n_components))
        return np.asarray(self.scaler_.fit_transform(projected))

    def transform(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Features ``[N, n_components]`` of texts, by what was fitted."""
        check_fitted(self, "names_")
        texts = _checked(texts)
        if self.vectorizer_ is None:
            counted = self.weigher_.transform(lexicon_features(texts))
        else:
            counted = self.vectorizer_.transform(texts)
        if self.n_components is None:
            return _dense(counted)
        return np.asarray(self.scaler_.transform(self.components_.transform(counted)))


def _dense(counted: Any) -> NDArray[np.float64]:
    return np.asarray(counted.toarray() if hasattr(counted, "toarray") else counted, dtype=np.float64)


def _checked(texts: Iterable[Any]) -> list[str]:
    if isinstance(texts, str | bytes):
        raise InvalidInput("texts: a list of texts is needed, not one text")
    if getattr(texts, "ndim", 1) > 1 or isinstance(texts, Mapping | Set):  # a frame's list is that of its columns
        raise InvalidInput(f"texts: a list of texts is needed, not {type(texts).__name__}")
    try:
        listed = list(texts)
    except TypeError:
        raise InvalidInput(f"texts: a list of texts is needed, not {type(texts).__name__}") from None
    if not listed:
        raise InvalidInput("texts: there are none")
    for k, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidInput(f"texts: number {k} is {type(text).__name__}; text is needed")
    return listed


@lru_cache(maxsize=1)
def _analyser() -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ModuleNotFoundError as error:
        raise MissingExtra("words 'lexicon' needs vaderSentiment: pip install 'bitket[texts]'") from error
    return SentimentIntensityAnalyzer()


@lru_cache(maxsize=50_000)
def _scores(text: str) -> tuple[float, ...]:
    analyser = _analyser()
    plain = re.sub(r"<[^>]*>", " ", text)
    scores = analyser.polarity_scores(plain)
    words = re.findall(r"[a-z]+", plain.lower().replace("n't", " not"))
    rated = [analyser.lexicon.get(word, 0.0) for word in words]
    positive, negative = sum(r > 0 for r in rated), sum(r < 0 for r in rated)
    turned = sum(word in NEGATIONS for word in words)
    share = 100 / max(len(words), 1)
    return (
        *(float(scores[name]) for name in ("compound", "pos", "neg", "neu")),
        positive * share,
        negative * share,
        turned * share,
        (positive - negative) / max(positive + negative, 1),
    )


def lexicon_features(texts: ArrayLike | Sequence[str]) -> NDArray[np.float64]:
    """Scores and counts by the VADER lexicon, ``[N, 8]``; nothing is fitted.

    Compound, positive, negative and neutral score; words rated positive, rated negative, and negations, each in a hundred words; and the
    balance of the rated words.
    """
    return np.array([_scores(str(text)) for text in texts])  # type: ignore[union-attr]
