"""Corruptions, image quality and the autoencoder: training by one rule, tiles, files, bad input."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.stats import norm
from torch import nn

from bitket.errors import InvalidInput
from bitket.learning import Training
from bitket.quantum.learning.corruption import Gaussian, Poisson, SaltAndPepper, Speckle, corruption
from bitket.quantum.learning.denoising import DenoiserSettings, DenoisingAutoencoder, tiles
from bitket.quantum.learning.image_quality import psnr, ssim
from bitket.quantum.learning.latent import QAOALayer
from bitket.quantum.learning.yardsticks import yardsticks

SMALL = DenoiserSettings(side=8, width=4, depth=1)


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="session")
def digits():
    from bitket.data import load

    return (load("digits").X.reshape(-1, 8, 8) / 16).astype(np.float32)


@pytest.fixture(scope="session")
def trained(digits):
    """A hybrid and its twin, trained alike."""
    found = {}
    for latent in ("qaoa", "identity"):
        model = DenoisingAutoencoder.made(DenoiserSettings(8, 8, latent, 2), drawn(1))
        training = Training(epochs=10, batch_size=64, learning_rate=1e-2, patience=5)
        result = model.fit(
            digits[:1300], Gaussian(0.4), validation=digits[1300:1400], generator=drawn(2), training=training
        )
        found[latent] = (model, result)
    return found


# -- corruption -----------------------------------------------------------------------------------------------------------
def test_moments_of_corruptions():
    x = torch.full((400, 500), 0.5, dtype=torch.float64)
    gaussian, speckle, poisson = (c(x, drawn()) for c in (Gaussian(0.05), Speckle(0.1), Poisson(100)))
    for spoiled, deviation in ((gaussian, 0.05), (speckle, 0.05), (poisson, (0.5 / 100) ** 0.5)):
        assert abs(spoiled.mean() - 0.5) < 1e-3
        assert abs(spoiled.std() - deviation) < 0.01 * deviation + 2e-4
    spotted = SaltAndPepper(0.2)(x, drawn())
    assert abs((spotted == 1).double().mean() - 0.1) < 3e-3
    assert abs((spotted == 0).double().mean() - 0.1) < 3e-3
    assert set(spotted.unique().tolist()) == {0.0, 0.5, 1.0}
    clipped = Gaussian(0.5)(torch.zeros(200_000, dtype=torch.float64), drawn())
    assert abs(clipped.mean() - 0.5 * (norm.pdf(0) - norm.pdf(2)) - norm.sf(2)) < 2e-3
    assert clipped.min() == 0


@pytest.mark.parametrize("text", ["gaussian:0.3", "salt-and-pepper:0.1", "speckle:0.2", "poisson:20"])
def test_corruptions_by_name(text):
    x = torch.rand(3, 5, generator=drawn())
    made = corruption(text)
    assert str(made) == text
    assert torch.equal(made(x, drawn(1)), made(x, drawn(1)))
    assert not torch.equal(made(x, drawn(1)), made(x, drawn(2)))
    assert made(x, drawn()).dtype == x.dtype


@pytest.mark.parametrize(
    "text",
    [
        "",
        "blur:1",
        "gaussian",
        "gaussian:",
        "gaussian:x",
        "gaussian:-1",
        "gaussian:nan",
        "salt-and-pepper:1.5",
        "poisson:0",
    ],
)
def test_wrong_corruptions_are_refused(text):
    with pytest.raises(InvalidInput):
        corruption(text)


# -- quality --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(28, 28), (11, 40), (64, 31)])
def test_quality_is_that_of_scikit_image(shape):
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    a = rng.random((3, *shape))
    b = np.clip(0.6 * a + 0.4 * rng.random((3, *shape)), 0, 1)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    np.testing.assert_allclose(
        ssim(a, b), [metrics.structural_similarity(x, y, **settings) for x, y in zip(a, b, strict=True)], atol=1e-6
    )
    np.testing.assert_allclose(
        psnr(a, b), [metrics.peak_signal_noise_ratio(x, y, data_range=1) for x, y in zip(a, b, strict=True)]
    )


def test_equal_images():
    a = np.random.default_rng(0).random((2, 3, 12, 12))
    np.testing.assert_array_equal(ssim(a, a), np.ones((2, 3)))
    assert np.isposinf(psnr(a, a)).all()
    assert ssim(a[:0], a[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (np.zeros((10, 10)), np.zeros((10, 10)), "11 x 11"),
        (np.zeros((12, 12)), np.zeros((12, 13)), "same shape"),
        (np.zeros(12), np.zeros(12), "same shape"),
        (np.full((12, 12), np.nan), np.zeros((12, 12)), "not finite"),
    ],
)
def test_wrong_images_are_refused(a, b, words):
    with pytest.raises(InvalidInput, match=words):
        ssim(a, b)


# -- the autoencoder ------------------------------------------------------------------------------------------------------
def test_both_learn_and_the_images_get_cleaner(trained, digits):
    clean = digits[1400:1700]
    noisy = Gaussian(0.4)(torch.from_numpy(clean), drawn(3)).numpy()
    for model, result in trained.values():
        assert result.history[-1] < 0.6 * result.history[0]
        assert psnr(model.denoise(noisy), clean).mean() > psnr(noisy, clean).mean() + 2
    assert sum(p.numel() for p in trained["qaoa"][0].parameters()) == 4 + sum(
        p.numel() for p in trained["identity"][0].parameters()
    )


def test_twins_begin_alike():
    hybrid, twin = (DenoisingAutoencoder.made(DenoiserSettings(8, 4, k, 1), drawn(5)) for k in ("qaoa", "dense"))
    for part in ("encoder", "decoder"):
        for a, b in zip(getattr(hybrid, part).parameters(), getattr(twin, part).parameters(), strict=True):
            assert torch.equal(a, b)


def test_a_stopped_training_goes_on_to_the_same_bits(digits, tmp_path):
    training = Training(epochs=4, batch_size=32, learning_rate=1e-2, checkpoint_every=1)

    def fit(model, **more):
        return model.fit(
            digits[:100], Speckle(0.3), validation=digits[100:120], generator=drawn(2), training=training, **more
        )

    whole, parts = (DenoisingAutoencoder.made(SMALL, drawn()) for _ in range(2))
    expected = fit(whole)
    file = tmp_path / "c.safetensors"
    fit(parts, checkpoint=file, callback=lambda epoch, _: epoch == 2)
    again = DenoisingAutoencoder.made(SMALL, drawn(7))
    assert fit(again, checkpoint=file).history == expected.history
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_cross_entropy_trains_too(digits):
    model = DenoisingAutoencoder.made(SMALL, drawn())
    training = Training(epochs=3, batch_size=32, learning_rate=1e-2)
    result = model.fit(
        digits[:200], Gaussian(0.2), validation=digits[200:220], generator=drawn(), training=training, loss="bce"
    )
    assert result.history[-1] < result.history[0]


def test_a_double_copy_learns_and_says_nearly_the_same(trained, digits):
    model = copy.deepcopy(trained["qaoa"][0]).double()
    x = digits[:5]
    np.testing.assert_allclose(model.denoise(x), trained["qaoa"][0].denoise(x), atol=1e-4)
    training = Training(epochs=1, batch_size=2, learning_rate=1e-2)
    model.fit(x, Gaussian(0.1), validation=x[:1], generator=drawn(), training=training)
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert not np.allclose(model.denoise(x), trained["qaoa"][0].denoise(x), atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_learns_too(trained, digits):
    model = copy.deepcopy(trained["qaoa"][0]).to("cuda")
    np.testing.assert_allclose(model.denoise(digits[:5]), trained["qaoa"][0].denoise(digits[:5]), atol=1e-4)
    training = Training(epochs=1, batch_size=2, learning_rate=1e-2)
    model.fit(digits[:5], Gaussian(0.1), validation=digits[:1], generator=drawn(), training=training)
    assert all(p.is_cuda for p in model.parameters())


@pytest.mark.parametrize("embedding", ["rx"])
def test_a_dead_circuit_is_refused(embedding):
    good = DenoisingAutoencoder.made(SMALL, drawn())
    dead = QAOALayer(4, 2, embedding=embedding, generator=drawn())
    with pytest.raises(InvalidInput, match="conserves XXXX"):
        DenoisingAutoencoder(good.encoder, nn.Sequential(dead), good.decoder, 8)


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (0, 8, 8), (9, 30), (2, 17, 8), (5, 3), (1, 1), (2, 3, 21, 33)])
@pytest.mark.parametrize("overlap", [0, 3, 7, None])
def test_sizes_are_kept(trained, shape, overlap):
    x = np.random.default_rng(0).random(shape)
    model = trained["identity"][0].train()
    out = model.denoise(x, overlap=overlap)
    assert out.shape == x.shape
    assert model.training
    assert ((out >= 0) & (out <= 1)).all()


def test_tiles_blend_to_what_a_tile_says():
    """An autoencoder that hands its tile through gives the image itself, for every overlap; and every tile is seen at full size."""
    seen = []

    class Through(nn.Module):
        def forward(self, x):
            seen.append(x.shape)
            return x

    model = DenoisingAutoencoder(Through(), nn.Identity(), nn.Identity(), 8)
    x = np.random.default_rng(1).random((21, 30)).astype(np.float32)
    for overlap in (0, 2, 6):
        np.testing.assert_allclose(model.denoise(x, overlap=overlap), x, atol=1e-6)
    assert all(s[1:] == (1, 8, 8) and s[0] <= 256 for s in seen)


def test_one_tile_is_the_network_itself(trained, digits):
    model = trained["qaoa"][0]
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(digits[:5])[:, None])[:, 0].numpy()
    np.testing.assert_array_equal(model.denoise(digits[:5]), expected)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.full((9, 9), np.nan), r"pixel \(0, 0\) is nan; numbers from 0 to 1"),
        (np.eye(9) * 255, "is 255.0; numbers from 0 to 1"),
        (-np.eye(9), "is -1.0"),
        (np.zeros(9), "height, width"),
        (np.zeros((0, 9)), "height, width"),
        ([["a"]], "numbers"),
        (np.zeros((9, 9), dtype=complex), "numbers"),
    ],
)
def test_wrong_pixels_are_one_line(trained, images, words):
    with pytest.raises(InvalidInput, match=words) as error:
        trained["qaoa"][0].denoise(images)
    assert "\n" not in str(error.value)


def test_other_wrong_uses(trained, digits):
    model = trained["qaoa"][0]
    with pytest.raises(InvalidInput, match="overlap 8; 0 to 7"):
        model.denoise(digits[0], overlap=8)
    with pytest.raises(InvalidInput, match=r"\[N, 8, 8\]"):
        model.fit(np.zeros((3, 9, 9)), Gaussian(0.1), validation=digits[:3], generator=drawn())
    with pytest.raises(InvalidInput, match="loss 'l1'"):
        model.fit(digits[:3], Gaussian(0.1), validation=digits[:3], generator=drawn(), loss="l1")
    for wrong in ({"side": 10}, {"side": 0}, {"width": 1}, {"width": 21}, {"depth": 0}, {"latent": "x"}):
        with pytest.raises(InvalidInput):
            DenoisingAutoencoder.made(DenoiserSettings(**wrong), drawn())
    with pytest.raises(InvalidInput, match="needs 8 x 8"):
        tiles([np.zeros((7, 20))], 8, 3, np.random.default_rng(0))


def test_tiles_come_from_the_images():
    images = [np.full((9, 30), 0.25), np.full((8, 8), 0.5)]
    cut = tiles(images, 8, 500, np.random.default_rng(0))
    assert cut.shape == (500, 8, 8)
    assert abs((cut[:, 0, 0] == 0.5).mean() - 1 / 47) < 0.02


def test_more_shots_come_nearer(trained, digits):
    """PSNR from shots rises to the exact one."""
    clean = digits[1400:1440]
    noisy = Gaussian(0.3)(torch.from_numpy(clean), drawn(3)).numpy()
    exact = trained["qaoa"][0].denoise(noisy)
    model = copy.deepcopy(trained["qaoa"][0])
    model.latent.generator = drawn(4)
    apart = []
    for shots in (10, 100, 1000, 10_000):
        model.latent.shots = shots
        apart.append(float(np.sqrt(np.mean((model.denoise(noisy) - exact) ** 2))))
    slope = np.polyfit(np.log([10, 100, 1000, 10_000]), np.log(apart), 1)[0]
    assert apart == sorted(apart, reverse=True)
    assert -0.65 < slope < -0.35


# -- files ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("latent", ["qaoa", "random", "dense"])
def test_a_saved_model_says_the_same(tmp_path, latent):
    model = DenoisingAutoencoder.made(DenoiserSettings(8, 4, latent, 2), drawn(3))
    model.save(tmp_path / "m.safetensors", {"noise": "gaussian:0.1"})
    other = DenoisingAutoencoder.load(tmp_path / "m.safetensors")
    x = np.random.default_rng(0).random((20, 20))
    np.testing.assert_array_equal(other.denoise(x), model.denoise(x))
    assert other.settings == model.settings
    assert other.about == {"noise": "gaussian:0.1"}


def test_other_files_are_refused_in_one_line(tmp_path):
    from bitket.runs.storage import load_tree, save_tree

    good = tmp_path / "good"
    DenoisingAutoencoder.made(SMALL, drawn()).save(good)
    stored = load_tree(good)
    save_tree(tmp_path / "kind", stored | {"what": "bitket classifier"})
    save_tree(tmp_path / "version", stored | {"version": 99})
    save_tree(tmp_path / "settings", stored | {"settings": {"side": 8}})
    save_tree(tmp_path / "weights", stored | {"weights": {}})
    (tmp_path / "cut").write_bytes(good.read_bytes()[:-50])
    (tmp_path / "text").write_text("hello")
    save_file({"a": np.zeros(3)}, tmp_path / "other")
    for name, words in (
        ("kind", "not a saved denoiser"), ("version", "of version 99; this bitket reads version 1"), ("settings", "damaged denoiser"),
        ("weights", "damaged denoiser"), ("cut", "not a saved denoiser"), ("text", "not a saved denoiser"),
        ("other", "not a saved denoiser"), ("nowhere", "no such file"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=words) as error:
            DenoisingAutoencoder.load(tmp_path / name)
        assert "\n" not in str(error.value)
        assert str(tmp_path / name) in str(error.value)
    assert load_file(good)  # safetensors, whoever reads it
    assert json.dumps(stored["settings"])


def test_parts_of_ones_own_are_not_saved(tmp_path):
    good = DenoisingAutoencoder.made(SMALL, drawn())
    with pytest.raises(InvalidInput, match="state_dict"):
        DenoisingAutoencoder(good.encoder, good.latent, good.decoder, 8).save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# -- yardsticks -----------------------------------------------------------------------------------------------------------
def test_classical_denoisers_denoise(digits):
    from scipy.ndimage import zoom

    clean = np.clip(np.stack([zoom(d, 3.5, order=1) for d in digits[:6]]), 0, 1)
    noise = Gaussian(0.2)
    noisy = noise(torch.from_numpy(clean), drawn()).numpy()
    found = yardsticks(noise, clean[:2], drawn(1))
    assert "Gaussian blur" in found
    for f in found.values():
        made = np.stack([f(x) for x in noisy[2:]])
        assert made.shape == noisy[2:].shape
        assert psnr(made, clean[2:]).mean() > psnr(noisy[2:], clean[2:]).mean() + 1
