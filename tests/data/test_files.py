import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.data import load, read_reviews, read_samples
from bitket.errors import BitketError, InvalidInput


def written(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_csv_and_tsv_and_npz_give_the_same_table(tmp_path):
    csv = written(tmp_path, "a.csv", 'age,"the kind",height\n1.5,cat,2\n\n-3e2,dog,4\n5,cat,6\n')
    tsv = written(tmp_path, "a.tsv", "\ufeffage\tthe kind\theight\n1.5\tcat\t2\n-3e2\tdog\t4\n5\tcat\t6")
    np.savez(tmp_path / "a.npz", X=[[1.5, 2], [-300, 4], [5, 6]], kinds=["cat", "dog", "cat"])
    tables = [
        load(csv, label="the kind"),
        load(tsv, label="the kind"),
        load(str(tmp_path / "a.npz"), label="kinds"),
    ]
    for t in tables:
        assert np.array_equal(t.X, [[1.5, 2], [-300, 4], [5, 6]])
        assert t.y.tolist() == [0, 1, 0]
        assert t.classes == ("cat", "dog")
    assert tables[0].features == tables[1].features == ("age", "height")


def test_numbers_as_labels_are_sorted_by_value(tmp_path):
    assert load(written(tmp_path, "a.csv", "x,label\n1,10\n2,9\n3,-1\n")).classes == ("-1", "9", "10")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 3)), min_size=1))
def test_any_finite_numbers_come_back_bit_for_bit(tmp_path_factory, rows):
    text = "a,label\n" + "".join(f"{x!r},{k}\n" for x, k in rows)
    table = load(written(tmp_path_factory.mktemp("t"), "a.csv", text))
    assert table.X[:, 0].tolist() == [x for x, _ in rows]
    assert [int(table.classes[k]) for k in table.y] == [k for _, k in rows]


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([".csv", ".tsv", ".npz"]), st.one_of(st.binary(max_size=60), st.text("a1,\t\n\"'. eR", max_size=60))
)
def test_any_bytes_give_a_table_or_one_line(tmp_path_factory, suffix, content):
    folder = tmp_path_factory.mktemp("f")
    message = ""
    try:
        load(written(folder, "f" + suffix, content))
    except BitketError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "no column 'label'; there are none"),
        ("a.csv", "x,y\n1,2\n", "no column 'label'; there are x, y"),
        ("a.csv", "x,label\n", "0 rows of 1 features"),
        ("a.csv", "label\na\n", "1 rows of 0 features"),
        ("a.csv", "x,x,label\n1,2,a\n", "two columns are named 'x'"),
        ("a.csv", "x,label\n1,a\nbig,b\n", "line 3, column 'x': 'big' is not a number"),
        ("a.csv", "x,label\n1,a\n,b\n", "line 3, column 'x': empty"),
        ("a.csv", "x,label\nnan,a\n", "line 2, column 'x': nan; finite"),
        ("a.csv", "x,label\n1e999,a\n", "line 2, column 'x': inf; finite"),
        ("a.csv", "x,label\n1, \n", "line 2, column 'label': empty"),
        ("a.csv", "x,label\n1,a,b\n", "line 2: 3 fields, the header has 2"),
        ("a.csv", b"x,label\n\xff,a\n", "byte 8 is not UTF-8 text"),
        ("a.npz", b"not a zip", "not an npz file of plain arrays"),
        ("a.txt", "x", "a folder of images or a .csv, .tsv or .npz file is needed"),
        ("a.tsv", "Review\tLiked\nGood\t2\n", "line 2, column 'Liked': '2'; 0 or 1"),
        ("a.tsv", "Review\tLiked\nGood\n", "line 2: 1 fields, the header has 2"),
        ("a.tsv", "Review\tLiked\n \t1\n", "line 2, column 'Review': empty"),
        ("a.tsv", "Review\tLiked\n", "there is no review"),
    ],
)
def test_bad_files_are_named_with_line_and_column(tmp_path, name, text, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        load(written(tmp_path, name, text))
    assert str(tmp_path / name) in str(caught.value)


def test_unknown_options_are_named(tmp_path):
    path = written(tmp_path, "a.csv", "x,label\n1,a\n")
    with pytest.raises(InvalidInput, match="unexpected keyword argument 'labels'"):
        load(path, labels="x")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"Z": [1]}, "no array 'X'"),
        ({"X": [[1.0]]}, "no array 'y'"),
        ({"X": [[1.0, np.nan]], "y": [0]}, r"X\[0, 1\] is nan"),
        ({"X": [1.0], "y": [0]}, r"X of shape \(1,\)"),
        ({"X": [[1.0]], "y": [0, 1]}, r"y of shape \(2,\)"),
        ({"X": [["a"]], "y": [0]}, "numbers"),
        ({"X": [[1.0]], "y": [np.nan]}, r"y\[0\] is not finite"),
        ({"X": np.array([[{}]], dtype=object), "y": [0]}, "not an npz file of plain arrays"),
    ],
)
def test_bad_npz_files_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InvalidInput, match=message):
        load(str(tmp_path / "a.npz"))


def test_reviews_keep_their_quotation_marks(tmp_path):
    path = written(tmp_path, "r.tsv", 'Review\tLiked\n"Wow"... Loved it.\t1\n\nNot "good".\t0\n')
    for texts in (load(path), read_reviews(path)):
        assert texts.texts == ('"Wow"... Loved it.', 'Not "good".')
        assert texts.y.tolist() == [1, 0]
    with pytest.raises(InvalidInput, match="no column 'Text'; the header has Review, Liked"):
        read_reviews(path, text="Text")


