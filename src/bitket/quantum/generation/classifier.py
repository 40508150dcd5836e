"""A classifier of circuit files, real or random: a small transformer encoder trained from scratch.

What would give the answer away is taken out first: measurements, declarations and header. The rest is cut into words (letters, groups of
two digits, signs that end a line or join numbers), of which the first ``context`` are read. KetGPT starts from a pretrained DistilBERT
and WordPiece instead; there is none here, and circuit files hold few enough words to list all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn
from torch.nn import functional as F

from bitket.errors import InvalidInput
from bitket.learning import Training

__all__ = ["RealismClassifier", "words"]

_WORD = re.compile(r"[a-z_]+|\d{1,2}|[-;/*(.]")
_DROPPED = re.compile(r"^\s*(?:m|OPENQASM|include|qreg|creg)")


def words(text: str) -> list[str]:
    """The words that a file is judged by.

    >>> words("qreg q[2];\\nrx(-0.125) q[1];\\nmeasure q[1] -> c[1];\\n")
    ['rx', '(', '-', '0', '.', '12', '5', 'q', '1', ';']
    """
    kept = (line.lower() for line in text.splitlines() if not _DROPPED.match(line))
    return [word for line in kept for word in _WORD.findall(line)]


class _Encoder(nn.Module):
    def __init__(self, vocabulary: int, width: int, layers: int, context: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.places = nn.Embedding(context, width)
        layer = nn.TransformerEncoderLayer(
            width, max(1, width // 32), 4 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, ids: Tensor) -> Tensor:
        ids = ids[:, : max(1, int((ids != 0).sum(1).max()))]
        x = self.words(ids) + self.places.weight[: ids.shape[1]]
        padding = ids == 0
        padding[:, 0] = False  # a file without a word still has a place to attend to
        y = self.body(x, src_key_padding_mask=padding)
        kept = (~padding)[..., None]
        return self.head((y * kept).sum(1) / kept.sum(1))[:, 0]


class RealismClassifier(ClassifierMixin, BaseEstimator):
    """Real (1) or random (0).

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

    def fit(self, texts: Sequence[str], labels: Sequence[int] | NDArray[np.int64]) -> RealismClassifier:
        """Learn from files and their labels, 1 for real ones and 0 for random ones.

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
        self.words_ = {word: 2 + k for k, word in enumerate(sorted({w for text in texts for w in words(text)}))}
        generator = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.module_ = _Encoder(2 + len(self.words_), self.width, self.layers, self.context)
        training = Training(
            self.epochs,
            batch_size=self.batch_size,
            optimiser="adamw",
            learning_rate=self.learning_rate,
            weight_decay=0.01,
            decay="cosine",
            largest_gradient=1.0,
        )
        result = training.fit(
            self.module_,
            F.binary_cross_entropy_with_logits,
            self._ids(texts),
            torch.tensor(y, dtype=torch.float32),
            generator=generator,
            checkpoint=self.checkpoint,
        )
        self.history_ = result.history
        self.module_.eval()
        return self

    def _ids(self, texts: Sequence[str]) -> Tensor:
        ids = torch.zeros(len(texts), self.context, dtype=torch.long)
        for row, text in zip(ids, texts, strict=True):
            found = [self.words_.get(word, 1) for word in words(text)[: self.context]]
            row[: len(found)] = torch.tensor(found, dtype=torch.long)
        return ids

    @torch.inference_mode()
    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of random and real, ``[N, 2]``."""
        if not hasattr(self, "module_"):
            raise InvalidInput("classifier: fit it first")
        if not len(texts):
            return np.zeros((0, 2))
        scores = torch.cat([self.module_(part) for part in self._ids(texts).split(64)])
        real = torch.sigmoid(scores.double()).numpy()
        return np.column_stack([1 - real, real])

    def predict(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """1 where p(real) is at least 0.5."""
        return (self.predict_proba(texts)[:, 1] >= 0.5).astype(np.int64)
