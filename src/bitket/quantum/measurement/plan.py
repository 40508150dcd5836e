"""A measurement plan: product bases and how many shots each gets; and what came out.

A plan can be carried to any machine: `MeasurementPlan.circuits` gives the circuits to run, `Outcomes.from_counts` takes what they
returned, `to_dict` writes the plan as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit
from bitket.quantum.measurement.letters import Letters, covers, labels, letters_of, read_labels

__all__ = ["BasisDistribution", "MeasurementPlan", "Outcomes"]


class BasisDistribution:
    """A probability distribution over product bases."""

    num_qubits: int

    def sample(self, count: int, generator: np.random.Generator) -> Letters:
        """Independent bases, ``[count, qubits]``."""
        raise NotImplementedError

    def coverage(self, strings: Letters) -> NDArray[np.float64]:
        """zeta(P): the probability that a drawn basis covers each string."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class MeasurementPlan:
    """Bases and their shots.

    Attributes
    ----------
    bases
        ``[K, qubits]``, letters 1 to 3 (0 where a qubit need not be measured), all different.
    counts
        Shots of each basis, ``[K]``.
    method
        How they were chosen.
    distribution
        Where the bases were drawn independently: what they were drawn from. It makes the Monte Carlo estimator possible.
    seconds
        Classical time spent on choosing: building what bases are drawn from, and drawing.
    """

    bases: Letters
    counts: NDArray[np.int64]
    method: str
    distribution: BasisDistribution | None = None
    seconds: float = field(default=0.0, compare=False)

    @classmethod
    def from_bases(cls, bases: Letters, counts: Any = None, **more: Any) -> MeasurementPlan:
        """Equal bases merged, in order of first appearance; each row counts once unless ``counts`` says otherwise."""
        each = np.ones(len(bases), dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
        _, first, index = np.unique(bases, axis=0, return_index=True, return_inverse=True)
        total = np.bincount(index.reshape(-1), each, len(first)).astype(np.int64)
        order = np.argsort(first)
        order = order[total[order] > 0]
        return cls(bases[first[order]], total[order], **more)

    @property
    def num_qubits(self) -> int:
        """Number of qubits."""
        return int(self.bases.shape[1])

    @property
    def shots(self) -> int:
        """Total number of shots."""
        return int(self.counts.sum())

    def hits(self, operator: PauliSum) -> NDArray[np.int64]:
        """How many shots cover each term."""
        return np.asarray(self.counts @ covers(self.bases, letters_of(operator)))

    def uncovered_weight(self, operator: PauliSum) -> float:
        """``sum |a_P|`` of the terms that no basis covers."""
        return float(np.abs(operator.coefficients[self.hits(operator) == 0]).sum())

    def circuits(self, circuit: Circuit) -> list[tuple[Circuit, int]]:
        """For each basis the circuit with its change of basis and measurements, and the shots to take of it."""
        n = self.num_qubits
        if circuit.num_qubits != n:
            raise InvalidInput(f"measurement plan of {n} qubits: the circuit has {circuit.num_qubits}")
        out = []
        for basis, count in zip(self.bases.tolist(), self.counts.tolist(), strict=True):
            turn = Circuit(n, n)
            for q, letter in enumerate(basis):
                if letter == 2:
                    turn.sdg(q)
                if letter in (1, 2):
                    turn.h(q)
            for q in range(n):
                turn.measure(q, q)
            out.append((Circuit(n, n).compose(circuit).compose(turn), count))
        return out

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold (without the distribution)."""
        return {
            "method": self.method,
            "shots": self.shots,
            "bases": dict(zip(labels(self.bases), self.counts.tolist(), strict=True)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MeasurementPlan:
        """From the form that `to_dict` gives.

        Raises
        ------
        InvalidInput
            Something is missing or not a basis.
        """
        try:
            bases = {str(label): int(count) for label, count in data["bases"].items()}
            method = str(data["method"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InvalidInput("measurement plan: {'method': ..., 'bases': {'XZ': shots, ...}} expected") from None
        if not bases or min(bases.values()) < 1:
            raise InvalidInput("measurement plan: at least one basis, each with a positive number of shots, is needed")
        return cls(read_labels(bases), np.array(list(bases.values())), method)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a plan's shots returned: ``count`` times the bit string ``bits`` in basis number ``basis``; one row each, ``[R]``.

    Bit q of ``bits`` is 1 where qubit q was found in the eigenstate -1 of its letter.
    """

    plan: MeasurementPlan
    basis: NDArray[np.int64]
    bits: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def from_shots(cls, plan: MeasurementPlan, basis: NDArray[np.int64], bits: NDArray[np.int64]) -> Outcomes:
        """From one row a shot; equal rows are joined."""
        order = np.lexsort([bits, basis])
        basis, bits = basis[order], bits[order]
        new = np.ones(len(bits), dtype=bool)
        new[1:] = (basis[1:] != basis[:-1]) | (bits[1:] != bits[:-1])
        starts = np.flatnonzero(new)
        return cls(plan, basis[starts], bits[starts], np.diff(np.append(starts, len(bits))))

    @classmethod
    def from_counts(cls, plan: MeasurementPlan, counts: Sequence[Mapping[str, int]]) -> Outcomes:
        """From one mapping of bit strings (qubit 0 rightmost) to counts for each basis, as `MeasurementPlan.circuits` orders them.

        Raises
        ------
        InvalidInput
            The number of mappings is not that of the bases, or a key is not a bit string of the right length.
        """
        if len(counts) != len(plan.bases):
            raise InvalidInput(f"outcomes: {len(counts)} results for a plan of {len(plan.bases)} bases")
        rows = []
        for k, found in enumerate(counts):
            for key, count in found.items():
                if len(key) != plan.num_qubits or set(key) - {"0", "1"}:
                    raise InvalidInput(f"outcomes of basis {k}: {key!r} is not a string of {plan.num_qubits} bits")
                rows.append((k, int(key, 2), int(count)))
        basis, bits, count_ = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(plan, basis, bits, count_)
