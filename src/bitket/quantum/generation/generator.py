"""KetGPT (Apak, Bandic, Sarkar and Feld 2024, arXiv:2402.13352): a GPT-2 trained on circuit files, sampled for new ones.

Each file becomes its tokens and an end token; the model is trained from scratch to predict each token from those before it. A new file
begins with the version, the include and ``qreg q[n];`` and goes on until its number of lines or the end token.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitket.data.circuits import QasmCorpus
from bitket.errors import BitketError, InvalidInput
from bitket.files import require_file
from bitket.learning import Training, TrainingResult
from bitket.quantum.generation.constraints import Mode, Rules
from bitket.quantum.generation.gpt import GPT2, GPTConfig
from bitket.quantum.generation.sampling import Sampling, sample_tokens
from bitket.quantum.generation.statements import header
from bitket.quantum.generation.tokenizers import (
    END,
    PAD,
    UNKNOWN,
    GateTokenizer,
    LineTokenizer,
    Tokenizer,
    tokenizer_from_dict,
)
from bitket.runs.files import write_bytes

__all__ = ["CircuitGPT", "GeneratorConfig", "Perplexity"]

_DEFAULT_TRAINING = Training(
    epochs=5, batch_size=4, optimiser="adamw", learning_rate=5e-5, decay="cosine", largest_gradient=1.0
)


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes of the generator, KetGPT's by default; see `GPTConfig`.

    Attributes
    ----------
    tokenizer
        ``"line"`` (KetGPT's) or ``"gate"``.
    """

    width: int = 768
    layers: int = 3
    heads: int = 4
    context: int = 1024
    dropout: float = 0.1
    tokenizer: Literal["line", "gate"] = "line"

    def __post_init__(self) -> None:
        if self.tokenizer not in ("line", "gate"):
            raise InvalidInput(f"generator: tokenizer '{self.tokenizer}'; 'line' and 'gate' are known")


@dataclass(frozen=True)
class Perplexity:
    """exp of the mean negative log probability of tokens that are in the vocabulary; and how many they are, and are not."""

    value: float
    tokens: int
    unknown: int


class _Training(nn.Module):
    """From padded token numbers to the scores of all tokens that have a next one, padding cut off."""

    def __init__(self, model: GPT2) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        ids = ids[:, : int((ids != PAD).sum(1).max())]
        return self.model.logits(self.model.hidden(ids)[ids != PAD])


def _loss(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets[targets != PAD])


