"""The folders that verbs write their results to."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from bitket.errors import InvalidInput

__all__ = ["new_folder"]


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
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InvalidInput(f"cannot write {folder}: {error.strerror}") from None
    return folder
