"""The folders and files that verbs write their results to."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from pathlib import Path

from bitket.errors import InvalidInput

__all__ = ["new_folder", "remove_empty", "require_writable"]

_made: list[Path] = []  # by this process, outer ones first


def new_folder(parent: Path, name: str) -> Path:
    """Make ``parent/name-time``, with a number where it is taken.

    Raises
    ------
    InvalidInput
        It cannot be written.
    """
    stamp = datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = parent / f"{re.sub(r'[^A-Za-z0-9-]', '-', name)}-{stamp}"
    count = 1
    while folder.exists():
        count += 1
        folder = folder.with_name(f"{folder.name.rsplit('_', 1)[0]}_{count}")
    missing = [above for above in reversed(folder.parents) if not above.exists()]
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InvalidInput(f"cannot write {folder}: {error.strerror}") from None
    _made.extend((*missing, folder))
    return folder


def remove_empty() -> None:
    """Remove the folders that `new_folder` made and that hold nothing: their work failed or was stopped."""
    while _made:
        with contextlib.suppress(OSError):
            _made.pop().rmdir()


def require_writable(path: Path) -> None:
    """Refuse, before long work, a file that could not be written after it; nothing is made yet.

    Raises
    ------
    InvalidInput
        It is a folder, or the nearest folder above it that exists is none or cannot be written to.
    """
    if path.is_dir():
        raise InvalidInput(f"cannot write {path}: it is a folder")
    above = next(p for p in path.absolute().parents if p.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InvalidInput(f"cannot write {path}: {above} is no folder that can be written to")
