"""What spoils images: noise models of pixels between 0 and 1, clipped to that range again.

Gaussian        x + σ N(0, 1)
salt-and-pepper a fraction of all pixels becomes 0 or 1
speckle         x (1 + σ N(0, 1))
Poisson         Poisson(c x)/c, c the mean number of photons of a white pixel
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

import torch

from bitket.errors import InvalidInput

__all__ = ["Corruption", "Gaussian", "Poisson", "SaltAndPepper", "Speckle", "corruption"]


@dataclass(frozen=True)
class Corruption(ABC):
    """A noise model; call it with images of any shape and a generator (None: torch's own)."""

    def __post_init__(self) -> None:
        (field,) = fields(self)
        value, most = getattr(self, field.name), 1.0 if field.name == "fraction" else math.inf
        if not 0 <= value <= most or not math.isfinite(value) or (field.name == "photons" and value == 0):
            raise InvalidInput(f"{type(self).__name__}: {field.name} {value}; {_allowed(field.name)} is needed")

    def __call__(self, images: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Spoiled images of the same shape."""
        return self._spoiled(images, generator).clamp(0, 1)

    def __str__(self) -> str:
        (field,) = fields(self)
        return f"{next(name for name, kind in _KINDS.items() if kind is type(self))}:{getattr(self, field.name):g}"

    @abstractmethod
    def _spoiled(self, images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor: ...


def _normal(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    return torch.randn(images.shape, generator=generator, dtype=images.dtype, device=images.device)


@dataclass(frozen=True)
class Gaussian(Corruption):
    """Adds normal noise of standard deviation ``sigma``."""

    sigma: float

    def _spoiled(self, images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        return images + self.sigma * _normal(images, generator)


@dataclass(frozen=True)
class SaltAndPepper(Corruption):
    """A ``fraction`` of the pixels becomes black or white, as likely as each other."""

    fraction: float

    def _spoiled(self, images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        u = torch.rand(images.shape, generator=generator, dtype=images.dtype, device=images.device)
        return torch.where(u < self.fraction, (u < self.fraction / 2).to(images.dtype), images)


@dataclass(frozen=True)
class Speckle(Corruption):
    """Multiplies by 1 + normal noise of standard deviation ``sigma``."""

    sigma: float

    def _spoiled(self, images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        return images * (1 + self.sigma * _normal(images, generator))


@dataclass(frozen=True)
class Poisson(Corruption):
    """Counts photons: ``photons`` on average for a white pixel."""

    photons: float

    def _spoiled(self, images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        return torch.poisson(images * self.photons, generator=generator) / self.photons


_KINDS: dict[str, type[Corruption]] = {
    "gaussian": Gaussian,
    "salt-and-pepper": SaltAndPepper,
    "speckle": Speckle,
    "poisson": Poisson,
}


def _allowed(field: str) -> str:
    return {"fraction": "a number from 0 to 1", "photons": "a positive number"}.get(field, "a number of at least 0")


def corruption(text: str) -> Corruption:
    """The noise model that a text names, ``gaussian:0.3`` or ``poisson:20``.

    Raises
    ------
    InvalidInput
        The name is unknown or the number does not fit.

    Examples
    --------
    >>> corruption("salt-and-pepper:0.1")
    SaltAndPepper(fraction=0.1)
    """
    name, _, number = text.partition(":")
    try:
        return _KINDS[name](float(number))  # type: ignore[call-arg]
    except (KeyError, ValueError):
        raise InvalidInput(f"noise '{text}': one of {', '.join(f'{k}:NUMBER' for k in _KINDS)} is needed") from None
