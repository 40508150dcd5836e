"""What loaders return: rows of numbers, of texts or of images, each with its label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput

__all__ = ["Images", "Table", "Texts"]

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers and labels.

    Attributes
    ----------
    X, y
        Features ``[N, d]`` and labels ``[N]``, indices into ``classes``.
    features, classes
        Names.
    """

    X: NDArray[np.float64]
    y: Labels
    features: tuple[str, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    def of_classes(self, *names: str) -> Table:
        """The rows of some classes, labelled 0, 1, ... in the order given.

        >>> from bitket.data import load
        >>> two = load("iris").of_classes("virginica", "setosa")
        >>> len(two), two.y[0], two.classes
        (100, np.int64(1), ('virginica', 'setosa'))
        """
        for name in names:
            if name not in self.classes:
                raise InvalidInput(f"class '{name}' is unknown; there are {', '.join(self.classes)}")
        new = np.full(len(self.classes), -1)
        new[[self.classes.index(name) for name in names]] = np.arange(len(names))
        y = new[self.y]
        return replace(self, X=self.X[y >= 0], y=y[y >= 0], classes=names)

    def parts(self) -> Iterator[Any]:
        """What a checksum is taken of."""
        yield from (self.X, self.y, self.features, self.classes)


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts and labels: 1 positive, 0 negative.

    Attributes
    ----------
    texts, y
        ``N`` texts and labels ``[N]``.
    """

    texts: tuple[str, ...]
    y: Labels

    def __len__(self) -> int:
        return len(self.texts)

    def sample(self, size: int, generator: np.random.Generator) -> Texts:
        """``size`` different texts, equally many of each label, in random order.

        Raises
        ------
        InvalidInput
            There are not that many, or the size is odd.
        """
        first = {text: k for k, text in reversed(list(enumerate(self.texts)))}
        order = np.array(sorted(first.values()), dtype=np.int64)
        groups = [order[self.y[order] == label] for label in (0, 1)]
        if size < 2 or size % 2 or size // 2 > min(len(g) for g in groups):
            raise InvalidInput(
                f"sample of {size} texts: an even number up to {2 * min(len(g) for g in groups)} is needed"
            )
        chosen = np.concatenate([generator.choice(g, size // 2, replace=False) for g in groups])
        chosen = generator.permutation(chosen)
        return Texts(tuple(self.texts[i] for i in chosen), self.y[chosen])

    def parts(self) -> Iterator[Any]:
        """What a checksum is taken of."""
        yield from (self.texts, self.y)


@dataclass(frozen=True, eq=False)
class Images:
    """Images and labels.

    Attributes
    ----------
    pixels, y
        ``[N, height, width]`` (grey) or ``[N, height, width, 3]``, from 0 to 1; labels ``[N]``, indices into ``classes``.
    classes
        Names.
    """

    pixels: NDArray[np.floating[Any]]
    y: Labels
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    def parts(self) -> Iterator[Any]:
        """What a checksum is taken of."""
        yield from (self.pixels, self.y, self.classes)
