"""Denoising autoencoders with a circuit, or anything else, in their narrow middle (Kea et al. 2024, arXiv:2401.06367).

    noisy tile -> convolutions -> n numbers -> latent layer -> n numbers -> convolutions -> clean tile

The encoder halves the tile twice (1 -> 16 -> 8 channels), the decoder doubles it twice; both are the same whatever the middle, and with the
same generator begin with the same weights, so that two models differ in the middle alone. Batch normalisation keeps every middle, and the
classical ones most of all, from staying at the mean picture for long. Each epoch spoils the clean tiles anew; the
validation tiles are spoiled once. Images larger than a tile are cut into tiles that overlap; what they say of a pixel is averaged with
weights that fall towards a tile's edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from bitket.errors import InvalidInput
from bitket.learning.training import Training, TrainingResult
from bitket.quantum.learning.corruption import Corruption
from bitket.quantum.learning.image_quality import psnr, ssim
from bitket.quantum.learning.latent import latent_layer, require_alive
from bitket.quantum.simulation import QuantumLayer
from bitket.runs.storage import load_saved, save_tree

__all__ = ["DenoiserSettings", "DenoisingAutoencoder", "tiles"]

Pixels = NDArray[np.float32]
_NOUN, _VERSION = "denoiser", 1
_CHANNELS = 8
_BATCH = 256  # tiles at a time


@dataclass(frozen=True)
class DenoiserSettings:
    """What `DenoisingAutoencoder.made` makes.

    Attributes
    ----------
    side
        Pixels of a tile's side, a multiple of 4.
    width
        Numbers in the middle: qubits of a circuit.
    latent, depth
        See `latent_layer`.
    """

    side: int = 28
    width: int = 8
    latent: str = "qaoa"
    depth: int = 3

    def __post_init__(self) -> None:
        if self.side % 4 or not 8 <= self.side <= 256:
            raise InvalidInput(f"denoiser with tiles of side {self.side}: a multiple of 4 from 8 to 256 is needed")
        if not 2 <= self.width <= 20 or not 1 <= self.depth <= 100:
            raise InvalidInput(
                f"denoiser of width {self.width} and depth {self.depth}: 2 to 20 and 1 to 100 are allowed"
            )


class DenoisingAutoencoder(nn.Module):
    """Encoder, latent layer and decoder in a row.

    Parameters
    ----------
    encoder
        From tiles ``[B, 1, side, side]`` to ``[B, n]``.
    latent
        From ``[B, n]`` to ``[B, n]``.
    decoder
        From ``[B, n]`` to tiles.
    side
        Pixels of a tile's side.

    Raises
    ------
    InvalidInput
        The latent layer is a circuit that lets nothing through; see `require_alive`.

    Examples
    --------
    >>> model = DenoisingAutoencoder.made(DenoiserSettings(side=8, width=4), torch.Generator().manual_seed(0))
    >>> model.denoise(np.zeros((20, 30))).shape
    (20, 30)
    """

    settings: DenoiserSettings | None = None
    """What it was made of; None for parts of the user's own."""

    def __init__(self, encoder: nn.Module, latent: nn.Module, decoder: nn.Module, side: int = 28) -> None:
        super().__init__()
        for module in latent.modules():
            if isinstance(module, QuantumLayer):
                require_alive(module)
        self.encoder, self.latent, self.decoder, self.side = encoder, latent, decoder, side

    @classmethod
    def made(cls, settings: DenoiserSettings, generator: torch.Generator) -> DenoisingAutoencoder:
        """The paper's shape; equal settings of size and equal generators give equal convolutions, whatever the middle."""
        quarter, width = settings.side // 4, settings.width
        flat = _CHANNELS * quarter**2
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            encoder = nn.Sequential(
                nn.Conv2d(1, 16, 3, stride=2, padding=1),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.Conv2d(16, _CHANNELS, 3, stride=2, padding=1),
                nn.BatchNorm2d(_CHANNELS),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(flat, width),
            )
            decoder = nn.Sequential(
                nn.Linear(width, flat),
                nn.Unflatten(1, (_CHANNELS, quarter, quarter)),
                nn.ConvTranspose2d(_CHANNELS, _CHANNELS, 3, stride=2, padding=1, output_padding=1),
                nn.BatchNorm2d(_CHANNELS),
                nn.ReLU(),
                nn.ConvTranspose2d(_CHANNELS, 16, 3, stride=2, padding=1, output_padding=1),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.Conv2d(16, 1, 3, padding=1),
                nn.Sigmoid(),
            )
        latent = latent_layer(settings.latent, width, settings.depth, generator)
        model = cls(encoder, latent, decoder, settings.side)
        model.settings = settings
        return model

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Clean tiles ``[B, 1, side, side]`` for noisy ones."""
        clean: torch.Tensor = self.decoder(self.latent(self.encoder(noisy)))
        return clean

    def fit(
        self,
        clean: ArrayLike,
        corruption: Corruption,
        *,
        validation: ArrayLike,
        generator: torch.Generator,
        training: Training | None = None,
        loss: Literal["mse", "bce"] = "mse",
        checkpoint: Path | None = None,
        callback: Callable[[int, float], bool | None] | None = None,
    ) -> TrainingResult:
        """Train on clean tiles that are spoiled anew in each epoch; ends with the weights of least validation loss.

        Parameters
        ----------
        clean, validation
            Tiles ``[N, side, side]`` with pixels from 0 to 1.
        corruption
            What spoils them.
        generator
            Source of noise and order, on the CPU.
        training
            By default 20 epochs of Adam in batches of 64 at 0.001, stopped after 5 epochs without a lower validation loss.
        loss
            Mean squared error or binary cross-entropy.
        checkpoint, callback
            As for `Training.fit`.

        Raises
        ------
        InvalidInput
            Tiles are of another shape or hold values that are not from 0 to 1; or as `Training.fit`.
        """
        if loss not in ("mse", "bce"):
            raise InvalidInput(f"denoiser: loss '{loss}'; 'mse' and 'bce' are known")
        training = training or Training(epochs=20, batch_size=64, learning_rate=1e-3, patience=5)
        good, held = (
            torch.as_tensor(self._tiles(t, n))[:, None] for t, n in ((clean, "tiles"), (validation, "validation tiles"))
        )
        spoiled = corruption(held, generator)
        function = nn.functional.mse_loss if loss == "mse" else nn.functional.binary_cross_entropy
        return training.fit(
            _Spoiling(self, corruption),
            function,
            self._entering(good),
            self._entering(good),
            validation=(self._entering(spoiled), self._entering(held)),
            generator=generator,
            checkpoint=checkpoint,
            callback=callback,
        )

    def denoise(self, images: ArrayLike, *, overlap: int | None = None) -> Pixels:
        """Images ``[..., height, width]`` of any size, with pixels from 0 to 1, made clean; the same shape.

        Parameters
        ----------
        overlap
            Pixels that neighbouring tiles share, at least; by default three quarters of a tile. More is smoother and takes longer.

        Raises
        ------
        InvalidInput
            Values that are not from 0 to 1, no pixels, or an overlap as wide as a tile.
        """
        shared = 3 * self.side // 4 if overlap is None else overlap
        if not 0 <= shared < self.side:
            raise InvalidInput(
                f"denoiser: overlap {overlap}; 0 to {self.side - 1} pixels are possible with tiles of side {self.side}"
            )
        x = _checked(images, "images")
        out = np.empty_like(x).reshape(-1, *x.shape[-2:])
        whole = x.shape[-2:] == (self.side, self.side)
        before = self.training
        self.eval()
        with torch.no_grad():
            flat = x.reshape(out.shape)
            step = _BATCH if whole else 1
            for k in range(0, len(out), step):
                out[k : k + step] = self._clean(flat[k : k + step]) if whole else self._tiled(flat[k], shared)
        self.train(before)
        return out.reshape(x.shape)

    def score(self, noisy: ArrayLike, clean: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """SSIM and PSNR in decibels of each denoised image with its clean one, ``[...]`` each."""
        made = self.denoise(noisy)
        return ssim(made, clean), psnr(made, clean)

    # -- tiles -------------------------------------------------------------------------------------------------------------
    def _entering(self, x: torch.Tensor) -> torch.Tensor:
        """Pixels where, and in the precision in which, the model computes."""
        first = next(self.parameters(), x)
        return x.to(first.device, first.dtype)

    def _tiles(self, values: ArrayLike, name: str) -> Pixels:
        x = _checked(values, name)
        if x.ndim != 3 or x.shape[1:] != (self.side, self.side) or not len(x):
            raise InvalidInput(f"{name} of shape {x.shape}: [N, {self.side}, {self.side}], one at least, is needed")
        return x

    def _clean(self, noisy: Pixels) -> Pixels:
        given = self._entering(torch.from_numpy(np.ascontiguousarray(noisy))[:, None])
        made: Pixels = self(given)[:, 0].float().cpu().numpy()
        return made

    def _tiled(self, image: Pixels, overlap: int) -> Pixels:
        height, width = image.shape
        side = self.side
        padded = np.pad(image, [(0, max(0, side - n)) for n in image.shape], mode="symmetric")
        fall = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)).astype(np.float32)
        window = np.outer(fall, fall)
        total, weight = np.zeros_like(padded), np.zeros_like(padded)
        places = product(*(_places(n, side, overlap) for n in padded.shape))
        while here := list(islice(places, _BATCH)):
            made = self._clean(np.stack([padded[r : r + side, c : c + side] for r, c in here]))
            for (r, c), tile in zip(here, made, strict=True):
                total[r : r + side, c : c + side] += window * tile
                weight[r : r + side, c : c + side] += window
        return np.clip(total / weight, 0, 1)[:height, :width]

    # -- files -------------------------------------------------------------------------------------------------------------
    def save(self, path: str | Path, about: dict[str, Any] | None = None) -> None:
        """Write settings and weights into one safetensors file, whole; ``about`` (numbers and text) is kept with them.

        Raises
        ------
        InvalidInput
            It is of parts of the user's own (save its `state_dict`), or the file cannot be written.
        """
        if self.settings is None:
            raise InvalidInput("denoiser of parts of your own: its class cannot be saved; save its state_dict")
        weights = {name: t.detach().cpu() for name, t in self.state_dict().items()}
        stored = {
            "what": f"bitket {_NOUN}",
            "version": _VERSION,
            "settings": asdict(self.settings),
            "about": about or {},
            "weights": weights,
        }
        save_tree(Path(path), stored)

    @classmethod
    def load(cls, path: str | Path) -> DenoisingAutoencoder:
        """Read what `save` wrote; `about` holds what was kept with it.

        Raises
        ------
        InvalidInput
            There is no such file, or it is of another kind or version, or damaged.
        """
        stored = load_saved(path, _NOUN, _VERSION)
        try:
            model = cls.made(DenoiserSettings(**stored["settings"]), torch.Generator().manual_seed(0))
            model.load_state_dict(stored["weights"])
            model.about = dict(stored["about"])
        except (InvalidInput, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InvalidInput(f"{path}: a damaged denoiser ({' '.join(str(error).split())[:200]})") from None
        return model.eval()

    about: dict[str, Any]
    """What was kept with a model that was loaded."""


class _Spoiling(nn.Module):
    """The model behind fresh noise while it is trained; what it is validated on comes spoiled."""

    def __init__(self, model: nn.Module, corruption: Corruption) -> None:
        super().__init__()
        self.model, self.corruption = model, corruption

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.model(self.corruption(images) if self.training else images)
        return made


def _checked(values: ArrayLike, name: str) -> Pixels:
    """Pixels from 0 to 1 in single precision."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    try:
        x = np.asarray(values)
        if x.dtype.kind not in "biuf":
            raise ValueError
    except (TypeError, ValueError):
        raise InvalidInput(f"{name}: numbers [..., height, width] are needed") from None
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise InvalidInput(f"{name} of shape {x.shape}: [..., height, width] is needed")
    good = (x >= 0) & (x <= 1)  # false for nan
    if not good.all():
        place = tuple(int(k) for k in np.argwhere(~good)[0])
        raise InvalidInput(f"{name}: pixel {place} is {x[place]}; numbers from 0 to 1 are needed")
    return x.astype(np.float32)


def _places(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin along an axis: as far apart as the overlap allows, the last one flush with the end."""
    return sorted({*range(0, length - side, side - overlap), length - side})


def tiles(images: list[NDArray[Any]], side: int, count: int, generator: np.random.Generator) -> Pixels:
    """``count`` tiles ``[count, side, side]`` at random places of images ``[height, width]``, large ones the more often.

    Raises
    ------
    InvalidInput
        An image is smaller than a tile, or a value is not from 0 to 1.
    """
    if not images or count < 1:
        raise InvalidInput(f"{count} tiles of {len(images)} images: at least one of each is needed")
    for k, image in enumerate(images):
        if image.ndim != 2 or min(image.shape) < side:
            raise InvalidInput(f"image {k} of shape {image.shape}: a tile needs {side} x {side} pixels")
    sizes = np.array([(i.shape[0] - side + 1) * (i.shape[1] - side + 1) for i in images], dtype=float)
    out = np.empty((count, side, side), dtype=np.float32)
    for place, k in enumerate(generator.choice(len(images), count, p=sizes / sizes.sum())):
        r, c = (generator.integers(0, n - side + 1) for n in images[k].shape)
        out[place] = images[k][r : r + side, c : c + side]
    return _checked(out, "tiles")
