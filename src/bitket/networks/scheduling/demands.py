"""What users ask of a network: pairs between two nodes, of a fidelity, at a rate; from a file or at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from bitket.data.records import Record, read_records
from bitket.errors import InvalidInput
from bitket.networks.scheduling.network import QuantumNetwork
from bitket.networks.scheduling.search import find_protocol

__all__ = ["Demand", "offered_rates", "random_demands", "read_demands"]


@dataclass(frozen=True)
class Demand:
    """Pairs between two nodes.

    Attributes
    ----------
    source, destination
        Names of nodes that differ.
    fidelity
        At least that; above 1/2, up to 1.
    rate
        Pairs per second, at least.
    """

    source: str
    destination: str
    fidelity: float
    rate: float

    def __post_init__(self) -> None:
        where = f"demand from '{self.source}' to '{self.destination}'"
        if self.source == self.destination:
            raise InvalidInput(f"{where}: source and destination must differ")
        if not 0.5 < self.fidelity <= 1:
            raise InvalidInput(f"{where}: its fidelity is {self.fidelity}; it must lie above 0.5, up to 1")
        if not 0 < self.rate < math.inf:
            raise InvalidInput(f"{where}: its rate is {self.rate} Hz; it must be positive")


def offered_rates(slot: float) -> list[float]:
    """Rates 1 / (slot 2^i), i = 0, ..., 9, in hertz: with them the hyperperiod is a power of two of slots."""
    return [1 / (slot * 2**i) for i in range(10)]


def random_demands(network: QuantumNetwork, load: float, fidelity: float, rng: np.random.Generator) -> list[Demand]:
    """Demands between random pairs of ends until their rates come to the load, up to less than the lowest offered rate.

    Each asks for one of `offered_rates`, uniformly among those that its protocol reaches when it runs alone and the load leaves.

    Parameters
    ----------
    load
        Pairs per second of all demands together.
    fidelity
        Of every demand.

    Raises
    ------
    InvalidInput
        The load is below the lowest offered rate, or no two ends can get such pairs.
    """
    rates = offered_rates(network.slot)
    if not rates[-1] <= load < math.inf:
        raise InvalidInput(f"a load of {load} pairs/s: at least the lowest offered rate, {rates[-1]:g}, is needed")
    if not 0.5 < fidelity <= 1:
        raise InvalidInput(f"fidelity {fidelity}: it must lie above 0.5, up to 1")
    pairs = list(combinations(network.ends, 2))
    demands: list[Demand] = []
    left = load
    while left >= rates[-1] * (1 - 1e-9):
        if not pairs:
            raise InvalidInput(f"no two ends of the network can get pairs of fidelity {fidelity:g} at {rates[-1]:g} Hz")
        k = int(rng.integers(len(pairs)))
        source, destination = pairs[k] if rng.integers(2) else pairs[k][::-1]
        try:
            alone = find_protocol(network, network.path(source, destination), fidelity, rates[-1]).rate
        except InvalidInput:
            del pairs[k]
            continue
        possible = [r for r in rates if r <= alone * (1 + 1e-9) and r <= left * (1 + 1e-9)]
        rate = possible[int(rng.integers(len(possible)))]
        demands.append(Demand(source, destination, fidelity, rate))
        left -= rate
    return demands


class _Row(Record):
    source: str
    destination: str
    fidelity: float
    rate: float


def read_demands(path: str | Path) -> list[Demand]:
    """Demands from a ``.csv`` file with columns source, destination, fidelity and rate, or a ``.json`` file with a list of such objects.

    Raises
    ------
    InvalidInput
        The file cannot be read, a field is missing, unknown or of the wrong kind, or a value is out of range: file, row and field.
    """
    demands = []
    for place, row in read_records(path, _Row, "demands"):
        try:
            demands.append(Demand(row.source, row.destination, row.fidelity, row.rate))
        except InvalidInput as error:
            raise InvalidInput(f"{place}: {error}") from None
    return demands
