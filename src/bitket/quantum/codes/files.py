"""Check matrices in files: alist (MacKay), npz (``h``, or ``hx`` and ``hz``), Matrix Market, and Stim circuits out.

A CSS code in alist or Matrix Market is two files, ``NAME.x.alist`` and ``NAME.z.alist``; either name reads both. They take memory for the
ones alone; npz holds all entries.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from bitket.errors import InvalidInput, NotEnoughMemory
from bitket.quantum.codes.code import ClassicalCode, CssCode, StabiliserCode
from bitket.quantum.simulation.memory import require
from bitket.runs.files import write_bytes

__all__ = ["read_code", "write_code"]

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
    NotEnoughMemory
        Matrices that are held whole are too large.
    """
    path = Path(path)
    if path.suffix not in _READERS and path.suffix != ".npz":
        raise InvalidInput(f"{path}: a name that ends in .npz, .alist or .mtx is needed")
    for one, other in ((".x", ".z"), (".z", ".x")):
        if path.suffix in _READERS and Path(path.stem).suffix == one:
            twin = path.with_name(Path(path.stem).stem + other + path.suffix)
            matrices = {name: _matrix(p) for name, p in ((one, path), (other, twin))}
            return _named(path, lambda m=matrices: CssCode(m[".x"], m[".z"], Path(path.stem).stem))
    if path.suffix != ".npz":
        return _named(path, lambda: ClassicalCode(_dense(_matrix(path), path), path.stem))
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
        if isinstance(code, CssCode):
            x, z = code.sparse_x, code.sparse_z
            require(
                2 * (x.shape[0] + z.shape[0]) * code.n, f"{path}: all entries of its checks; .mtx takes the ones alone"
            )
            arrays = {"hx": code.x_checks, "hz": code.z_checks}
        else:
            arrays = {"h" if isinstance(code, ClassicalCode) else "stabilisers": code.checks}
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
    held = [code.checks] if isinstance(code, ClassicalCode) else [code.sparse_x, code.sparse_z]
    if path.suffix == ".alist" and not all(checks.shape[0] for checks in held):
        raise InvalidInput(f"{path}: an alist holds at least one check; .npz and .mtx take matrices of none")
    if isinstance(code, ClassicalCode):
        if Path(path.stem).suffix in (".x", ".z"):
            raise InvalidInput(
                f"{path}: .x and .z before the ending name the parts of a CSS code, this one is classical"
            )
        write_bytes(path, _WRITERS[path.suffix](csr_array(code.checks)))
        return [path]
    paths = [path.with_name(f"{path.stem}.{kind}{path.suffix}") for kind in "xz"]
    for name, checks in zip(paths, (code.sparse_x, code.sparse_z), strict=True):
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
        with zipfile.ZipFile(path) as file:
            require(2 * sum(part.file_size for part in file.infolist()), f"{path}: its arrays")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InvalidInput(f"{path}: there is no such file") from None
    except NotEnoughMemory:
        raise
    except Exception as error:  # zlib, tokenize, zipfile and NumPy raise many kinds for damaged files
        raise InvalidInput(f"{path}: not a readable npz file of number arrays ({error})") from None


def _matrix(path: Path) -> csr_array:
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not a text file") from None
    return _READERS[path.suffix](text, path)


def _dense(matrix: csr_array, path: Path) -> NDArray[Any]:
    require(2 * matrix.shape[0] * matrix.shape[1], f"{path}: a matrix of {matrix.shape[0]} x {matrix.shape[1]}")
    return matrix.toarray()


def _sparse(data: Any, rows: Any, columns: Any, shape: tuple[int, int], path: Path) -> csr_array:
    """Refuses what claims more rows than there are entries before a place is made for each."""
    if shape[0] > len(data):
        raise InvalidInput(f"{path}: {shape[0]} rows, {len(data)} entries; every check must touch a bit")
    return csr_array(coo_array((data, (rows, columns)), shape=shape))


