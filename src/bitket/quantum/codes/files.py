"""Check matrices in files: alist (MacKay), npz, npy, Matrix Market, text; and Stim circuits out.

A CSS code in alist, Matrix Market, npy or text is two files, ``NAME.x.alist`` and ``NAME.z.alist``; either name reads both. Alist and Matrix
Market take memory for the ones alone; the others hold all entries. What a file claims to hold is reckoned before a place is made for it.
"""

from __future__ import annotations

import io
import itertools
import math
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, load_npz

from bitket.errors import InvalidInput, NotEnoughMemory
from bitket.files import require_file
from bitket.quantum.codes.code import ClassicalCode, CssCode, StabiliserCode, require_kernel
from bitket.quantum.simulation.memory import require
from bitket.runs.files import write_bytes

__all__ = ["read_code", "write_code"]

Code = ClassicalCode | CssCode | StabiliserCode
Matrix = Any
"""A SciPy csr_array or a NumPy array."""

_TEXT = (".txt", ".csv", ".dat", ".stab")
_SPARSE = {"format", "shape", "data"}
"""Arrays of every npz file that SciPy's ``save_npz`` writes."""


def read_code(path: str | Path) -> Code:
    """The code in a file; endings in capitals mean the same.

    Parameters
    ----------
    path
        - ``.npz`` with one array (classical), or ``h``, ``hx`` and ``hz`` (CSS), ``stabilisers`` ([rows, 2 n], X part first), named in small
          letters or capitals, with ``_`` or without; or one of SciPy's ``save_npz`` (classical);
        - ``.npy``, ``.alist`` or ``.mtx``, classical, or CSS where ``.x`` or ``.z`` stands before the ending;
        - ``.txt``, ``.csv``, ``.dat`` or ``.stab``: rows of 0 and 1, with blanks, commas or brackets or without, as ``.npy``; or
          stabilisers over I (or _), X, Y, Z, one a line, the rightmost letter being qubit 0, with a sign, which plays no part, or without.
          After ``#`` or ``%`` are comments.

    Raises
    ------
    InvalidInput
        There is no such file, it is of another format, or its matrices are no code.
    NotEnoughMemory
        Matrices that are held whole are too large.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind != ".npz" and kind not in _READERS:
        raise InvalidInput(f"{path}: a name that ends in .npz, {', '.join(_READERS)} is needed")
    if kind == ".npz":
        return _named(path, lambda: _from_npz(path))
    part = Path(path.stem).suffix
    if part.lower() in (".x", ".z"):
        other = {".x": ".z", ".z": ".x", ".X": ".Z", ".Z": ".X"}[part]
        twin = path.with_name(Path(path.stem).stem + other + path.suffix)
        matrices = {name.lower(): _matrix(p) for name, p in ((part, path), (other, twin))}
        return _named(path, lambda: CssCode(matrices[".x"], matrices[".z"], Path(path.stem).stem))
    if kind in _TEXT:
        lines = _lines(path)
        if any(set(token.upper()) & set("XYZ") for _, tokens in lines for token in tokens):
            return _named(path, lambda: StabiliserCode.from_paulis(_generators(path, lines), path.stem))
        return _classical(path, _rows(path, lines))
    return _classical(path, _matrix(path))


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
    kind = path.suffix.lower()
    if kind == ".npz":
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
    if kind == ".stim":
        from bitket.quantum.codes.memory import memory_circuit

        if not isinstance(code, CssCode):
            raise InvalidInput(f"{path}: memory circuits are made for CSS codes")
        write_bytes(path, memory_circuit(code, rounds=3).encode())
        return [path]
    if kind not in _WRITERS:
        raise InvalidInput(f"{path}: a name that ends in .npz, .alist, .mtx or .stim is needed")
    if isinstance(code, StabiliserCode):
        raise InvalidInput(f"{path}: a stabiliser code that is not CSS goes to .npz")
    held = [code.checks] if isinstance(code, ClassicalCode) else [code.sparse_x, code.sparse_z]
    if kind == ".alist" and not all(checks.shape[0] for checks in held):
        raise InvalidInput(f"{path}: an alist holds at least one check; .npz and .mtx take matrices of none")
    if isinstance(code, ClassicalCode):
        if Path(path.stem).suffix.lower() in (".x", ".z"):
            raise InvalidInput(
                f"{path}: .x and .z before the ending name the parts of a CSS code, this one is classical"
            )
        write_bytes(path, _WRITERS[kind](csr_array(code.checks)))
        return [path]
    paths = [path.with_name(f"{path.stem}.{part}{path.suffix}") for part in "xz"]
    for name, checks in zip(paths, (code.sparse_x, code.sparse_z), strict=True):
        write_bytes(name, _WRITERS[kind](checks))
    return paths


def _named(path: Path, make: Callable[[], Code]) -> Code:
    try:
        return make()
    except InvalidInput as error:
        said = str(error)
        raise InvalidInput(said if said.startswith(f"{path}: ") else f"{path}: {said}") from None


def _classical(path: Path, matrix: Matrix) -> Code:
    rows, columns = matrix.shape if matrix.ndim == 2 else (0, 0)
    # Entries are compared with 0 and with 1, which takes three bytes more for each while it lasts.
    require((matrix.dtype.itemsize + 4) * rows * columns, f"{path}: a matrix of {rows} x {columns}")
    require_kernel(rows, columns, str(path))
    return _named(path, lambda: ClassicalCode(matrix.toarray() if isinstance(matrix, csr_array) else matrix, path.stem))


# -- what is there ------------------------------------------------------------------------------------------------------
def _size(path: Path) -> int:
    """Bytes of a regular file."""
    return require_file(path).stat().st_size


def _text(path: Path, each: int = 20) -> str:
    """What it says; ``each`` of its bytes takes so many: a number of two bytes up to 40 as an entry of a list."""
    require(each * _size(path), f"{path}: its text")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not a text file") from None


def _matrix(path: Path) -> Matrix:
    return _READERS[path.suffix.lower()](path)


def _sparse(data: Any, rows: Any, columns: Any, shape: tuple[int, int], path: Path) -> csr_array:
    """Refuses what claims more rows than there are entries before a place is made for each."""
    if shape[0] > len(data):
        raise InvalidInput(f"{path}: {shape[0]} rows, {len(data)} entries; every check must touch a bit")
    found = csr_array(coo_array((data, (rows, columns)), shape=shape))  # repeated entries add up
    if not np.isin(found.data, (0, 1)).all():
        value = found.data[~np.isin(found.data, (0, 1))][0]
        raise InvalidInput(f"{path}: it holds {value}; only 0 and 1 are allowed")
    return found.astype(np.uint8)


# -- NumPy's and SciPy's files --------------------------------------------------------------------------------------------
def _array(file: BinaryIO, size: int, where: str) -> NDArray[Any]:
    """An array of NumPy's format that is ``size`` bytes long, of numbers, and no larger than its file."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.kind not in "biuf":
        raise InvalidInput(f"{where}: entries of type {dtype}; numbers 0 and 1 are needed")
    claimed, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or claimed > there:
        shown = " x ".join(map(str, shape))
        raise InvalidInput(f"{where}: it claims {shown} entries, {claimed} bytes; there are {max(0, there)}")
    require(2 * claimed, f"{where}: its {claimed} bytes")
    data = file.read(claimed)
    if len(data) < claimed:
        raise InvalidInput(f"{where}: cut short")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _guarded(path: Path, what: str, read: Callable[[], Any]) -> Any:
    """What damaged files raise in NumPy, SciPy, zlib and zipfile is of many kinds."""
    _size(path)
    try:
        return read()
    except (InvalidInput, NotEnoughMemory):
        raise
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    except Exception as error:
        raise InvalidInput(f"{path}: not a readable {what} ({error})") from None


