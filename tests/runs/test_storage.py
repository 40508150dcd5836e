import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bitket.errors import InvalidInput
from bitket.runs.files import read_json, write_bytes, write_json, write_text
from bitket.runs.storage import load_tree, save_tree

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text()
ARRAYS = hnp.arrays(
    st.sampled_from(["f4", "f8", "c8", "c16", "i1", "i8", "u2", "?", ">f8", "f2"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
TREES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


def same(a, b):
    """Equal in type, shape, order in memory and every bit."""
    if isinstance(a, np.ndarray | np.generic):
        native = a.astype(a.dtype.newbyteorder("="))
        return type(a) is type(b) and native.dtype == b.dtype and a.shape == b.shape and native.tobytes() == b.tobytes()
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float | complex):
        return np.array(a).tobytes() == np.array(b).tobytes() or (a != a and b != b)
    return a == b


@settings(deadline=None, max_examples=60)
@given(tree=TREES)
def test_what_is_stored_comes_back_bit_for_bit(tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("tree") / "x.safetensors"
    save_tree(path, tree)
    assert same(tree, load_tree(path))


def test_tensors_keep_type_layout_and_gradient(tmp_path):
    tree = {
        "plain": torch.randn(3, 4, dtype=torch.float64),
        "turned": torch.randn(3, 4).T,
        "small": torch.randn(5).to(torch.bfloat16),
        "scalar": torch.tensor(2),
        "complex": torch.randn(2, dtype=torch.complex64).conj(),
        "leaf": torch.randn(2, requires_grad=True),
        "empty": torch.zeros(0, 3, dtype=torch.bool),
    }
    save_tree(tmp_path / "t", tree)
    for name, back in load_tree(tmp_path / "t").items():
        tensor = tree[name]
        assert back.dtype == tensor.dtype
        assert back.shape == tensor.shape
        assert back.stride() == tensor.stride() or tensor.numel() == 0
        assert back.requires_grad == tensor.requires_grad
        assert torch.equal(back, tensor)


def test_a_tensor_with_an_axis_of_length_one_and_no_stride(tmp_path):
    tensor = torch.tensor([1.5], dtype=torch.float64).as_strided((1, 1), (0, 0))
    save_tree(tmp_path / "t", tensor)
    assert load_tree(tmp_path / "t").tolist() == [[1.5]]


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.Philox, np.random.MT19937])
def test_generators_go_on_where_they_were(tmp_path, bits):
    ours, theirs = np.random.Generator(bits(3)), torch.Generator().manual_seed(3)
    ours.normal(size=5), torch.randn(5, generator=theirs)
    save_tree(tmp_path / "g", {"numpy": ours, "torch": theirs})
    back = load_tree(tmp_path / "g")
    assert np.array_equal(back["numpy"].normal(size=9), ours.normal(size=9))
    assert torch.equal(torch.randn(9, generator=back["torch"]), torch.randn(9, generator=theirs))


def test_a_fortran_ordered_array_stays_one(tmp_path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    save_tree(tmp_path / "f", array)
    back = load_tree(tmp_path / "f")
    assert back.flags.f_contiguous
    assert not back.flags.c_contiguous
    assert np.array_equal(back, array)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [object()]}, r"result\['a'\]\[0\]: a object cannot be stored"),
        ({1.5: 2}, "keys of a stored dict must be texts or integers, not 1.5"),
        (np.array(["a"]), "an array of <U1 cannot be stored"),
        (np.array([object()]), "an array of object cannot be stored"),
        ({1, 2}, "a set cannot be stored"),
    ],
)
def test_what_cannot_be_stored_is_named_and_leaves_no_file(tmp_path, value, message):
    with pytest.raises(InvalidInput, match=message):
        save_tree(tmp_path / "x", value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tree(path, [1, np.arange(100)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InvalidInput, match=r"x\.safetensors: not a stored result"):
        load_tree(path)


def test_a_file_is_old_or_new_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file"
    write_text(path, "old")

    def fails(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(InvalidInput, match=r"cannot write .*deep/file: No space left on device"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_json_files(tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot write .*: Out of range float values"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    with pytest.raises(InvalidInput, match=r"no x\.json here; a thing is needed"):
        read_json(tmp_path / "x.json", "a thing")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"x\.json: not JSON"):
        read_json(tmp_path / "x.json", "a thing")
