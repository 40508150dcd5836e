"""Files of codes: every form that is read, and hostile files, which end with one line that names them."""

import io
import os
import zipfile

import numpy as np
import pytest
from scipy import sparse

from bitket.errors import BitketError, InvalidInput, NotEnoughMemory
from bitket.quantum.codes import ClassicalCode, CssCode, StabiliserCode, colour_code, named_code, read_code, write_code

GOLAY = named_code("golay").checks
STEANE = colour_code(3)
FIVE = ["XZZXI", "IXZZX", "XIXZZ", "ZXIXZ"]
BOM = b"\xef\xbb\xbf"


def _npz(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("names", [("hx", "hz"), ("HX", "HZ"), ("Hx", "Hz"), ("H_X", "H_Z")])
def test_arrays_of_css_codes_by_any_name(tmp_path, names):
    rest = {"extra": np.array(["text"])}
    code = read_code(
        _npz(tmp_path / "q.npz", **dict(zip(names, (STEANE.x_checks, STEANE.z_checks), strict=True)), **rest)
    )
    assert isinstance(code, CssCode)
    assert (code.x_checks == STEANE.x_checks).all()
    assert (code.z_checks == STEANE.z_checks).all()


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, float, ">i4"])
@pytest.mark.parametrize("name", ["h", "H", "parity_check", "arr_0"])
def test_one_array_by_any_name_and_type(tmp_path, name, dtype):
    made = np.asfortranarray(GOLAY.astype(dtype))
    assert (read_code(_npz(tmp_path / "c.npz", **{name: made})).checks == GOLAY).all()
    np.save(tmp_path / "c.npy", made)
    assert (read_code(tmp_path / "c.npy").checks == GOLAY).all()


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("form", ["array", "matrix"])
def test_sparse_files_of_scipy(tmp_path, kind, form):
    sparse.save_npz(tmp_path / "s.npz", getattr(sparse, f"{kind}_{form}")(GOLAY))
    code = read_code(tmp_path / "s.npz")
    assert isinstance(code, ClassicalCode)
    assert (code.checks == GOLAY).all()


@pytest.mark.parametrize(
    "write",
    [
        lambda rows: "\n".join("".join(map(str, row)) for row in rows),
        lambda rows: "# check matrix\n\n" + "\n".join(" ".join(map(str, row)) + "  % a check" for row in rows) + "\n",
        lambda rows: "\r\n".join(",".join(map(str, row)) for row in rows),
        lambda rows: str(rows.tolist()),
        np.array2string,
        lambda rows: "\n".join("".join(map(str, row[:5])) + " " + "".join(map(str, row[5:])) for row in rows),
    ],
)
@pytest.mark.parametrize("ending", [".txt", ".CSV", ".dat"])
def test_rows_of_0_and_1(tmp_path, write, ending):
    path = tmp_path / f"m{ending}"
    path.write_text(write(GOLAY))
    assert (read_code(path).checks == GOLAY).all()
    path.write_bytes(BOM + path.read_bytes())
    assert (read_code(path).checks == GOLAY).all()


def test_what_savetxt_writes_by_default(tmp_path):
    np.savetxt(tmp_path / "m.txt", GOLAY)
    assert (read_code(tmp_path / "m.txt").checks == GOLAY).all()


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(FIVE),
        "# five qubits\n+XZZXI\n-IXZZX\n + XIXZZ % sign\nzxixz",
        "X Z Z X _\n_ X Z Z X\nX _ X Z Z\nZ X _ X Z\n",
        str(FIVE),
        ", ".join(FIVE),
    ],
)
def test_stabilisers(tmp_path, text):
    (tmp_path / "five.stab").write_text(text)
    code = read_code(tmp_path / "five.stab")
    assert isinstance(code, StabiliserCode)
    assert (code.checks == StabiliserCode.from_paulis(FIVE).checks).all()
    assert str(code.distance()) == "3"


@pytest.mark.parametrize("ending", [".alist", ".mtx", ".ALIST", ".Mtx"])
def test_marks_of_byte_order_and_capitals(tmp_path, ending):
    (path,) = write_code(tmp_path / f"c{ending}", named_code("golay"))
    path.write_bytes(BOM + path.read_bytes())
    assert (read_code(path).checks == GOLAY).all()


