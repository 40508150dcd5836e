"""Reading a user's files: one wording for what is not there or cannot be read, no wait for a pipe, no device without an end."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from bitket.errors import InvalidInput

__all__ = ["opened", "read_bytes", "read_json", "read_text", "require_file", "require_folder"]

_MOST = 1 << 30


def opened(path: str | Path) -> BinaryIO:
    """A regular file, open for reading bytes.

    Raises
    ------
    InvalidInput
        There is none, it cannot be read, or it is a folder, a device, a pipe or a socket; the message begins with the path.
    """
    try:
        # A pipe is not waited for; on a regular file the flag does nothing.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:  # a ValueError for a name with a zero byte
        raise InvalidInput(f"{path}: the file cannot be read ({getattr(error, 'strerror', None) or error})") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
        raise InvalidInput(f"{path}: it is {what}; a file is needed")
    return os.fdopen(descriptor, "rb")


def require_file(path: str | Path) -> Path:
    """The path of a file that can be read; raises as `opened`."""
    opened(path).close()
    return Path(path)


def require_folder(path: str | Path) -> Path:
    """The path of a folder that can be read.

    Raises
    ------
    InvalidInput
        There is none, or it is none, or it cannot be read.
    """
    try:
        with os.scandir(path):
            return Path(path)
    except FileNotFoundError:
        raise InvalidInput(f"{path}: there is no such folder") from None
    except NotADirectoryError:
        raise InvalidInput(f"{path}: it is a file; a folder is needed") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: the folder cannot be read ({getattr(error, 'strerror', None) or error})") from None


def read_bytes(path: str | Path, *, most: int = _MOST) -> bytes:
    """A file's bytes, ``most`` of them.

    Raises
    ------
    InvalidInput
        As `opened`, or it is longer.
    """
    with opened(path) as file:
        try:
            data = file.read(most + 1)
        except OSError as error:
            raise InvalidInput(f"{path}: the file cannot be read ({error.strerror or error})") from None
        if len(data) > most:
            size = max(os.fstat(file.fileno()).st_size, len(data))
            raise InvalidInput(f"{path}: the file has {size} bytes; {most} are the most that are read")
    return data


def read_text(path: str | Path, *, most: int = _MOST) -> str:
    """A file's text in UTF-8, without a byte order mark.

    Raises
    ------
    InvalidInput
        As `read_bytes`, or it is no such text.
    """
    try:
        return read_bytes(path, most=most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: byte {error.start} is not UTF-8 text") from None


def read_json(path: str | Path, *, most: int = _MOST) -> Any:
    """What a JSON file holds: finite numbers, no name twice in one object.

    Raises
    ------
    InvalidInput
        As `read_text`, or it is no such JSON.
    """
    text = read_text(path, most=most)
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_finite, parse_int=_whole, parse_constant=_finite
        )
    except RecursionError:
        raise InvalidInput(f"{path}: not JSON that can be read (nested too deeply)") from None
    except ValueError as error:
        raise InvalidInput(f"{path}: not JSON ({error})") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' stands twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is not a finite number")
    return value


def _whole(text: str) -> int:
    if len(text) > 300:  # no double holds it
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)
