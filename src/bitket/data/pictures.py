"""A user's own pictures: a folder with one folder for each class, pictures without labels, or one as it is and back to PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.data.rows import Images
from bitket.errors import InvalidInput, MissingExtra
from bitket.files import opened, require_folder

__all__ = ["PICTURES", "find_pictures", "png", "read_images", "read_picture", "read_pictures"]

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_MOST = 1 << 33  # bytes of all pixels
_MOST_PIXELS = 1 << 26  # of a picture as it is


def read_images(path: str | Path, height: int | None = None, width: int | None = None, colour: bool = False) -> Images:
    """Images from a folder that holds one folder for each class.

    Parameters
    ----------
    path
        Classes are the names of its folders, sorted.
    height, width
        Images are resized to that many pixels (area average); None: all must have one size, which they keep.
    colour
        Keep red, green and blue; otherwise luminance.

    Raises
    ------
    InvalidInput
        There is no such folder, no class, or a class without images; an image cannot be read; or their sizes differ and none is given.
    """
    path = require_folder(path)
    classes = sorted(folder.name for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not classes:
        raise InvalidInput(f"{path}: one folder for each class is needed; there is none")
    files: list[Path] = []
    y: list[int] = []
    for k, name in enumerate(classes):
        own = pictures_in(path / name)
        if not own:
            raise InvalidInput(f"{path / name}: there is no image in it ({', '.join(PICTURES)})")
        files += own
        y += [k] * len(own)
    return Images(read_pictures(files, height, width, colour), np.array(y, dtype=np.int64), tuple(classes))


def pictures_in(folder: Path) -> list[Path]:
    """The picture files that lie in a folder, sorted."""
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in PICTURES and f.is_file())


def find_pictures(folder: str | Path) -> list[Path]:
    """The picture files of a folder and of all folders in it, sorted.

    Raises
    ------
    InvalidInput
        There is no such folder, or no picture in it.
    """
    found = sorted(f for f in require_folder(folder).rglob("*") if f.suffix.lower() in PICTURES and f.is_file())
    if not found:
        raise InvalidInput(f"{folder}: there is no picture in it ({', '.join(PICTURES)})")
    return found


def read_pictures(
    files: Sequence[Path], height: int | None = None, width: int | None = None, colour: bool = False
) -> NDArray[np.float32]:
    """Pixels from 0 to 1 of picture files, ``[N, h, w]`` or, in colour, ``[N, h, w, 3]``; sizes as of `read_images`.

    Raises
    ------
    InvalidInput
        As `read_images`.
    MissingExtra
        Pillow is not installed.
    """
    _require_pillow()
    if (height is None) != (width is None):
        raise InvalidInput("images: height and width are given together, or neither")
    size = None if height is None or width is None else (height, width)
    if size is not None and min(size) < 1:
        raise InvalidInput(f"images of {size[0]} x {size[1]} pixels: at least 1 x 1 is needed")
    out: NDArray[np.float32] | None = None
    for k, file in enumerate(files):
        pixels = _pixels(file, size, colour)
        if out is None:
            total = 4 * pixels.size * len(files)
            if total > _MOST:
                raise InvalidInput(f"{file}: {len(files)} images of this size take {total} bytes; {_MOST} are the most")
            out = np.empty((len(files), *pixels.shape), dtype=np.float32)
        if pixels.shape != out.shape[1:]:
            first, other = (" x ".join(map(str, s[:2])) for s in (out.shape[1:], pixels.shape))
            raise InvalidInput(
                f"{file}: {other} pixels, but {files[0]} has {first}; give one height and width to which all are resized"
            )
        out[k] = pixels
    return out if out is not None else np.empty((0, 1, 1), dtype=np.float32)


def _pixels(file: Path, size: tuple[int, int] | None, colour: bool) -> NDArray[np.float32]:
    from PIL import Image

    try:
        with opened(file) as stream, Image.open(stream) as image:
            whole = image.convert("RGB" if colour else "L")
            if size is not None:
                whole = whole.resize((size[1], size[0]), Image.Resampling.BOX)
            return np.asarray(whole, dtype=np.float32) / np.float32(255)
    except InvalidInput:
        raise
    except Exception as error:  # damaged pictures raise errors of many kinds, SyntaxError among them
        raise InvalidInput(f"{file}: not an image that can be read ({error})") from None


def _require_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise MissingExtra("reading pictures needs Pillow: pip install 'bitket[images]'") from None


def read_picture(path: str | Path, *, colour: bool = True) -> NDArray[np.float32]:
    """Pixels from 0 to 1, ``[height, width]`` of a grey picture and ``[height, width, 3]`` of one in colour, upright as its camera was.

    Parameters
    ----------
    colour
        False: the luminance of a picture in colour. Transparency is left out.

    Raises
    ------
    InvalidInput
        There is no such file, or it is no picture that can be read, or one of more than 64 million pixels.
    MissingExtra
        Pillow is not installed.
    """
    _require_pillow()
    from PIL import Image, ImageOps

    try:
        with opened(path) as stream, Image.open(stream) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise InvalidInput(
                    f"{path}: {image.width} x {image.height} pixels; {_MOST_PIXELS} are the most that are read"
                )
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits
                return np.clip(np.asarray(upright, dtype=np.float32) / np.float32(65535), 0, 1)
            grey = not colour or upright.mode in ("1", "L", "LA", "F")
            return np.asarray(upright.convert("L" if grey else "RGB"), dtype=np.float32) / np.float32(255)
    except InvalidInput:
        raise
    except Exception as error:  # as above
        raise InvalidInput(f"{path}: not a picture that can be read ({error})") from None


def png(pixels: NDArray[Any]) -> bytes:
    """Pixels from 0 to 1, ``[height, width]`` or ``[height, width, 3]``, as a PNG file of 8 bits."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()