def test_image_folders(tmp_path):
    from PIL import Image

    generator = np.random.default_rng(0)
    for name, value in (("dark", 0), ("light", 255)):
        (tmp_path / name).mkdir()
        for k in range(2):
            Image.new("RGB", (16, 8), (value, value, value)).save(tmp_path / name / f"{k}.png")
    noise = generator.integers(0, 256, (8, 16), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "dark" / "z.png")
    images = load(str(tmp_path), height=4, width=8)
    assert images.pixels.shape == (5, 4, 8)
    assert images.classes == ("dark", "light")
    assert images.y.tolist() == [0, 0, 0, 1, 1]
    assert images.pixels[0].max() == 0
    assert images.pixels[-1].min() == 1
    means = noise.reshape(4, 2, 8, 2).mean(axis=(1, 3)) / 255
    assert np.abs(images.pixels[2] - means).max() <= 1 / 255 + 1e-6  # box averages, rounded to bytes along each axis
    assert load(str(tmp_path), colour=True).pixels.shape == (5, 8, 16, 3)
    (tmp_path / "light" / "1.png").write_bytes(b"broken")
    with pytest.raises(InvalidInput, match=r"1\.png: not an image"):
        load(str(tmp_path))
    (tmp_path / "light" / "1.png").unlink()
    with pytest.raises(InvalidInput, match="at least 1 x 1"):
        load(str(tmp_path), height=0, width=1)
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidInput, match="there is no image"):
        load(str(tmp_path))
    with pytest.raises(InvalidInput, match="one folder for each class"):
        load(str(tmp_path / "none"))


def pictures(folder, sizes=((6, 4), (6, 4))):
    from PIL import Image

    for k, size in enumerate(sizes):
        (folder / f"class{k}").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (255, 0, 0)).save(folder / f"class{k}" / "a.png")


def test_pictures_keep_their_one_size(tmp_path):
    pictures(tmp_path)
    assert load(str(tmp_path)).pixels.shape == (2, 4, 6)
    pictures(tmp_path, ((6, 4), (5, 4)))
    with pytest.raises(
        InvalidInput, match=r"class1/a\.png: 4 x 5 pixels, but .*class0/a\.png has 4 x 6; give one height"
    ):
        load(str(tmp_path))
    assert load(str(tmp_path), height=3, width=3).pixels.shape == (2, 3, 3)
    with pytest.raises(InvalidInput, match="together"):
        load(str(tmp_path), height=3)


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp"])
def test_damaged_pictures_are_read_or_refused(tmp_path, kind):
    from PIL import Image

    generator = np.random.default_rng(0)
    (tmp_path / "c").mkdir()
    path = tmp_path / "c" / f"a.{kind}"
    Image.fromarray(generator.integers(0, 256, (12, 12), dtype=np.uint8)).save(path)
    whole, refused = path.read_bytes(), []
    for _ in range(150):
        data = bytearray(whole[: generator.integers(1, len(whole) + 1)])
        data[generator.integers(len(data))] ^= 1 << int(generator.integers(8))
        path.write_bytes(data)
        try:
            assert load(str(tmp_path), height=4, width=4).pixels.shape == (1, 4, 4)
        except InvalidInput as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all(str(path) in message for message in refused)


def test_npz_of_images(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", X=X, y=np.array(["b", "a", "b"])[:, None])
    images = load(str(tmp_path / "a.npz"))
    assert images.classes == ("a", "b")
    assert images.y.tolist() == [1, 0, 1]
    assert np.allclose(images.pixels, X / 255)
    np.savez(tmp_path / "a.npz", X=X[..., None].repeat(3, -1) / 1000, y=[0, 1, 0])
    assert load(str(tmp_path / "a.npz")).pixels.max() == X.max() / 1000
    np.savez(tmp_path / "a.npz", X=np.full((2, 2, 2), np.nan), y=[0, 1])
    with pytest.raises(InvalidInput, match=r"X\[0, 0, 0\] is nan"):
        load(str(tmp_path / "a.npz"))


def test_samples_need_no_labels(tmp_path):
    table = written(tmp_path, "a.csv", "width,label,height\n1,?,2\n\n3,,4\n")
    X, names, features = read_samples(table)
    assert X.tolist() == [[1, 2], [3, 4]]
    assert names == ("line 2", "line 4")
    assert features == ("width", "height")
    np.savez(tmp_path / "a.npz", X=[[1.0, 2.0]])
    assert read_samples(tmp_path / "a.npz")[0].tolist() == [[1, 2]]
    pictures(tmp_path / "p")
    X, names, features = read_samples(tmp_path / "p", colour=True)
    assert X.shape == (2, 4, 6, 3)
    assert names == ("class0/a.png", "class1/a.png")
    assert read_samples(tmp_path / "p" / "class0")[1] == ("a.png",)
    assert read_samples(tmp_path / "p" / "class0" / "a.png")[0].shape == (1, 4, 6)
    (tmp_path / "empty").mkdir()
    for path, message in (
        (tmp_path / "empty", "there is no image in it"),
        (written(tmp_path, "b.csv", "x\nz\n"), "line 2, column 'x': 'z' is not a number"),
        (written(tmp_path, "c.csv", "label\na\n"), "1 rows of 0 features"),
        (written(tmp_path, "d.txt", ""), "a picture or a .csv"),
    ):
        with pytest.raises(InvalidInput, match=message):
            read_samples(path)


def test_samples_of_idx_files_are_the_test_part(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 51]))
    assert read_samples(tmp_path)[0].ravel().tolist() == pytest.approx([0.2])
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 255]))
    assert read_samples(tmp_path)[0].ravel().tolist() == [1.0]
