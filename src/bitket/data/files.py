"""A user's own data: tables as CSV, TSV or npz, reviews as TSV, images as a folder of folders."""

from __future__ import annotations

import contextlib
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.data.idx import holds_idx, read_idx_images, read_idx_pixels
from bitket.data.pictures import PICTURES, pictures_in, read_images, read_pictures
from bitket.data.records import read_cells
from bitket.data.rows import Images, Table
from bitket.data.texts import read_reviews
from bitket.errors import InvalidInput
from bitket.files import opened, read_text

__all__ = ["read", "read_arrays", "read_column", "read_samples", "read_table"]

_MOST = 1 << 33  # bytes of arrays


def read(path: str | Path, **options: Any) -> Any:
    """A table, reviews or images, by what the path is: see `read_table`, `read_reviews`, `read_idx_images` and `read_images`.

    Raises
    ------
    InvalidInput
        The path does not exist, is of no known kind, or its reader refuses it or an option.
    """
    path = Path(path)
    if not path.exists():
        raise InvalidInput(f"{path}: there is no such file or folder")
    if path.is_dir():
        reader: Any = read_idx_images if holds_idx(path) else read_images
    elif path.suffix.lower() == ".tsv" and _header(path, "\t")[:2] == ["Review", "Liked"]:
        reader = read_reviews
    elif path.suffix.lower() in (".csv", ".tsv", ".npz"):
        reader = read_table
    else:
        raise InvalidInput(f"{path}: a folder of images or a .csv, .tsv or .npz file is needed")
    try:
        return reader(path, **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise InvalidInput(f"{path}: {str(error).split('() ')[-1]}") from None


def read_table(path: str | Path, label: str = "label", without: str | None = None) -> Table | Images:
    """A table of numbers with a column of labels; or, from an npz file, images.

    Parameters
    ----------
    path
        ``.csv`` or ``.tsv`` with a header, labels of any text; or ``.npz`` with arrays ``X`` of shape ``[N, d]``, or of images
        ``[N, height, width]`` or ``[N, height, width, 3]`` (bytes become 0 to 1), and ``y`` of ``[N]``.
    label
        Name of the column (or of the array) of labels. Classes are sorted, by value if all are numbers.
    without
        Name of a column that is no feature (`read_column` reads it); not for ``.npz``.

    Raises
    ------
    InvalidInput
        The file cannot be read, the labels are missing, or a value is empty, not a number or not finite: file, line and column.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, "y" if label == "label" else label)
    names, rows = read_cells(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    if label not in names:
        raise InvalidInput(f"{path}: there is no column '{label}'; there are {', '.join(names) or 'none'}")
    place = names.index(label)
    features = tuple(name for name in names if name not in (label, without))
    values, labels = [], []
    for number, row in rows:
        if not row[place]:
            raise InvalidInput(f"{path} line {number}, column '{label}': empty")
        labels.append(row[place])
        values.append(
            [
                _number(cell, path, number, name)
                for cell, name in zip(row, names, strict=True)
                if name not in (label, without)
            ]
        )
    if not values or not features:
        raise InvalidInput(f"{path}: {len(values)} rows of {len(features)} features; at least one of each is needed")
    return _labelled(np.array(values, dtype=float), np.array(labels), features)


def read_column(path: str | Path, name: str) -> list[str]:
    """The texts of one column of a ``.csv`` or ``.tsv`` file, a row each.

    Raises
    ------
    InvalidInput
        The file cannot be read, it has no such column, or a cell of it is empty.
    """
    path = Path(path)
    names, rows = read_cells(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    if name not in names:
        raise InvalidInput(f"{path}: there is no column '{name}'; there are {', '.join(names) or 'none'}")
    place = names.index(name)
    for number, row in rows:
        if not row[place]:
            raise InvalidInput(f"{path} line {number}, column '{name}': empty")
    return [row[place] for _, row in rows]


def _header(path: Path, separator: str) -> list[str]:
    return [name.strip() for name in read_text(path).partition("\n")[0].split(separator)]


def _number(cell: str, path: Path, line: int, column: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        what = f"'{cell}' is not a number" if cell else "empty"
        raise InvalidInput(f"{path} line {line}, column '{column}': {what}") from None
    if not math.isfinite(value):
        raise InvalidInput(f"{path} line {line}, column '{column}': {value}; finite numbers are needed")
    return value


def _labelled(X: np.ndarray, labels: np.ndarray, features: tuple[str, ...]) -> Table:
    kinds = np.unique(labels)
    with contextlib.suppress(ValueError):  # names stay sorted as text
        kinds = kinds[np.argsort(kinds.astype(float), kind="stable")]
    index = {kind: k for k, kind in enumerate(kinds.tolist())}
    y = np.array([index[v] for v in labels.tolist()], dtype=np.int64)
    return Table(X, y, features, tuple(str(kind) for kind in kinds))


def _read_npz(path: Path, label: str) -> Table | Images:
    arrays = read_arrays(path)
    X, labels = _samples(path, arrays, label), arrays[label]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (len(X),):
        raise InvalidInput(f"{path}: X of shape {X.shape} and {label} of shape {labels.shape}; labels [N] are needed")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InvalidInput(f"{path}: {label}[{int(np.argmin(np.isfinite(labels)))}] is not finite")
    table = _labelled(X, labels, tuple(f"x{k}" for k in range(X.shape[1])))
    return table if X.ndim == 2 else Images(X, table.y, table.classes)


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file by name.

    Raises
    ------
    InvalidInput
        It is no such file, its arrays are too large, or they hold Python objects.
    """
    try:
        with opened(path) as given, zipfile.ZipFile(given) as packed:
            size = sum(part.file_size for part in packed.infolist())
            if size > _MOST:
                raise InvalidInput(f"{path}: its arrays have {size} bytes; {_MOST} are the most that are read")
            with np.load(given, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except InvalidInput:
        raise
    except Exception as error:  # zipfile, zlib, tokenize and NumPy raise many kinds for damaged files
        raise InvalidInput(f"{path}: not an npz file of plain arrays ({error})") from None


def _samples(path: Path, arrays: dict[str, NDArray[Any]], *labels: str) -> NDArray[Any]:
    """The array X, as float64 rows or as images, of which bytes become 0 to 1."""
    for name in ("X", *labels):
        if name not in arrays:
            raise InvalidInput(f"{path}: there is no array '{name}'; there are {', '.join(arrays) or 'none'}")
    X = arrays["X"]
    image = X.ndim == 3 or (X.ndim == 4 and X.shape[3] == 3)
    if not (X.ndim == 2 or image) or X.size == 0 or X.dtype.kind not in "fiub":
        raise InvalidInput(
            f"{path}: X of shape {X.shape}; numbers [N, d], or images [N, height, width] or [N, height, width, 3], are needed"
        )
    bad = np.argwhere(~np.isfinite(X))
    if len(bad):
        place = ", ".join(map(str, bad[0]))
        raise InvalidInput(f"{path}: X[{place}] is {X[tuple(bad[0])]}; finite numbers are needed")
    return X.astype(np.float32) / np.float32(255) if image and X.dtype == np.uint8 else X.astype(float)


def read_samples(
    path: str | Path,
    label: str = "label",
    height: int | None = None,
    width: int | None = None,
    colour: bool = False,
) -> tuple[NDArray[Any], tuple[str, ...], tuple[str, ...]]:
    """Samples without their labels, which need not be there.

    Parameters
    ----------
    path
        A table (its column or array of labels is left out), a folder of IDX files (its test part, if it has one), a folder of pictures, or
        of folders of them, or one picture.
    label, height, width, colour
        As of `read_table` and `read_images`.

    Returns
    -------
    tuple
        Samples ``[N, ...]``, the name of each (its line, its place, or its file), and the names of their features (none for images).

    Raises
    ------
    InvalidInput
        As of the readers of labelled data.
    """
    path = Path(path)
    if not path.exists():
        raise InvalidInput(f"{path}: there is no such file or folder")
    if path.is_dir():
        if holds_idx(path):
            pixels = read_idx_pixels(path)
            return pixels, tuple(map(str, range(len(pixels)))), ()
        folders = [path, *sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))]
        files = [file for folder in folders for file in pictures_in(folder)]
        if not files:
            raise InvalidInput(f"{path}: there is no image in it ({', '.join(PICTURES)})")
        places = tuple(str(file.relative_to(path)) for file in files)
        return read_pictures(files, height, width, colour), places, ()
    kind = path.suffix.lower()
    if kind in PICTURES:
        return read_pictures([path], height, width, colour), (path.name,), ()
    if kind == ".npz":
        arrays = read_arrays(path)
        X = _samples(path, arrays)
        return X, tuple(map(str, range(len(X)))), tuple(f"x{k}" for k in range(X.shape[1])) if X.ndim == 2 else ()
    if kind not in (".csv", ".tsv"):
        raise InvalidInput(f"{path}: a folder of images, a picture or a .csv, .tsv or .npz file is needed")
    names, rows = read_cells(path, "\t" if kind == ".tsv" else ",")
    columns = [k for k, name in enumerate(names) if name != label]
    if not rows or not columns:
        raise InvalidInput(f"{path}: {len(rows)} rows of {len(columns)} features; at least one of each is needed")
    values = [[_number(row[k], path, number, names[k]) for k in columns] for number, row in rows]
    return np.array(values), tuple(f"line {number}" for number, _ in rows), tuple(names[k] for k in columns)