def _from_npy(path: Path) -> NDArray[Any]:
    def read() -> NDArray[Any]:
        with path.open("rb") as file:
            return _array(file, path.stat().st_size, str(path))

    return _guarded(path, "npy file", read)


def _from_npz(path: Path) -> Code:
    def read() -> Code:
        with zipfile.ZipFile(path) as archive:
            parts: dict[str, zipfile.ZipInfo] = {}
            for part in archive.infolist():
                name = part.filename.removesuffix(".npy")
                if name in parts:
                    raise InvalidInput(f"{path}: two arrays are named {name}")
                parts[name] = part

            def array(name: str) -> NDArray[Any]:
                with archive.open(parts[name]) as file:
                    return _array(file, parts[name].file_size, f"{path}: {name}")  # type: ignore[arg-type]

            if set(parts) >= _SPARSE:
                return _classical(path, _from_scipy(path, sum(part.file_size for part in parts.values())))
            called: dict[str, str] = {}
            for name in parts:
                short = name.lower().replace("_", "").replace("stabilizers", "stabilisers")
                if short in called:
                    raise InvalidInput(f"{path}: {called[short]} and {name} mean the same; one is needed")
                called[short] = name
            if {"hx", "hz"} <= set(called):
                return CssCode(array(called["hx"]), array(called["hz"]), path.stem)
            if "stabilisers" in called:
                return StabiliserCode(array(called["stabilisers"]), path.stem)
            alone = len(called) == 1 and not {"hx", "hz"} & set(called)
            if "h" in called or alone:
                return _classical(path, array(called["h"] if "h" in called else next(iter(parts))))
            held = ", ".join(sorted(parts)) or "nothing"
            raise InvalidInput(
                f"{path}: it holds {held}; one array, or h, or hx and hz, or stabilisers, or a SciPy matrix is needed"
            )

    return _guarded(path, "npz file of number arrays", read)


def _from_scipy(path: Path, size: int) -> csr_array:
    require(4 * size, f"{path}: its arrays")
    found = load_npz(path)  # it unpickles nothing
    if hasattr(found, "check_format"):
        found.check_format(full_check=True)
    entries = found.tocoo()
    if entries.data.dtype.kind not in "biuf":
        raise InvalidInput(f"{path}: entries of type {entries.data.dtype}; numbers 0 and 1 are needed")
    return _sparse(entries.data, entries.coords[0], entries.coords[1], entries.shape, path)


