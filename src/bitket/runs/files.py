"""Files written whole.

A file is written under another name in the same folder, flushed to the disk and renamed: a reader, or a crash, sees the old file or
the new one, never a part.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from bitket import files
from bitket.errors import InvalidInput

__all__ = ["read_json", "write_bytes", "write_json", "write_text"]

_KINDS: dict[str, Any] = {
    "study": str, "scale": str, "seed": int, "config": dict, "claims": list, "seconds": int | float, "paper": dict,
    "figures": list, "full_config": dict, "peak_rss_bytes": int,
}  # fmt: skip
_FIELDS = {
    "config.json": ("study", "scale", "seed", "config"),
    "result.json": ("study", "scale", "seed", "config", "claims", "seconds"),
    "report.json": ("paper", "figures", "full_config"),
    "clock.json": ("seconds", "peak_rss_bytes"),
}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole; its folder is made if it is not there.

    Raises
    ------
    InvalidInput
        The folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write text whole, as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole; numbers that are not finite are refused, as JSON has none."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"cannot write {path}: {error}") from None
    write_text(path, text + "\n")


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object that a run wrote; with the fields that a file of its name has.

    Parameters
    ----------
    what
        What the caller looks for, for the message.

    Raises
    ------
    InvalidInput
        There is none, it is damaged, or it is of another kind.
    """
    if not path.exists():
        raise InvalidInput(f"{path.parent}: no {path.name} here; {what} is needed")
    found = files.read_json(path)
    if not isinstance(found, dict):
        raise InvalidInput(f"{path}: not what a run writes; an object is needed")
    for name in _FIELDS.get(path.name, ()):
        if not isinstance(found.get(name), _KINDS[name]) or isinstance(found[name], bool):
            raise InvalidInput(f"{path}: not what a run writes; its {name} is missing or of the wrong kind")
    return found
