"""Methods by name, with settings that serve most networks: what the command line offers, and a start for one's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bitket.errors import InvalidInput
from bitket.quantization.allocation.problem import Share, parse_limit
from bitket.quantization.grids import Channel, Scheme
from bitket.quantization.passes import FoldBatchNorm, Gptq, LearnRounding
from bitket.quantization.post_training import PostTraining
from bitket.quantization.vision.bit_plan import Budget
from bitket.quantization.vision.hawq import Hawq
from bitket.quantization.vision.hawq_v2 import HawqV2

__all__ = ["CHOICES", "METHODS", "WITH_BUDGET", "configured", "parse_budget"]

_W8, _W4, _A8 = Scheme(8, granularity=Channel(0)), Scheme(4, granularity=Channel(0)), Scheme(8, symmetric=False)
_BITS = (2, 3, 4, 6, 8)


def _four(name: str, ends: int | None, *steps: Any) -> PostTraining:
    """4-bit weights and 8-bit inputs."""
    first_last = None if ends is None else (Scheme(ends, granularity=Channel(0)), _A8)
    return PostTraining(_W4, _A8, weight_range="mse", steps=(FoldBatchNorm(), *steps), first_last=first_last, name=name)


METHODS: dict[str, Callable[[Budget, int, int | None], Any]] = {
    "w8a8": lambda budget, seed, ends: PostTraining(_W8, _A8, name="w8a8"),
    "w4a8": lambda budget, seed, ends: _four("w4a8", ends),
    "gptq": lambda budget, seed, ends: _four("gptq", ends, Gptq()),
    "learned-rounding": lambda budget, seed, ends: _four("learned-rounding", ends, LearnRounding(seed=seed)),
    "hawq": lambda budget, seed, ends: Hawq(_BITS, 8, budget, edge_bits=ends, seed=seed),
    "hawq-v2": lambda budget, seed, ends: HawqV2(_BITS, 8, budget, edge_bits=ends, seed=seed),
}
"""Settings by the method's name, from a budget, a seed, and the bits of the first and last layer."""

WITH_BUDGET = ("hawq", "hawq-v2")
"""Methods that choose bits layer by layer."""

CHOICES = (*METHODS, "all")


def configured(name: str, budget: Budget | None = None, seed: int = 0, ends: int | None = 8) -> Any:
    """Settings of a method.

    Parameters
    ----------
    name
        One of `METHODS`.
    budget
        For methods of `WITH_BUDGET`; by default the middle between their smallest and their largest network.
    seed
        Of what is random.
    ends
        Bits of the first and the last layer's weights, which are more sensitive; None treats them like the others, as networks of two or
        three layers need it.

    Raises
    ------
    InvalidInput
        The method is unknown, or it has no choice of bits and a budget is given.
    """
    if name not in METHODS:
        raise InvalidInput(f"method '{name}' is unknown; there are {', '.join(METHODS)}")
    if budget is not None and name not in WITH_BUDGET:
        raise InvalidInput(
            f"method {name}: its bits are fixed, so it takes no budget; {' and '.join(WITH_BUDGET)} choose them"
        )
    return METHODS[name](Share(0.5) if budget is None else budget, seed, ends)


def parse_budget(text: str) -> Budget:
    """A budget as people write it: bytes of the whole network, a share, or how many times smaller the weights' codes are to be.

    >>> parse_budget("6.7 MB"), parse_budget("50 %"), parse_budget("8x")
    (6700000.0, Share(fraction=0.5), '8x')

    Raises
    ------
    InvalidInput
        It is none of these.
    """
    if re.fullmatch(r"\s*[0-9.]+\s*x\s*", text):
        return text.strip()
    if not re.fullmatch(
        r"\s*[0-9.]+(e[+-]?[0-9]+)?\s*(%|[kmg]?i?b)?\s*", text, re.IGNORECASE
    ):  # nor a time, nor operations
        raise InvalidInput(f"budget '{text}': a size is needed, as '6.7 MB', '900 KiB', '50 %' or '8x'")
    return parse_limit(text)