# -- text ---------------------------------------------------------------------------------------------------------------
def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Numbers of the lines that say something, from 1, and their words."""
    clean = str.maketrans(dict.fromkeys(",;[](){}\"'|", " "))
    found = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        for row in line.partition("#")[0].partition("%")[0].split("]"):
            if tokens := row.translate(clean).split():
                found.append((number, tokens))
    if not found:
        raise InvalidInput(f"{path}: no rows; lines of 0 and 1, or of I, X, Y, Z, are needed")
    return found


def _rows(path: Path, lines: Iterable[tuple[int, list[str]]]) -> NDArray[np.uint8]:
    rows: list[bytes] = []
    for number, tokens in lines:
        row = "".join(token if not token.strip("01") else _bit(token, f"{path} line {number}") for token in tokens)
        if rows and len(row) != len(rows[0]):
            raise InvalidInput(f"{path} line {number}: {len(row)} entries, the first row has {len(rows[0])}")
        rows.append(row.encode())
    return (np.frombuffer(b"".join(rows), np.uint8) - ord("0")).reshape(len(rows), -1)


def _bit(token: str, where: str) -> str:
    """A 0 or 1 that is written as 1.0 or 1e+00."""
    try:
        value = float(token)
    except ValueError:
        value = math.nan
    if value not in (0.0, 1.0):
        shown = token if len(token) <= 20 else token[:17] + "..."
        raise InvalidInput(f"{where}: '{shown}'; only 0 and 1, or I, X, Y, Z for stabilisers, are allowed")
    return f"{value:.0f}"


def _generators(path: Path, lines: Iterable[tuple[int, list[str]]]) -> list[str]:
    """Words over I, X, Y, Z of the same length, without their signs."""
    found: list[str] = []
    for number, tokens in lines:
        letters = [token.upper() for token in tokens]
        if letters[0] in ("+", "-") and len(letters) > 1:
            del letters[0]
        spread = len(letters) > 1 and all(len(word.lstrip("+-")) == 1 for word in letters)
        for word in ["".join(letters)] if spread else letters:
            bare = (word[1:] if word[0] in "+-" else word).replace("_", "I")
            if not bare or bare.strip("IXYZ"):
                shown = word if len(word) <= 20 else word[:17] + "..."
                raise InvalidInput(
                    f"{path} line {number}: '{shown}' is no stabiliser; I (or _), X, Y, Z and a sign are allowed"
                )
            if found and len(bare) != len(found[0]):
                raise InvalidInput(
                    f"{path} line {number}: a stabiliser of {len(bare)} qubits, the first has {len(found[0])}"
                )
            found.append(bare)
    n = len(found[0])
    require(20 * len(found) * n + len(found) ** 2, f"{path}: {len(found)} stabilisers of {n} qubits")
    require_kernel(len(found), 2 * n, str(path))
    return found


def _from_alist(path: Path) -> csr_array:
    """Columns and rows; greatest degrees; all degrees; for each column its rows, from 1, padded with 0; for each row its columns."""
    lines = [line.split() for line in _text(path).splitlines() if line.strip()]
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


def _from_mtx(path: Path) -> csr_array:
    from scipy.io import mminfo, mmread

    text = _text(path, each=12).encode()
    if not text.startswith(b"%%MatrixMarket"):
        raise InvalidInput(f"{path}: not a Matrix Market file (it begins with %%MatrixMarket)")

    def read() -> csr_array:
        rows, columns, entries, layout, field, _ = mminfo(io.BytesIO(text))
        if field == "complex":
            raise InvalidInput(f"{path}: complex entries; only 0 and 1 are allowed")
        # An entry takes two bytes of text or more, four with its place.
        if layout == "array" and 2 * rows * columns > len(text):
            raise InvalidInput(
                f"{path}: it claims {rows} x {columns} entries; its text of {len(text)} bytes holds fewer"
            )
        if layout != "array" and 4 * entries > len(text) + 1:
            raise InvalidInput(f"{path}: it claims {entries} entries; its text of {len(text)} bytes holds fewer")
        found = coo_array(mmread(io.BytesIO(text)))
        return _sparse(found.data, found.coords[0], found.coords[1], found.shape, path)

    return _guarded(path, "Matrix Market file", read)


def _to_mtx(H: csr_array) -> bytes:
    entries = H.tocoo()
    head = f"%%MatrixMarket matrix coordinate integer general\n{H.shape[0]} {H.shape[1]} {H.nnz}\n"
    return (head + "".join(f"{r + 1} {c + 1} 1\n" for r, c in zip(*entries.coords, strict=True))).encode()


_READERS: dict[str, Callable[[Path], Matrix]] = {
    ".npy": _from_npy,
    ".alist": _from_alist,
    ".mtx": _from_mtx,
    **dict.fromkeys(_TEXT, lambda path: _rows(path, _lines(path))),
}
_WRITERS = {".alist": _to_alist, ".mtx": _to_mtx}