@dataclass
class CircuitGPT:
    """A generator of circuit files.

    Parameters
    ----------
    config
        Sizes.

    Attributes
    ----------
    tokenizer, model
        Set by `fit` or `load`.
    sizes
        Qubits of the first register and lines of each file it was trained on, ``[N, 2]``.
    """

    config: GeneratorConfig = field(default_factory=GeneratorConfig)
    _tokenizer: Tokenizer | None = field(default=None, repr=False)
    _model: GPT2 | None = field(default=None, repr=False)
    sizes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=int), repr=False)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer it was fitted with."""
        if self._tokenizer is None:
            raise InvalidInput("generator: fit or load it first")
        return self._tokenizer

    @property
    def model(self) -> GPT2:
        """The language model."""
        if self._model is None:
            raise InvalidInput("generator: fit or load it first")
        return self._model

    # -- training -----------------------------------------------------------------------------------------------------
    def fit(
        self,
        corpus: QasmCorpus,
        training: Training = _DEFAULT_TRAINING,
        *,
        generator: torch.Generator,
        checkpoint: Path | None = None,
        callback: Callable[[int, float], bool | None] | None = None,
    ) -> TrainingResult:
        """Learn a corpus: vocabulary, sizes, weights.

        Parameters
        ----------
        corpus
            Files of fewer tokens than the context holds.
        training
            How; by default as KetGPT (with cosine decay).
        generator
            Of the initial weights, the order of files, and dropout.
        checkpoint, callback
            See `bitket.learning.Training.fit`.

        Raises
        ------
        InvalidInput
            A file is longer than the context.
        """
        kind = LineTokenizer if self.config.tokenizer == "line" else GateTokenizer
        self._tokenizer = kind.fit(corpus.texts)
        self.sizes = corpus.sizes
        self._model = self._made(generator)
        ids = self._tokens(corpus)
        result = training.fit(
            _Training(self._model),
            _loss,
            torch.where(ids[:, 1:] == PAD, PAD, ids[:, :-1]),
            ids[:, 1:],
            generator=generator,
            checkpoint=checkpoint,
            callback=callback,
        )
        self._model.eval()
        return result

    def _made(self, generator: torch.Generator | None = None) -> GPT2:
        sizes = asdict(self.config)
        del sizes["tokenizer"]
        return GPT2(GPTConfig(vocabulary=len(self.tokenizer), **sizes), generator)

    def _tokens(self, corpus: QasmCorpus) -> Tensor:
        """Token numbers with the end token, padded, ``[N, T + 1]``."""
        encoded = [torch.tensor([*self.tokenizer.encode(text), END]) for text in corpus.texts]
        longest = max(range(len(encoded)), key=lambda k: len(encoded[k]))
        if len(encoded[longest]) - 1 > self.config.context:
            raise InvalidInput(
                f"{corpus.names[longest]}: {len(encoded[longest]) - 1} tokens; the context holds {self.config.context}: leave longer "
                "files out, or take a larger context"
            )
        return nn.utils.rnn.pad_sequence(encoded, batch_first=True, padding_value=PAD)

    @torch.inference_mode()
    def perplexity(self, corpus: QasmCorpus) -> Perplexity:
        """How well it predicts the known tokens of files (end tokens included) after the first.

        Raises
        ------
        InvalidInput
            A file is longer than the context.
        """
        total, count, unknown = 0.0, 0, 0
        for row in self._tokens(corpus):
            ids = row[row != PAD]
            scores = self.model(ids[None, :-1])[0]
            losses = F.cross_entropy(scores, ids[1:], reduction="none")[ids[1:] != UNKNOWN]
            total, count = total + float(losses.double().sum()), count + len(losses)
            unknown += len(ids) - 1 - len(losses)
        return Perplexity(math.exp(total / max(1, count)), count, unknown)

    # -- sampling -------------------------------------------------------------------------------------------------------
    def sample(
        self,
        count: int,
        *,
        generator: torch.Generator,
        n_qubits: int | None = None,
        max_lines: int | None = None,
        top_k: int = 5,
        temperature: float = 1.0,
        no_repeat_ngram: int = 15,
        constraint: Mode = "grammar",
        batch: int = 64,
        cached: bool = True,
    ) -> tuple[str, ...]:
        """New circuit files.

        Parameters
        ----------
        count
            How many.
        generator
            Source of randomness, on the CPU.
        n_qubits
            Of each file; without it those of a training file, drawn anew for each.
        max_lines
            Most lines of each file. Without it files go on until the end token or the end of the context; under the constraint
            ``"paper"`` as there: at most as many lines as the training file whose number of qubits was drawn.
        top_k, temperature, no_repeat_ngram
            See `Sampling`.
        constraint
            ``"none"``, ``"paper"`` or ``"grammar"``; see `bitket.quantum.generation.constraints`.
        batch
            Files at once; memory grows with it.
        cached
            Keep keys and values of tokens.

        Raises
        ------
        InvalidInput
            A number of qubits that no training file has, more lines than the context holds, or another value out of range.
        """
        if count < 1 or batch < 1 or constraint not in get_args(Mode):
            raise InvalidInput(
                f"sample {count} files, {batch} at once, constraint '{constraint}': at least 1 each, and {', '.join(get_args(Mode))}, are "
                "allowed"
            )
        rules, settings = Rules(self.tokenizer, constraint), Sampling(top_k, temperature, no_repeat_ngram)
        qubits, lines = self._drawn_sizes(count, n_qubits, max_lines, constraint == "paper", generator)
        begins = self.tokenizer.begins_line()
        out: list[str] = []
        for start in range(0, count, batch):
            here = range(start, min(start + batch, count))
            sequences = sample_tokens(
                self.model.eval(),
                [self._prompt(qubits[k]) for k in here],
                [lines[k] - 3 for k in here],
                [rules.open(qubits[k]) for k in here],
                begins,
                settings,
                generator,
                cached=cached,
            )
            out += [self.tokenizer.decode(sequence) for sequence in sequences]
        return tuple(out)

    def _prompt(self, n_qubits: int) -> list[int]:
        ids = [self.tokenizer.id(line) for line in header(n_qubits)]
        if UNKNOWN in ids:
            raise InvalidInput(
                f"{n_qubits} qubits: no training file has the line '{header(n_qubits)[ids.index(UNKNOWN)].strip()}'; "
                f"the first registers have {self._known_sizes()} qubits"
            )
        return ids

    def _known_sizes(self) -> str:
        known = sorted(set(self.sizes[:, 0].tolist()))
        if known and known == list(range(known[0], known[-1] + 1)):
            return f"{known[0]} to {known[-1]}"
        return ", ".join(map(str, known))

    def _drawn_sizes(
        self,
        count: int,
        n_qubits: int | None,
        max_lines: int | None,
        drawn_lines: bool,
        generator: torch.Generator,
    ) -> tuple[list[int], list[int]]:
        context = self.config.context
        if n_qubits is not None and n_qubits > max(self.sizes[:, 0].tolist(), default=0):
            raise InvalidInput(
                f"{n_qubits} qubits: larger than any training file; first registers have {self._known_sizes()}"
            )
        if max_lines is not None and not 4 <= max_lines < context:
            raise InvalidInput(
                f"{max_lines} lines: 4 to {context - 1} are possible, as the context holds {context} tokens"
            )

        usable = [(n, k) for n, k in self.sizes.tolist() if UNKNOWN not in map(self.tokenizer.id, header(n))]
        if n_qubits is not None:
            self._prompt(n_qubits)
            usable = [(n, k) for n, k in usable if n == n_qubits]
        if not usable:
            raise InvalidInput("no training file has a register 'qreg q[n];', which a new file begins with")
        drawn = [usable[k] for k in torch.randint(len(usable), (count,), generator=generator).tolist()]
        qubits = [n for n, _ in drawn]
        if max_lines is not None:
            return qubits, [max_lines] * count
        lines = [min(max(k, 4), context - 1) if drawn_lines else context - 1 for _, k in drawn]
        return qubits, lines

    # -- files -----------------------------------------------------------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """Write everything into one safetensors file."""
        from safetensors.torch import save

        about = {
            "config": asdict(self.config),
            "tokenizer": self.tokenizer.to_dict(),
            "sizes": self.sizes.tolist(),
        }
        weights = {name: tensor.contiguous() for name, tensor in self.model.state_dict().items()}
        write_bytes(Path(path), save(weights, metadata={"bitket": json.dumps(about)}))

    @classmethod
    def load(cls, path: str | Path) -> CircuitGPT:
        """Read what `save` wrote.

        Raises
        ------
        InvalidInput
            There is no such file, or it is something else.
        """
        from safetensors import SafetensorError, safe_open

        require_file(path)
        try:
            with safe_open(path, framework="pt") as file:
                about: dict[str, Any] = json.loads((file.metadata() or {})["bitket"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            out = cls(
                GeneratorConfig(**about["config"]),
                tokenizer_from_dict(about["tokenizer"]),
                sizes=np.array(about["sizes"], dtype=int).reshape(-1, 2),
            )
            out._model = out._made()
            out._model.load_state_dict(weights)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, BitketError) as error:
            raise InvalidInput(f"{path}: not a generator of circuits ({str(error).splitlines()[0]})") from None
        out._model.eval()
        return out
