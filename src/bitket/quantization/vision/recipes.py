"""Networks trained here: how each was made, its images, and the trained weights that come with the package.

A recipe names a data set, an architecture and a training, so that ``python -m bitket.quantization.vision.recipes NAME FILE`` makes the
shipped file again. Images are standardised by the mean and deviation of the training pixels; ``digits`` are split at random, by the
recipe's seed, into 1200 and 597, ``fashion_mnist`` comes split.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantization.vision.networks import ResNet, resnet20
from bitket.runs.storage import load_tree, save_tree

__all__ = ["RECIPES", "Images", "Recipe", "accuracy", "pretrained", "sgd", "train"]

_WEIGHTS = Path(__file__).with_name("weights")


@dataclass(frozen=True)
class Images:
    """Standardised images ``[N, C, H, W]`` and labels ``[N]``, for training and for testing."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor

    def first(self, training: int, testing: int) -> Images:
        """The first so many of each part."""
        return Images(self.x[:training], self.y[:training], self.test_x[:testing], self.test_y[:testing])


@dataclass(frozen=True)
class Recipe:
    """A trained network.

    Attributes
    ----------
    data
        Name of its data set.
    network
        Makes the untrained network from a generator.
    training
        Settings of its training, on all training images with cross-entropy.
    seed
        Of the initial weights and of the order of the images; and of the split, where there is none.
    """

    data: str
    network: Callable[[torch.Generator], ResNet]
    training: Training
    seed: int = 0

    def images(self) -> Images:
        """Its data.

        Raises
        ------
        InvalidInput, MissingExtra
            They are not installed.
        """
        from bitket.data import load

        if self.data == "digits":
            table = load("digits")
            x = torch.tensor(table.X, dtype=torch.float32).reshape(-1, 1, 8, 8)
            y = torch.tensor(table.y, dtype=torch.int64)
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(self.seed))
            parts = [part[chosen] for chosen in (order[:1200], order[1200:]) for part in (x, y)]
        else:
            found = [load(self.data, part=part) for part in ("train", "test")]
            parts = [
                torch.tensor(rows, dtype=kind)
                for f in found
                for rows, kind in ((f.pixels, torch.float32), (f.y, torch.int64))
            ]
            parts[0], parts[2] = (p.reshape(len(p), 1, *p.shape[-2:]) for p in (parts[0], parts[2]))
        mean, deviation = parts[0].mean(), parts[0].std()
        return Images((parts[0] - mean) / deviation, parts[1], (parts[2] - mean) / deviation, parts[3])


def sgd(epochs: int, learning_rate: float, checkpoint_every: int = 1) -> Training:
    """Stochastic gradient descent as residual networks are usually trained: momentum 0.9, weight decay 5e-4, cosine decay, batches of 128."""
    return Training(
        epochs,
        128,
        "sgd",
        learning_rate,
        momentum=0.9,
        weight_decay=5e-4,
        decay="cosine",
        checkpoint_every=checkpoint_every,
    )


RECIPES = {
    "resnet20-digits": Recipe(
        "digits",
        lambda generator: resnet20(8, channels=1, generator=generator),
        sgd(30, 0.05, checkpoint_every=10),
    ),
    "resnet20-fashion": Recipe(
        "fashion_mnist",
        lambda generator: resnet20(8, channels=1, stem_stride=2, generator=generator),
        sgd(15, 0.1),
    ),
    "resnet20-wide": Recipe(
        "fashion_mnist",
        lambda generator: resnet20(16, channels=1, stem_stride=2, generator=generator),
        sgd(8, 0.1),
    ),
}
"""Recipes by the name of the network; the trained weights of all but ``resnet20-wide`` (0.27 M weights) come with the package."""


def train(
    recipe: Recipe,
    images: Images,
    seed: int | None = None,
    *,
    checkpoint: Path | None = None,
    callback: Callable[[int, float], bool | None] | None = None,
) -> ResNet:
    """Train a recipe's network; it comes back in evaluation mode.

    Parameters
    ----------
    seed
        Instead of the recipe's.
    checkpoint, callback
        As in `Training.fit`.
    """
    generator = torch.Generator().manual_seed(recipe.seed if seed is None else seed)
    network = recipe.network(generator)
    recipe.training.fit(
        network,
        torch.nn.functional.cross_entropy,
        images.x,
        images.y,
        generator=generator,
        checkpoint=checkpoint,
        callback=callback,
    )
    return network.eval()


def pretrained(name: str) -> ResNet:
    """A trained network that comes with the package, in evaluation mode.

    Raises
    ------
    InvalidInput
        The name is unknown.
    """
    shipped = [n for n in RECIPES if (_WEIGHTS / f"{n}.safetensors").exists()]
    if name not in shipped:
        raise InvalidInput(f"network '{name}' does not come trained; there are {', '.join(shipped)}")
    network = RECIPES[name].network(torch.Generator())
    network.load_state_dict(load_tree(_WEIGHTS / f"{name}.safetensors"))
    return network.eval()


def accuracy(network: torch.nn.Module, x: Tensor, y: Tensor, batch: int = 500) -> float:
    """Share of images that are put into their class."""
    with torch.no_grad():
        right = sum(int((network(a).argmax(1) == b).sum()) for a, b in zip(x.split(batch), y.split(batch), strict=True))
    return right / len(y)


def _main(name: str, path: str) -> None:
    recipe = RECIPES[name]
    images = recipe.images()
    checkpoint = Path(f"{path}.checkpoint")
    network = train(
        recipe, images, checkpoint=checkpoint, callback=lambda k, loss: print(f"epoch {k}: loss {loss:.4f}")
    )
    print(f"test accuracy {accuracy(network, images.test_x, images.test_y):.4f}")
    save_tree(Path(path), dict(network.state_dict()))
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    _main(*sys.argv[1:3])