@pytest.mark.parametrize(
    "names", [("q.x.npy", "q.z.npy"), ("q.X.NPY", "q.Z.NPY"), ("q.x.txt", "q.z.txt"), ("q.X.alist", "q.Z.alist")]
)
def test_parts_of_css_codes(tmp_path, names):
    for name, checks in zip(names, (STEANE.x_checks, STEANE.z_checks), strict=True):
        if name.endswith(".txt"):
            np.savetxt(tmp_path / name, checks, fmt="%d")
        elif name.endswith(".alist"):
            (made,) = write_code(tmp_path / "part.alist", ClassicalCode(checks))
            made.rename(tmp_path / name)
        else:
            with (tmp_path / name).open("wb") as file:
                np.save(file, checks)
    for name in names:
        code = read_code(tmp_path / name)
        assert (code.n, code.k, code.distance().value) == (7, 1, 3)


# -- hostile ------------------------------------------------------------------------------------------------------------
def _header(shape, dtype="|u1", data=b"\x01"):
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def _zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return out.getvalue()


def _saved(array, **options):
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def _scipy(**changes):
    parts = {
        "format": np.array(b"csr"),
        "shape": np.array([2, 3]),
        "data": np.ones(3, np.uint8),
        "indices": np.array([0, 1, 2]),
        "indptr": np.array([0, 2, 3]),
    } | changes
    return _zipped(**{name: _saved(np.asarray(part)) for name, part in parts.items()})


ALIST = "4 2\n2 3\n1 2 1 2\n3 3\n1 0\n1 2\n2 0\n1 2\n1 2 4\n2 3 4\n"
MTX = "%%MatrixMarket matrix coordinate {} general\n{}\n"

