"""Drawing sequences from a language model: top-k, temperature, no repeated n-gram, constraints; many sequences at once.

At each step the scores of forbidden tokens become minus infinity, the k largest are kept, divided by the temperature and turned into
probabilities, and one token is drawn by inverting their cumulative sum at a uniform number. Sequence j always uses the j-th uniform
number of a step, so it does not depend on when the others end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bitket.errors import InvalidInput
from bitket.quantum.generation.constraints import Constraint
from bitket.quantum.generation.gpt import GPT2, Cache
from bitket.quantum.generation.tokenizers import END, SPECIAL

__all__ = ["Sampling", "sample_tokens"]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; the defaults are KetGPT's.

    Attributes
    ----------
    top_k
        How many of the likeliest tokens can be drawn.
    temperature
        Divides scores.
    no_repeat_ngram
        No run of so many tokens comes twice in a sequence; 0 for no limit.
    """

    top_k: int = 5
    temperature: float = 1.0
    no_repeat_ngram: int = 15

    def __post_init__(self) -> None:
        if self.top_k < 1 or not 0 < self.temperature < math.inf or self.no_repeat_ngram < 0:
            raise InvalidInput(
                f"sampling: top_k {self.top_k}, temperature {self.temperature}, no_repeat_ngram {self.no_repeat_ngram}; "
                "at least 1, above 0, and at least 0 are needed"
            )


class _Grams:
    """The runs of n tokens of one sequence."""

    def __init__(self, n: int, tokens: Sequence[int]) -> None:
        self._n, self._next = n, dict[tuple[int, ...], list[int]]()
        for end in range(n, len(tokens) + 1):
            self.add(tokens[:end])

    def add(self, tokens: Sequence[int]) -> None:
        if self._n and len(tokens) >= self._n:
            self._next.setdefault(tuple(tokens[-self._n : -1]), []).append(tokens[-1])

    def forbidden(self, tokens: Sequence[int]) -> list[int]:
        """Tokens that would make a run come twice."""
        if not self._n or len(tokens) < self._n - 1:
            return []
        return self._next.get(tuple(tokens[len(tokens) - self._n + 1 :]), [])


@torch.inference_mode()
def sample_tokens(
    model: GPT2,
    prompts: Sequence[Sequence[int]],
    lines: Sequence[int],
    constraints: Sequence[Constraint],
    begins_line: Sequence[bool],
    settings: Sampling,
    generator: torch.Generator,
    *,
    cached: bool = True,
) -> list[list[int]]:
    """Continue prompts.

    Parameters
    ----------
    model
        In evaluation mode.
    prompts
        Token numbers, equally many each.
    lines
        Lines that each sequence may have after its prompt.
    constraints
        Of each sequence, standing behind its prompt.
    begins_line
        For each token, whether a line begins with it.
    settings, generator
        How to draw, and the source of uniform numbers (on the CPU).
    cached
        Keep keys and values; without it every step computes all tokens again.

    Returns
    -------
    list of list of int
        Prompts with what follows them, without the end token. A line for which the context has no room is left out whole.

    Raises
    ------
    InvalidInput
        Lengths do not fit, or a prompt is as long as the context.
    """
    context = model.config.context
    if len({len(p) for p in prompts}) != 1 or not len(prompts) == len(lines) == len(constraints):
        raise InvalidInput(
            "sampling: prompts of one length, and a number of lines and a constraint for each, are needed"
        )
    if len(prompts[0]) >= context:
        raise InvalidInput(f"sampling: prompts of {len(prompts[0])} tokens; the context holds {context}")
    sequences = [list(p) for p in prompts]
    grams = [_Grams(settings.no_repeat_ngram, s) for s in sequences]
    counts, last_start = [0] * len(prompts), [len(p) for p in prompts]
    alive = [k for k in range(len(prompts)) if lines[k] > 0]
    single = all(begins_line[len(SPECIAL) :])  # one token a line
    device = model.wte.weight.device
    cache = Cache(model.config, len(alive), model.wte.weight) if cached else None
    fresh = torch.tensor([sequences[k] for k in alive], device=device)
    while alive:
        hidden = model.hidden(fresh, cache)[:, -1]
        scores = model.logits(hidden).cpu()
        allowed = torch.stack([constraints[k].mask() for k in alive])
        for row, k in enumerate(alive):
            if again := grams[k].forbidden(sequences[k]):
                allowed[row, again] = False
        uniform = torch.rand(len(prompts), generator=generator)[alive]
        tokens = _drawn(scores.masked_fill_(~allowed, -math.inf), settings, uniform)
        going = []
        for row, (k, token) in enumerate(zip(alive, tokens, strict=True)):
            if token == END and not allowed[row, END] and not single:
                del sequences[k][last_start[k] :]  # no token was allowed within a line: it cannot be finished
            if token == END or (begins_line[token] and counts[k] == lines[k]):
                continue
            if begins_line[token]:
                counts[k] += 1
                last_start[k] = len(sequences[k])
            sequences[k].append(token)
            grams[k].add(sequences[k])
            constraints[k].advance(token)
            if single and counts[k] == lines[k]:
                continue
            if len(sequences[k]) == context:
                if not single:
                    del sequences[k][last_start[k] :]
                continue
            going.append(row)
        if cache is not None and len(going) < len(alive):
            cache.select(torch.tensor(going, device=device, dtype=torch.long))
        alive = [alive[row] for row in going]
        if alive:
            fresh = torch.tensor([sequences[k][-1:] if cached else sequences[k] for k in alive], device=device)
    return sequences


def _drawn(scores: Tensor, settings: Sampling, uniform: Tensor) -> list[int]:
    """One token a row; the end token where none is allowed."""
    values, places = scores.topk(min(settings.top_k, scores.shape[1]), dim=1)
    weights = torch.softmax(values.double() / settings.temperature, 1)  # a row of nothing but -inf is nan
    chosen = (weights.cumsum(1) < uniform.double()[:, None]).sum(1).clamp(max=values.shape[1] - 1)
    tokens = places.gather(1, chosen[:, None])[:, 0]
    tokens[values[:, 0] == -math.inf] = END
    return tokens.tolist()
