"""Check matrices in files: alist (MacKay), npz (``h``, or ``hx`` and ``hz``), Matrix Market, and Stim circuits out.

A CSS code in alist or Matrix Market is two files, ``NAME.x.alist`` and ``NAME.z.alist``; either name reads both.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.codes.code import ClassicalCode, CssCode, StabiliserCode
from bitket.runs.files import write_bytes

__all__ = ["read_code", "write_code"]

Bits = NDArray[np.uint8]
Code = ClassicalCode | CssCode | StabiliserCode


def read_code(path: str | Path) -> Code:
    """The code in a file.

    Parameters
    ----------
    path
        ``.npz`` with the array ``h`` (classical), ``hx`` and ``hz`` (CSS) or ``stabilisers`` ([rows, 2 n], X part first); ``.alist`` or
        ``.mtx``, classical, or CSS where ``.x`` or ``.z`` stands before it.

    Raises
    ------
    InvalidInput
        There is no such file, it is of another format, or its matrices are no code.
    """
    path = Path(path)
    if path.suffix not in _READERS and path.suffix != ".npz":
        raise InvalidInput(f"{path}: a name that ends in .npz, .alist or .mtx is needed")
    for one, other in ((".x", ".z"), (".z", ".x")):
        if Path(path.stem).suffix == one:
            twin = path.with_name(Path(path.stem).stem + other + path.suffix)
            matrices = {name: _matrix(p) for name, p in ((one, path), (other, twin))}
            return _named(path, lambda m=matrices: CssCode(m[".x"], m[".z"], Path(path.stem).stem))
    if path.suffix != ".npz":
        return _named(path, lambda: ClassicalCode(_matrix(path), path.stem))
    arrays = _arrays(path)
    if {"hx", "hz"} <= set(arrays):
        return _named(path, lambda: CssCode(arrays["hx"], arrays["hz"], path.stem))
    if "stabilisers" in arrays:
        return _named(path, lambda: StabiliserCode(arrays["stabilisers"], path.stem))
    if "h" in arrays:
        return _named(path, lambda: ClassicalCode(arrays["h"], path.stem))
    held = ", ".join(sorted(arrays)) or "nothing"
    raise InvalidInput(f"{path}: it holds {held}; an array h, or hx and hz, or stabilisers is needed")


def write_code(path: str | Path, code: Code) -> list[Path]:
    """Write a code whole; the names of the files written.

    Parameters
    ----------
    path
        Ends in ``.npz``, ``.alist``, ``.mtx``; or ``.stim`` for a memory experiment of a CSS code without noise, three rounds.

    Raises
    ------
    InvalidInput
        Another ending, or a code that the format cannot hold.
    """
    path = Path(path)
    if path.suffix == ".npz":
        if isinstance(code, ClassicalCode):
            arrays = {"h": code.checks}
        elif isinstance(code, CssCode):
            arrays = {"hx": code.x_checks, "hz": code.z_checks}
        else:
            arrays = {"stabilisers": code.checks}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_bytes(path, buffer.getvalue())
        return [path]
    if path.suffix == ".stim":
        from bitket.quantum.codes.memory import memory_circuit

        if not isinstance(code, CssCode):
            raise InvalidInput(f"{path}: memory circuits are made for CSS codes")
        write_bytes(path, memory_circuit(code, rounds=3).encode())
        return [path]
    if path.suffix not in _WRITERS:
        raise InvalidInput(f"{path}: a name that ends in .npz, .alist, .mtx or .stim is needed")
    if isinstance(code, StabiliserCode):
        raise InvalidInput(f"{path}: a stabiliser code that is not CSS goes to .npz")
    if isinstance(code, ClassicalCode):
        write_bytes(path, _WRITERS[path.suffix](code.checks))
        return [path]
    paths = [path.with_name(f"{path.stem}.{kind}{path.suffix}") for kind in "xz"]
    for name, checks in zip(paths, (code.x_checks, code.z_checks), strict=True):
        write_bytes(name, _WRITERS[path.suffix](checks))
    return paths


def _named(path: Path, make: Any) -> Code:
    try:
        return make()
    except InvalidInput as error:
        said = str(error)
        raise InvalidInput(said if said.startswith(f"{path}: ") else f"{path}: {said}") from None


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InvalidInput(f"{path}: there is no such file") from None
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError, EOFError) as error:
        raise InvalidInput(f"{path}: not a readable npz file of number arrays ({error})") from None


def _matrix(path: Path) -> Bits:
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not a text file") from None
    return _READERS[path.suffix](text, path)


def _from_alist(text: str, path: Path) -> Bits:
    """Columns and rows; greatest degrees; all degrees; for each column its rows, from 1, padded with 0; for each row its columns."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    try:
        numbers = [[int(x) for x in line] for line in lines]
        n, m = numbers[0]
        degrees, entries = numbers[2], numbers[4 : 4 + n]
        H = np.zeros((m, n), np.uint8)
        for v, line in enumerate(entries):
            found = [c for c in line if c > 0]
            if (
                len(found) != degrees[v]
                or len(set(found)) != len(found)
                or max(found, default=1) > m
                or min(line, default=0) < 0
            ):
                raise InvalidInput(f"{path}: column {v + 1} does not hold {degrees[v]} different rows of 1 to {m}")
            H[np.array(found, int) - 1, v] = 1
        if len(entries) != n or len(numbers) not in (4 + n, 4 + n + m):
            raise InvalidInput(
                f"{path}: an alist of {n} columns and {m} rows has {4 + n + m} lines; there are {len(lines)}"
            )
        for c, line in enumerate(numbers[4 + n :]):
            if sorted(v for v in line if v) != (np.flatnonzero(H[c]) + 1).tolist():
                raise InvalidInput(f"{path}: row {c + 1} and the columns disagree")
    except InvalidInput:
        raise
    except (ValueError, IndexError):
        raise InvalidInput(f"{path}: not an alist file (columns and rows, degrees, then positions)") from None
    return H


def _to_alist(H: Bits) -> bytes:
    parts = [[np.flatnonzero(line) + 1 for line in matrix] for matrix in (H.T, H)]
    most = [max(map(len, part)) for part in parts]
    lines = [f"{H.shape[1]} {H.shape[0]}", f"{most[0]} {most[1]}"]
    lines += [" ".join(str(len(line)) for line in part) for part in parts]
    for part, width in zip(parts, most, strict=True):
        lines += [" ".join(map(str, [*line, *[0] * (width - len(line))])) for line in part]
    return ("\n".join(lines) + "\n").encode()


def _from_mtx(text: str, path: Path) -> Bits:
    from scipy.io import mmread
    from scipy.sparse import issparse

    if not text.startswith("%%MatrixMarket"):
        raise InvalidInput(f"{path}: not a Matrix Market file (it begins with %%MatrixMarket)")
    try:
        found = mmread(io.StringIO(text))
    except Exception as error:  # SciPy raises many kinds for damaged files
        raise InvalidInput(f"{path}: not a readable Matrix Market file ({error})") from None
    return np.asarray(found.toarray() if issparse(found) else found)


def _to_mtx(H: Bits) -> bytes:
    rows, columns = np.nonzero(H)
    head = f"%%MatrixMarket matrix coordinate integer general\n{H.shape[0]} {H.shape[1]} {len(rows)}\n"
    return (head + "".join(f"{r + 1} {c + 1} 1\n" for r, c in zip(rows, columns, strict=True))).encode()


_READERS = {".alist": _from_alist, ".mtx": _from_mtx}
_WRITERS = {".alist": _to_alist, ".mtx": _to_mtx}
