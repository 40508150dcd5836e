"""Sampling from a GPT-2: with a cache of keys and values, without, and transformers' ``generate`` with the same weights on the same CPU."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks._timing import interleaved
from bitket.quantum.generation import GPT2, GPTConfig, Sampling
from bitket.quantum.generation.sampling import sample_tokens


class _Any:
    def __init__(self, vocabulary: int) -> None:
        self._mask = torch.arange(vocabulary) >= 6

    def mask(self) -> torch.Tensor:
        return self._mask

    def advance(self, token: int) -> None:
        pass


def run(quick: bool = False) -> list[dict[str, Any]]:
    """One row a batch size: tokens a second of ours, and the ratios to ours without a cache and to the peer."""
    from transformers import GPT2Config, GPT2LMHeadModel

    new, vocabulary = (128 if quick else 512), 5000
    config = GPTConfig(vocabulary, width=256, layers=3, heads=4, context=new + 8)
    sizes = {"vocab_size": vocabulary, "n_embd": 256, "n_layer": 3, "n_head": 4, "n_positions": new + 8}
    peer = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=2, pad_token_id=1)).eval()
    model = GPT2(config).eval()
    model.load_transformers(peer.state_dict())
    rows = []
    for batch in (1,) if quick else (1, 16):
        prompt = torch.arange(10, 13).expand(batch, 3)

        def ours(cached: bool, count: int = batch) -> list[list[int]]:
            return sample_tokens(
                model,
                [[10, 11, 12]] * count,
                [new] * count,
                [_Any(vocabulary) for _ in range(count)],
                [k >= 6 for k in range(vocabulary)],
                Sampling(5, 1.0, 15),
                torch.Generator().manual_seed(0),
                cached=cached,
            )

        def theirs(ids: torch.Tensor = prompt) -> torch.Tensor:
            with torch.inference_mode():
                return peer.generate(
                    ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=5, max_new_tokens=new,
                    suppress_tokens=list(range(6)), no_repeat_ngram_size=15,
                )  # fmt: skip

        assert ours(True) == ours(False)
        times = interleaved({"ours": lambda: ours(True), "transformers": theirs}, 3)
        times |= interleaved({"ours again": lambda: ours(True), "no cache": lambda: ours(False)}, 1 if batch > 1 else 3)
        rows.append(
            {
                "batch": batch,
                "new tokens": new,
                "bitket tokens/s": batch * new / times["ours"],
                "no cache / cache": times["no cache"] / times["ours again"],
                "transformers / bitket": times["transformers"] / times["ours"],
            }
        )
    return rows
