"""Pictures in, cleaner ones out, by a model trained on a folder; every wrong input is one line."""

import json

import numpy as np
import pytest
import torch

from bitket.data.pictures import png, read_picture
from bitket.quantum.learning.corruption import Gaussian
from bitket.quantum.learning.image_quality import psnr


def picture(k, height=48, width=64):
    y, x = np.mgrid[:height, :width] / 16
    return 0.5 + 0.4 * np.sin(x * (1 + k / 7) + k) * np.cos(y * (1.5 - k / 9))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Smooth pictures of two sizes, and a noisy one of another."""
    import bitket.quantum.learning.yardsticks as module

    found = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "bm3d" else found(name))  # a second a picture
    monkeypatch.setattr("bitket.cli.denoise._TILES", 1000)
    (tmp_path / "clean" / "more").mkdir(parents=True)
    for k in range(6):
        (tmp_path / "clean" / ("more" if k % 2 else "") / f"{k}.png").write_bytes(png(picture(k, 48 + 2 * k)))
    noisy = Gaussian(0.15)(torch.from_numpy(picture(9, 37, 51)), torch.Generator().manual_seed(0)).numpy()
    (tmp_path / "grey.png").write_bytes(png(noisy))
    (tmp_path / "colour.png").write_bytes(png(np.stack([noisy, noisy[::-1], noisy], axis=-1)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_and_denoise(bitket, folder):
    line = ("denoise", "m.model", "grey.png", "--train", "clean", "--noise", "gaussian:0.15", "--epochs", 15)
    status, out, err = bitket(*line, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["side"], found["pictures"], found["latent"], found["noise"]) == (8, 6, "qaoa", "gaussian:0.15")
    rows = {row["denoiser"]: row for row in found["denoisers"]}
    assert found["judged"] == 6
    assert list(rows)[:4] == ["qaoa", "identity", "dense", "(noisy)"]
    assert rows["qaoa"]["parameters"] == rows["identity"]["parameters"] + 6
    assert rows["qaoa"]["psnr_db"] > rows["(noisy)"]["psnr_db"] + 2
    assert rows["dense"]["behind"] == pytest.approx(rows["qaoa"]["ssim"] - rows["dense"]["ssim"])
    assert found["denoised"] == ["denoised/grey.png"]
    clean, before, after = picture(9, 37, 51), read_picture("grey.png"), read_picture("denoised/grey.png")
    assert after.shape == (37, 51)
    assert psnr(after, clean) > psnr(before, clean) + 2
    status, out, err = bitket("denoise", "m.model", "grey.png", "colour.png", "--out", "new")
    assert (status, err) == (0, "")
    assert out == "written: new/grey.png\nwritten: new/colour.png\n"
    np.testing.assert_array_equal(read_picture("new/grey.png"), after)
    colour = read_picture("new/colour.png")
    assert colour.shape == (37, 51, 3)
    np.testing.assert_array_equal(colour[..., 0], after)


def test_a_report_and_a_folder_of_pictures(bitket, folder):
    status, out, err = bitket("denoise", "m", "clean", "--train", "clean", "--epochs", 1, "--latent", "product")
    assert (status, err) == (0, "")
    assert "trained on 1000 tiles of 8 x 8 pixels of 6 pictures, noise gaussian:0.1" in out
    assert "product is ahead by, SSIM" in out
    assert out.count("written: ") == 6


def test_pictures_of_one_small_size_are_whole_tiles(bitket, folder):
    (folder / "digits").mkdir()
    for k in range(12):
        (folder / "digits" / f"{k}.png").write_bytes(png(picture(k, 16, 16)))
    found = json.loads(bitket("denoise", "m", "--train", "digits", "--epochs", 1, "--json")[1])
    assert (found["side"], found["tiles"], found["judged"]) == (16, 11, 1)


def test_a_single_picture_is_cut(bitket, folder):
    (folder / "one").mkdir()
    (folder / "one" / "a.png").write_bytes(png(picture(0)))
    found = json.loads(bitket("denoise", "m", "--train", "one", "--epochs", 1, "--json")[1])
    assert found["judged"] == 1
    assert found["denoisers"][1]["behind_error"] is None


def test_sixteen_bits_and_upright(folder):
    from PIL import Image

    deep = (picture(0) * 65535).astype(np.uint16)
    Image.fromarray(deep).save("deep.png")
    np.testing.assert_allclose(read_picture("deep.png"), picture(0), atol=1e-4)
    turned = Image.fromarray((picture(0) * 255).astype(np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save("turned.jpg", exif=exif)
    assert read_picture("turned.jpg").shape == (64, 48)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m",), "pictures to denoise are needed"),
        (("nowhere", "grey.png"), "nowhere: there is no such file"),
        (("text", "grey.png"), "text: not a saved denoiser"),
        (("m", "nowhere.png"), "nowhere.png: there is no such file"),
        (("m", "text"), "text: not a picture that can be read"),
        (("m", "cut.png"), "cut.png: not a picture that can be read"),
        (("m", "empty"), "empty: there is no picture in it"),
        (("m", "grey.png", "more/grey.png"), "both would be written to denoised/grey.png"),
        (("m", "grey.png", "--out", "."), "it would be overwritten"),
        (("m", "grey.png", "--out", "text"), "cannot write text/grey.png"),
        (("m", "grey.png", "--noise", "gaussian:1"), "--noise: it needs --train"),
        (("m", "--out", "x"), "--out: it needs pictures"),
        (("new", "--train", "empty"), "there is no picture in it"),
        (("new", "--train", "broken"), "broken/cut.png: not a picture"),
        (("new", "--train", "small"), "small/a.png: 5 x 64 pixels; training needs 12 x 12"),
        (("new", "--train", "narrow"), "a single picture of 40 x 40"),
        (("new", "--train", "clean", "--noise", "fog:1"), "noise 'fog:1': one of gaussian:NUMBER"),
        (("new", "--train", "clean", "--latent", "magic"), "'magic' is not one of"),
        (("new/", "--train", "clean"), "cannot write"),
        (("empty", "--train", "clean"), "it is a folder"),
    ],
)
def test_wrong_input_ends_with_one_line(bitket, folder, trained_file, arguments, message):
    (folder / "m").write_bytes(trained_file)
    (folder / "text").write_text("hello")
    (folder / "cut.png").write_bytes((folder / "grey.png").read_bytes()[:200])
    for name in ("empty", "broken", "small", "narrow", "more", "new"):
        (folder / name).mkdir() if name != "new" or arguments[0] == "new/" else None
    (folder / "broken" / "cut.png").write_bytes((folder / "cut.png").read_bytes())
    (folder / "small" / "a.png").write_bytes(png(picture(0, 5)))
    (folder / "narrow" / "a.png").write_bytes(png(picture(0, 40, 40)))
    (folder / "more" / "grey.png").write_bytes((folder / "grey.png").read_bytes())
    before = sorted(folder.rglob("*"))
    status, out, err = bitket("denoise", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("bitket: ")
    assert message in err
    assert sorted(folder.rglob("*")) == before


@pytest.fixture(scope="session")
def trained_file(tmp_path_factory):
    from bitket.quantum.learning.denoising import DenoiserSettings, DenoisingAutoencoder

    path = tmp_path_factory.mktemp("denoiser") / "m"
    DenoisingAutoencoder.made(DenoiserSettings(8, 4), torch.Generator().manual_seed(0)).save(path)
    return path.read_bytes()
