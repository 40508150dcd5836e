"""Batch norm is folded into the layers before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bitket.quantization.configs import part
from bitket.quantization.graph import fold_batch_norm
from bitket.quantization.passes.step import Pass, Work, needs_graph

__all__ = ["FoldBatchNorm"]


@part
@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """See `bitket.quantization.graph.fold_batch_norm`."""

    when: ClassVar[Literal["before", "after"]] = "before"

    def apply(self, work: Work) -> str:
        """Fold in place."""
        folded = fold_batch_norm(needs_graph(work.model, "folding of batch norm"))
        return f"folded: batch norm into {len(folded)} layers"