HOSTILE = {
    "object.npy": (_saved(np.array([[{}]], object), allow_pickle=True), "numbers 0 and 1 are needed"),
    "object.npz": (_zipped(h=_saved(np.array([[{}]], object), allow_pickle=True)), "numbers 0 and 1 are needed"),
    "words.npy": (_saved(np.array([["1", "0"]])), "numbers 0 and 1 are needed"),
    "complex.npy": (_saved(np.array([[1j]])), "numbers 0 and 1 are needed"),
    "flat.npy": (_saved(np.array([1, 1])), "rows of equal length"),
    "scalar.npy": (_saved(np.array(1)), "rows of equal length"),
    "cube.npy": (_saved(np.ones((2, 2, 2))), "rows of equal length"),
    "none.npy": (_saved(np.ones((2, 0))), "no column"),
    "nan.npy": (_saved(np.array([[1, np.nan]])), "entry nan"),
    "two.npy": (_saved(np.array([[1, 2]])), "entry 2"),
    "half.npy": (_saved(np.array([[1, 0.5]])), "entry 0.5"),
    "minus.npy": (_saved(np.array([[1, -1]])), "entry -1"),
    "shape.npy": (_header((10**9, 10**9)), "it claims 1000000000 x 1000000000 entries"),
    "shape.npz": (_zipped(h=_header((10**9, 10**9))), "it claims 1000000000 x 1000000000 entries"),
    "negative.npy": (_header((-1, -1)), "it claims -1 x -1 entries"),
    "cut.npy": (_saved(GOLAY)[:-1], "it claims"),
    "bare.npy": (b"", "not a readable npy file"),
    "other.npy": (b"hello", "not a readable npy file"),
    "code.npy": (_header("(__import__('os').system('true'), 1)"), "not a readable npy file"),
    "bare.npz": (b"", "not a readable npz"),
    "cut.npz": (_zipped(h=_saved(GOLAY))[:200], "not a readable npz"),
    "empty.npz": (_zipped(), "it holds nothing"),
    "only.npz": (_zipped(hx=_saved(GOLAY)), "it holds hx"),
    "many.npz": (_zipped(a=_saved(GOLAY), b=_saved(GOLAY)), "it holds a, b"),
    "both.npz": (_zipped(h=_saved(GOLAY), H=_saved(GOLAY)), "h and H mean the same"),
    "index.npz": (_scipy(indices=np.array([0, 1, 3])), "not a readable npz"),
    "jump.npz": (_scipy(indptr=np.array([0, 10**6, 3])), "not a readable npz"),
    "huge.npz": (_scipy(shape=np.array([2, 10**12]), indices=np.array([0, 1, 2])), "a matrix of 2 x 1000000000000"),
    "kind.npz": (_scipy(format=np.array(b"xyz")), "not a readable npz"),
    "twice.npz": (_scipy(indices=np.array([1, 1, 2])), "it holds 2"),
    "rows.npz": (
        _scipy(format=np.array(b"coo"), row=np.arange(3), col=np.arange(3), shape=np.array([10**12, 3])),
        "3 entries",
    ),
    "wide.mtx": (MTX.format("pattern", "2 100000000 4\n1 1\n1 2\n2 2\n2 3").encode(), "99999998 or more dimensions"),
    "claim.mtx": (MTX.format("pattern", "2 3 100000000000000\n1 1").encode(), "it claims 100000000000000 entries"),
    "dense.mtx": (
        b"%%MatrixMarket matrix array real general\n1000000 1000000\n1\n",
        "it claims 1000000 x 1000000 entries",
    ),
    "negative.mtx": (MTX.format("pattern", "-2 3 1\n1 1").encode(), "not a readable Matrix Market file"),
    "nan.mtx": (MTX.format("real", "1 2 2\n1 1 nan\n1 2 1").encode(), "it holds nan"),
    "two.mtx": (MTX.format("integer", "1 2 2\n1 1 2\n1 2 1").encode(), "it holds 2"),
    "complex.mtx": (MTX.format("complex", "1 2 2\n1 1 1 1\n1 2 1 0").encode(), "complex entries"),
    "twice.mtx": (MTX.format("pattern", "1 2 3\n1 1\n1 1\n1 2").encode(), "it holds 2"),
    "bare.mtx": (b"", "not a Matrix Market file"),
    "head.mtx": (b"%%MatrixMarket", "not a readable Matrix Market file"),
    "bare.alist": (b"", "not an alist file"),
    "bytes.alist": (bytes(range(128, 256)), "not a text file"),
    "negative.alist": (ALIST.replace("4 2", "-4 2", 1).encode(), "lines"),
    "wide.alist": (ALIST.replace("4 2", "1000000000000 2", 1).encode(), "lines"),
    "tall.alist": (ALIST.replace("4 2", "4 1000000000000", 1).encode(), "lines"),
    "cut.alist": (ALIST[:20].encode(), "not an alist file"),
    "nan.alist": (ALIST.replace("3 3", "nan 3").encode(), "not an alist file"),
    "many.alist": (b"9" * 5000, "not an alist file"),
    "two.txt": (b"1 0 1\n1 2 0\n", "line 2: '2'; only 0 and 1"),
    "nan.txt": (b"1 nan\n", "line 1: 'nan'; only 0 and 1"),
    "ragged.txt": (b"101\n10\n", "line 2: 2 entries, the first row has 3"),
    "bare.txt": (b"", "no rows"),
    "comment.txt": (b"# nothing\n", "no rows"),
    "empty.txt": (b"101\n000\n", "row 1 is empty"),
    "word.stab": (b"XZZXI\nhello\n", "line 2: 'HELLO' is no stabiliser"),
    "sign.stab": (b"XX\n+\n", "line 2"),
    "ragged.stab": (b"XZZXI\nXX\n", "line 2: a stabiliser of 2 qubits"),
    "clash.stab": (b"XX\nZI\n", "do not commute"),
    "bytes.txt": (b"\xff\xfe1\x00", "not a text file"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_with_one_line(tmp_path, name):
    data, words = HOSTILE[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BitketError) as caught:
        read_code(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["f.npz", "f.npy", "f.mtx", "f.alist", "f.txt"])
def test_what_is_no_file(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InvalidInput, match="a file is needed"):
        read_code(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(InvalidInput, match="it is a folder"):
        read_code(tmp_path / name)
    (tmp_path / f"device{name[1:]}").symlink_to("/dev/zero")
    with pytest.raises(InvalidInput, match="a file is needed"):
        read_code(tmp_path / f"device{name[1:]}")
    with pytest.raises(InvalidInput, match="there is no such file"):
        read_code(tmp_path / f"missing{name[1:]}")


def test_sizes_are_reckoned_before_anything_is_held(tmp_path, monkeypatch):
    """Zip bombs, long texts, codes whose words do not fit."""
    monkeypatch.setattr("bitket.quantum.simulation.memory.available_bytes", lambda: 1 << 27)
    head = _header((1 << 14, 1 << 13), data=b"")
    (tmp_path / "bomb.npz").write_bytes(_zipped(h=head + bytes(1 << 27)))
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 18
    (tmp_path / "long.txt").write_bytes(b"1" * 20_000_000)
    (tmp_path / "long.stab").write_bytes(b"X" * 6_000_000)
    (tmp_path / "square.mtx").write_text(MTX.format("pattern", "2 20000 2\n1 1\n2 2"))
    for name in ("bomb.npz", "long.txt", "long.stab", "square.mtx"):
        with pytest.raises(NotEnoughMemory, match=f"{name}.*of memory are available"):
            read_code(tmp_path / name)
