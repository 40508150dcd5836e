"""GPT-2 (Radford et al. 2019): a decoder of pre-norm blocks with learned positions and tied embeddings.

    x <- x + Attention(LayerNorm(x)),    x <- x + W2 gelu(W1 LayerNorm(x)),    logits = LayerNorm(x) E^T

gelu is its tanh form. With a `Cache` of keys and values each new token costs one pass over the tokens so far instead of all of them
again. Parameters carry the names of transformers' ``GPT2LMHeadModel``; its matrices are stored transposed there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from bitket.errors import InvalidInput

__all__ = ["GPT2", "Cache", "GPTConfig"]


@dataclass(frozen=True)
class GPTConfig:
    """Sizes; the defaults are KetGPT's.

    Attributes
    ----------
    vocabulary
        Number of tokens.
    width, layers, heads
        Of the decoder; ``heads`` divides ``width``.
    context
        Positions, the longest sequence.
    dropout
        After embeddings, attention weights and each residual branch, in training.
    """

    vocabulary: int
    width: int = 768
    layers: int = 3
    heads: int = 4
    context: int = 1024
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.width, self.layers, self.heads, self.context) < 1 or self.width % self.heads:
            raise InvalidInput(
                f"GPT of vocabulary {self.vocabulary}, width {self.width}, {self.layers} layers, {self.heads} heads, context "
                f"{self.context}: positive numbers, and heads that divide the width, are needed"
            )
        if not 0 <= self.dropout < 1:
            raise InvalidInput(f"GPT: dropout {self.dropout}; at least 0 and below 1 is needed")


class Cache:
    """Keys and values of the tokens seen so far, ``[layers, batch, heads, context, width / heads]`` each, allocated once."""

    def __init__(self, config: GPTConfig, batch: int, like: Tensor) -> None:
        shape = (config.layers, batch, config.heads, config.context, config.width // config.heads)
        self.keys, self.values = like.new_empty(shape), like.new_empty(shape)
        self.length = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store the newest keys and values of a layer; all of its keys and values."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def select(self, rows: Tensor) -> None:
        """Keep some sequences of the batch."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]


class _Attention(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, layer: int, cache: Cache | None) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2)
        )
        mask = None
        if cache is not None:
            k, v = cache.extend(layer, k, v)
            if length > 1 and cache.length:  # several tokens after others: each sees those up to itself
                mask = torch.ones(length, k.shape[2], dtype=torch.bool, device=x.device).tril(cache.length)
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=mask is None and length > 1,
        )
        return self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(batch, length, width)))


class _Perceptron(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.width, 4 * config.width)
        self.c_proj = nn.Linear(4 * config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class _Block(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width)
        self.attn = _Attention(config)
        self.ln_2 = nn.LayerNorm(config.width)
        self.mlp = _Perceptron(config)

    def forward(self, x: Tensor, layer: int, cache: Cache | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), layer, cache)
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    """The language model.

    Parameters
    ----------
    config
        Sizes.
    generator
        Of the initial weights: normal with deviation 0.02, 0.02 / sqrt(2 layers) where a branch joins the residual.
    """

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocabulary, config.width)
        self.wpe = nn.Embedding(config.context, config.width)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "ln_" not in name:
                deviation = 0.02 / math.sqrt(2 * config.layers) if name.endswith("c_proj.weight") else 0.02
                nn.init.normal_(parameter, std=deviation, generator=generator)

    def hidden(self, ids: Int[Tensor, "B T"], cache: Cache | None = None) -> Float[Tensor, "B T width"]:
        """The states from which logits are made.

        Raises
        ------
        InvalidInput
            The sequence, with what the cache holds, is longer than the context.
        """
        start = cache.length if cache is not None else 0
        end = start + ids.shape[1]
        if end > self.config.context:
            raise InvalidInput(f"a sequence of {end} tokens: the context holds {self.config.context}")
        x = self.drop(self.wte(ids) + self.wpe(torch.arange(start, end, device=ids.device)))
        for layer, block in enumerate(self.h):
            x = block(x, layer, cache)
        if cache is not None:
            cache.length = end
        return self.ln_f(x)

    def logits(self, hidden: Float[Tensor, "*B width"]) -> Float[Tensor, "*B V"]:
        """Scores of the next token."""
        return F.linear(hidden, self.wte.weight)

    def forward(self, ids: Int[Tensor, "B T"], cache: Cache | None = None) -> Float[Tensor, "B T V"]:
        """Scores of the next token after each token, given those before it."""
        return self.logits(self.hidden(ids, cache))

    def load_transformers(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of a ``GPT2LMHeadModel`` (its ``state_dict``) of the same sizes.

        Raises
        ------
        InvalidInput
            A weight is missing or of another shape.
        """
        own = self.state_dict()
        taken = {}
        for name, mine in own.items():
            theirs = weights.get(f"transformer.{name}", weights.get(name))
            if theirs is not None and name.startswith("h.") and theirs.ndim == 2:
                theirs = theirs.T
            if theirs is None or theirs.shape != mine.shape:
                found = "is missing" if theirs is None else f"has shape {list(theirs.shape)}"
                raise InvalidInput(f"weights of GPT-2: '{name}' {found}; {list(mine.shape)} is needed")
            taken[name] = theirs
        self.load_state_dict(taken)
