"""A client: its data, its chip and its generator. It meets the operator as copies of a state, and answers with copies of a gradient state."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.chip import FixedDesignChip
from bitket.quantum.learning.federated.circuit_model import OverlapApparatus
from bitket.quantum.learning.federated.copies import Apparatus, Copies
from bitket.quantum.learning.federated.operator_model import Batch, ErrorApparatus, Samples

__all__ = ["Client", "Gradient", "named_generator"]


def named_generator(seed: int, what: str, name: str) -> np.random.Generator:
    """The generator of one party for one purpose: it depends on the seed and the names alone, not on who else takes part."""
    return np.random.default_rng([seed, zlib.crc32(what.encode()), zlib.crc32(name.encode())])


@dataclass(frozen=True)
class Gradient:
    """A client's answer.

    Attributes
    ----------
    client, round
        Who, and which operator it answers.
    copies
        Of the gradient state with its reference.
    sent, kept
        Copies of the operator that came, and those of the gradient that were kept; None for an unlimited number.
    share
        kept/sent, or the probability.
    """

    client: str
    round: int
    copies: Copies
    sent: int | None
    kept: int | None
    share: float


class Client:
    """One client.

    Parameters
    ----------
    name
        Unique in the federation.
    data
        Its samples, which stay with it.
    chip
        The basis ``"real"`` serves the operator model, ``"pauli"`` the circuit model.
    reference
        Weight of the reference amplitude of the operator model, the same for all.
    batch
        ``"superposition"`` projects the index of samples and keeps the mean gradient as a pure state; ``"mixture"`` takes one sample a copy.
    seed
        Of what it keeps by chance.
    """

    def __init__(
        self,
        name: str,
        data: Samples,
        chip: FixedDesignChip,
        *,
        reference: float = 0.5,
        batch: Batch = "superposition",
        seed: int = 0,
    ) -> None:
        if not name or len(name) > 200:
            raise InvalidInput(f"client '{name[:40]}': a name of 1 to 200 letters is needed")
        if batch not in ("superposition", "mixture"):
            raise InvalidInput(f"client with the batch {batch!r}: 'superposition' and 'mixture' are known")
        self.name, self.samples = name, len(data)
        self._apparatus: Apparatus = (
            ErrorApparatus(chip, data, reference, batch)
            if chip.basis == "real"
            else OverlapApparatus(chip, data, batch)
        )
        self._generator = named_generator(seed, "client", name)

    def answer(self, round: int, copies: Copies) -> Gradient:
        """Use up copies of the operator's state; what is kept is the gradient."""
        kept, share = copies.through(self._apparatus, self._generator)
        return Gradient(self.name, round, kept, copies.number, kept.number, share)
