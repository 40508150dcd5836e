"""A user's own data: tables as CSV, TSV or npz, reviews as TSV, images as a folder of folders."""

from __future__ import annotations

import contextlib
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from bitket.data.idx import holds_idx, read_idx_images
from bitket.data.records import read_cells
from bitket.data.rows import Images, Table
from bitket.data.texts import read_reviews
from bitket.errors import InvalidInput
from bitket.files import opened, read_text, require_folder

__all__ = ["read", "read_images", "read_table"]

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")

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


def read_table(path: str | Path, label: str = "label") -> Table:
    """A table of numbers with a column of labels.

    Parameters
    ----------
    path
        ``.csv`` or ``.tsv`` with a header, labels of any text; or ``.npz`` with arrays ``X`` of shape ``[N, d]`` and ``y`` of ``[N]``.
    label
        Name of the column (or of the array) of labels. Classes are sorted, by value if all are numbers.

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
    features = tuple(name for name in names if name != label)
    values, labels = [], []
    for number, row in rows:
        if not row[place]:
            raise InvalidInput(f"{path} line {number}, column '{label}': empty")
        labels.append(row[place])
        values.append(
            [_number(cell, path, number, name) for cell, name in zip(row, names, strict=True) if name != label]
        )
    if not values or not features:
        raise InvalidInput(f"{path}: {len(values)} rows of {len(features)} features; at least one of each is needed")
    return _labelled(np.array(values, dtype=float), np.array(labels), features)


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


def _read_npz(path: Path, label: str) -> Table:
    try:
        with opened(path) as given, zipfile.ZipFile(given) as packed:
            size = sum(part.file_size for part in packed.infolist())
            if size > _MOST:
                raise InvalidInput(f"{path}: its arrays have {size} bytes; {_MOST} are the most that are read")
            with np.load(given, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
    except InvalidInput:
        raise
    except Exception as error:  # zipfile, zlib, tokenize and NumPy raise many kinds for damaged files
        raise InvalidInput(f"{path}: not an npz file of plain arrays ({error})") from None
    for name in ("X", label):
        if name not in arrays:
            raise InvalidInput(f"{path}: there is no array '{name}'; there are {', '.join(arrays) or 'none'}")
    X, labels = arrays["X"], arrays[label]
    if X.ndim != 2 or X.size == 0 or labels.shape != (len(X),) or X.dtype.kind not in "fiub":
        raise InvalidInput(
            f"{path}: X of shape {X.shape} and {label} of shape {labels.shape}; numbers [N, d] and labels [N] are needed"
        )
    bad = np.argwhere(~np.isfinite(X))
    if len(bad):
        raise InvalidInput(f"{path}: X[{bad[0][0]}, {bad[0][1]}] is {X[tuple(bad[0])]}; finite numbers are needed")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InvalidInput(f"{path}: {label}[{int(np.argmin(np.isfinite(labels)))}] is not finite")
    return _labelled(X.astype(float), labels, tuple(f"x{k}" for k in range(X.shape[1])))


def read_images(path: str | Path, height: int = 8, width: int = 8, colour: bool = False) -> Images:
    """Images from a folder that holds one folder for each class.

    Parameters
    ----------
    path
        Classes are the names of its folders, sorted.
    height, width
        Images are resized to that many pixels (area average).
    colour
        Keep red, green and blue; otherwise luminance.

    Raises
    ------
    InvalidInput
        There is no such folder, no class, or a class without images; or an image cannot be read.
    """
    from PIL import Image

    path = Path(path)
    require_folder(path)
    if min(height, width) < 1:
        raise InvalidInput(f"images of {height} x {width} pixels: at least 1 x 1 is needed")
    classes = sorted(folder.name for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not classes:
        raise InvalidInput(f"{path}: one folder for each class is needed; there is none")
    size = 8 * height * width * (3 if colour else 1) * sum(len(list((path / name).iterdir())) for name in classes)
    if size > _MOST:
        raise InvalidInput(f"{path}: images of {height} x {width} pixels take {size} bytes; {_MOST} are the most")
    pixels, y = [], []
    for k, name in enumerate(classes):
        files = sorted(f for f in (path / name).iterdir() if f.suffix.lower() in _PICTURES)
        if not files:
            raise InvalidInput(f"{path / name}: there is no image in it ({', '.join(_PICTURES)})")
        for file in files:
            try:
                with Image.open(file) as image:
                    small = image.convert("RGB" if colour else "L").resize((width, height), Image.Resampling.BOX)
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                raise InvalidInput(f"{file}: not an image that can be read ({error})") from None
            pixels.append(np.asarray(small, dtype=float) / 255)
            y.append(k)
    return Images(np.array(pixels), np.array(y, dtype=np.int64), tuple(classes))
