"""Random circuit files: the control that generated ones are held against.

KetGPT's: header, then lines drawn uniformly with replacement from the vocabulary, of those whose integers are all below n. The other,
harder control draws uniformly from the lines that are well-formed where they stand, so that its files are valid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from bitket.data.circuits import QasmCorpus
from bitket.errors import InvalidInput
from bitket.quantum.generation.constraints import Mode, Rules
from bitket.quantum.generation.statements import header
from bitket.quantum.generation.tokenizers import END, LineTokenizer

__all__ = ["RandomCircuitBaseline", "drawn_sizes"]


def drawn_sizes(corpus: QasmCorpus, count: int, generator: np.random.Generator) -> tuple[list[int], list[int]]:
    """Qubits of the first register and numbers of lines of files drawn from a corpus, with replacement."""
    drawn = corpus.sizes[generator.integers(len(corpus), size=count)]
    return drawn[:, 0].tolist(), drawn[:, 1].tolist()


class RandomCircuitBaseline:
    """Files of random lines.

    Parameters
    ----------
    tokenizer
        Whose lines are drawn.
    constraint
        ``"paper"`` or ``"grammar"``.
    """

    def __init__(self, tokenizer: LineTokenizer, constraint: Mode = "paper") -> None:
        self._tokenizer, self._rules = tokenizer, Rules(tokenizer, constraint)

    def sample(self, qubits: Sequence[int], lines: Sequence[int], generator: np.random.Generator) -> tuple[str, ...]:
        """One file for each number of qubits and of lines (header included); shorter where no line is left to draw.

        Raises
        ------
        InvalidInput
            Numbers are not equally many or not positive.
        """
        if len(qubits) != len(lines) or min(*qubits, *lines, 1) < 1:
            raise InvalidInput("random circuits: as many positive numbers of qubits as of lines are needed")
        out = []
        for n, length in zip(qubits, lines, strict=True):
            constraint, ids = self._rules.open(n), []
            for _ in range(length - 3):
                mask = constraint.mask().clone()
                mask[END] = False
                allowed = torch.nonzero(mask)[:, 0]
                if not len(allowed):
                    break
                ids.append(int(allowed[int(generator.integers(len(allowed)))]))
                constraint.advance(ids[-1])
            out.append("".join(header(n)) + self._tokenizer.decode(ids))
        return tuple(out)