def _from_alist(text: str, path: Path) -> csr_array:
    """Columns and rows; greatest degrees; all degrees; for each column its rows, from 1, padded with 0; for each row its columns."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    try:
        numbers = [[int(x) for x in line] for line in lines]
        n, m = numbers[0]
        degrees, body, at = numbers[2], numbers[4:], 0
        entries = []
        for degree in degrees:  # without padding a column in no check has an empty line, or none
            missing = degree == 0 and (at == len(body) or any(body[at]))
            entries.append([] if missing else body[at])
            at += not missing
        by_column = [[c for c in line if c > 0] for line in entries]
        for v, found in enumerate(by_column):
            if (
                len(found) != degrees[v]
                or len(set(found)) != len(found)
                or max(found, default=1) > m
                or min(entries[v], default=0) < 0
            ):
                raise InvalidInput(f"{path}: column {v + 1} does not hold {degrees[v]} different rows of 1 to {m}")
        if len(entries) != n or len(body) - at not in (0, m):
            raise InvalidInput(
                f"{path}: an alist of {n} columns and {m} rows has {4 + n + m} lines; there are {len(lines)}"
            )
        columns = np.repeat(np.arange(n), [len(found) for found in by_column])
        places = np.array([c - 1 for found in by_column for c in found], np.int64)
        H = _sparse(np.ones(len(places), np.uint8), places, columns, (m, n), path)
        if numbers[3] != np.diff(H.indptr).tolist():
            raise InvalidInput(f"{path}: the degrees of its rows, in line 4, are not those of its columns' entries")
        for c, line in enumerate(body[at:]):
            if sorted(v for v in line if v) != (H.indices[H.indptr[c] : H.indptr[c + 1]] + 1).tolist():
                raise InvalidInput(f"{path}: row {c + 1} and the columns disagree")
    except InvalidInput:
        raise
    except (ValueError, IndexError):
        raise InvalidInput(f"{path}: not an alist file (columns and rows, degrees, then positions)") from None
    return H


def _to_alist(H: csr_array) -> bytes:
    parts = [[m.indices[a:b] + 1 for a, b in itertools.pairwise(m.indptr)] for m in (csr_array(H.T), H)]
    most = [max(map(len, part)) for part in parts]
    lines = [f"{H.shape[1]} {H.shape[0]}", f"{most[0]} {most[1]}"]
    lines += [" ".join(str(len(line)) for line in part) for part in parts]
    for part, width in zip(parts, most, strict=True):
        lines += [" ".join(map(str, [*line, *[0] * (width - len(line))])) for line in part]
    return ("\n".join(lines) + "\n").encode()


def _from_mtx(text: str, path: Path) -> csr_array:
    from scipy.io import mminfo, mmread

    if not text.startswith("%%MatrixMarket"):
        raise InvalidInput(f"{path}: not a Matrix Market file (it begins with %%MatrixMarket)")
    try:
        rows, columns, _, layout, _, _ = mminfo(io.StringIO(text))
        if layout == "array":
            require(8 * rows * columns, f"{path}: a matrix of {rows} x {columns}")
        found = coo_array(mmread(io.StringIO(text)))
    except NotEnoughMemory:
        raise
    except Exception as error:  # SciPy raises many kinds for damaged files
        raise InvalidInput(f"{path}: not a readable Matrix Market file ({error})") from None
    places, columns = found.coords
    return _sparse(found.data, places, columns, found.shape, path)


def _to_mtx(H: csr_array) -> bytes:
    entries = H.tocoo()
    head = f"%%MatrixMarket matrix coordinate integer general\n{H.shape[0]} {H.shape[1]} {H.nnz}\n"
    return (head + "".join(f"{r + 1} {c + 1} 1\n" for r, c in zip(*entries.coords, strict=True))).encode()


_READERS = {".alist": _from_alist, ".mtx": _from_mtx}
_WRITERS = {".alist": _to_alist, ".mtx": _to_mtx}
