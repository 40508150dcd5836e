"""Classifiers of circuit files, real or not: small transformer encoders trained from scratch.

`RealismClassifier` is KetGPT's, which reads words and was trained against random files. It calls files with shuffled lines real, as it
learns which lines there are and hardly how they follow; `bitket.quantum.generation.wiring` has one that sees order and wiring.

What would give the answer away is taken out first: measurements, declarations and header. The rest is cut into words (letters, groups of
two digits, signs that end a line or join numbers), of which the first ``context`` are read. KetGPT starts from a pretrained DistilBERT
and WordPiece instead; there is none here, and circuit files hold few enough words to list all of them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from bitket.errors import InvalidInput
from bitket.learning import Training
from bitket.learning.threads import one_thread

__all__ = ["CircuitClassifier", "Encoder", "RealismClassifier", "words"]

_WORD = re.compile(r"[a-z_]+|\d{1,2}|[-;/*(.]")
_DROPPED = re.compile(r"^\s*(?:m|OPENQASM|include|qreg|creg)")


def words(text: str) -> list[str]:
    """The words that a file is judged by.

    >>> words("qreg q[2];\\nrx(-0.125) q[1];\\nmeasure q[1] -> c[1];\\n")
    ['rx', '(', '-', '0', '.', '12', '5', 'q', '1', ';']
    """
    kept = (line.lower() for line in text.splitlines() if not _DROPPED.match(line))
    return [word for line in kept for word in _WORD.findall(line)]


class Encoder(nn.Module):
    """A pre-norm transformer encoder of vectors ``[B, T, width]``, averaged over those that are not padding, to one score each."""

    def __init__(self, width: int, layers: int, context: int) -> None:
        super().__init__()
        self.places = nn.Embedding(context, width)
        layer = nn.TransformerEncoderLayer(
            width, max(1, width // 32), 4 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Scores ``[B]``."""
        padding = padding.clone()
        padding[:, 0] = False  # a file without a word still has a place to attend to
        y = self.body(x + self.places.weight[: x.shape[1]], src_key_padding_mask=padding)
        kept = (~padding)[..., None]
        return self.head((y * kept).sum(1) / kept.sum(1))[:, 0]


class _Words(nn.Module):
    def __init__(self, vocabulary: int, width: int, layers: int, context: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.encoder = Encoder(width, layers, context)

    def forward(self, ids: Tensor) -> Tensor:
        ids = ids[:, : max(1, int((ids != 0).sum(1).max()))]
        return self.encoder(self.words(ids), ids == 0)


class CircuitClassifier(ClassifierMixin, BaseEstimator, ABC):
    """What classifiers of files share: training and prediction; ``_prepared`` makes numbers of files, ``_network`` a module for them."""

    width: int
    layers: int
    context: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    checkpoint: Path | None

    @abstractmethod
    def _learned(self, texts: Sequence[str]) -> None:
        """What is read off the training files before they can be numbers."""

    @abstractmethod
    def _prepared(self, texts: Sequence[str]) -> Tensor:
        """Files as numbers, a row for each."""

    @abstractmethod
    def _network(self) -> nn.Module:
        """A new module, from such rows to scores."""

    def fit(self, texts: Sequence[str], labels: Sequence[int] | NDArray[np.int64]) -> CircuitClassifier:
        """Learn from files and their labels, 1 for real ones and 0 for others; both classes weigh the same.

        Raises
        ------
        InvalidInput
            Numbers do not fit, or a class is missing.
        """
        y = np.asarray(labels)
        if len(texts) != len(y) or set(y.tolist()) != {0, 1}:
            raise InvalidInput(
                f"classifier: {len(texts)} files, {len(y)} labels; a 0 or 1 for each, and both, are needed"
            )
        self.classes_ = np.array([0, 1])
        self._learned(texts)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.module_ = self._network()
        training = Training(
            self.epochs,
            batch_size=self.batch_size,
            optimiser="adamw",
            learning_rate=self.learning_rate,
            weight_decay=0.01,
            decay="cosine",
            largest_gradient=1.0,
        )
        weight = torch.tensor((y == 0).sum() / (y == 1).sum(), dtype=torch.float32)
        with one_thread():
            result = training.fit(
                self.module_,
                partial(F.binary_cross_entropy_with_logits, pos_weight=weight),
                self._prepared(texts),
                torch.tensor(y, dtype=torch.float32),
                generator=generator,
                checkpoint=self.checkpoint,
            )
        self.history_ = result.history
        self.module_.eval()
        return self

    @torch.inference_mode()
    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of not real and real, ``[N, 2]``."""
        check_is_fitted(self, "module_")
        if not len(texts):
            return np.zeros((0, 2))
        scores = torch.cat([self.module_(part) for part in self._prepared(texts).split(64)])
        real = torch.sigmoid(scores.double()).numpy()
        return np.column_stack([1 - real, real])

    def predict(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """1 where p(real) is larger than p(not real)."""
        return self.predict_proba(texts).argmax(axis=1)


class RealismClassifier(CircuitClassifier):
    """Real (1) or random (0), from words.

    Parameters
    ----------
    width, layers
        Of the encoder; heads of 32.
    context
        Words read of each file, about six a line.
    epochs, batch_size, learning_rate
        Of AdamW with weight decay 0.01 and cosine decay.
    seed
        Of weights, order and dropout.
    checkpoint
        File to go on from and to write, or None.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 2,
        context: int = 256,
        epochs: int = 10,
        batch_size: int = 8,
        learning_rate: float = 2e-3,
        seed: int = 0,
        checkpoint: Path | None = None,
    ) -> None:
        self.width, self.layers, self.context = width, layers, context
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate
        self.seed, self.checkpoint = seed, checkpoint

    def _learned(self, texts: Sequence[str]) -> None:
        self.words_ = {word: 2 + k for k, word in enumerate(sorted({w for text in texts for w in words(text)}))}

    def _network(self) -> nn.Module:
        return _Words(2 + len(self.words_), self.width, self.layers, self.context)

    def _prepared(self, texts: Sequence[str]) -> Tensor:
        ids = torch.zeros(len(texts), self.context, dtype=torch.long)
        for row, text in zip(ids, texts, strict=True):
            found = [self.words_.get(word, 1) for word in words(text)[: self.context]]
            row[: len(found)] = torch.tensor(found, dtype=torch.long)
        return ids
