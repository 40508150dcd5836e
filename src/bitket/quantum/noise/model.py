"""Noise models: which channels follow which gates, and how often a detector reads wrongly.

>>> from bitket.quantum.circuits import Circuit
>>> model = NoiseModel.depolarizing(0.01, 0.02).with_readout(0.03, 0.05)
>>> [q for _, q in model.channels(Circuit(2).cx(0, 1).instructions[0])]
[(0, 1)]
>>> model.readout_matrix(0).round(2).tolist()            # [read, true]
[[0.97, 0.05], [0.03, 0.95]]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitket.quantum.circuits import Instruction
from bitket.quantum.noise.channels import Channel, NoiseError, depolarizing

__all__ = ["NoiseModel", "Rule"]


@dataclass(frozen=True)
class Rule:
    """A channel that follows certain gates.

    Attributes
    ----------
    channel
        On as many qubits as the gate, or on one qubit: then it acts on each qubit of the gate.
    gates
        Names of gates, such as ``"cx"``; None for all.
    num_qubits
        Number of qubits of the gates; None for any number.
    qubits
        The gate's qubits, in order; None for all.
    """

    channel: Channel
    gates: frozenset[str] | None = None
    num_qubits: int | None = None
    qubits: tuple[int, ...] | None = None

    def matches(self, instruction: Instruction) -> bool:
        """Whether the channel follows an instruction."""
        return (
            (self.gates is None or instruction.name in self.gates)
            and (self.num_qubits is None or len(instruction.qubits) == self.num_qubits)
            and (self.qubits is None or instruction.qubits == self.qubits)
        )


@dataclass(frozen=True)
class NoiseModel:
    """Channels after gates, and readout errors; immutable. The noise of a gate is all channels whose rules match, in order.

    Attributes
    ----------
    rules
        Channels and the gates they follow.
    readout
        ``(qubit or None for all others, confusion matrix [read, true])``.
    native
        Names of the gates that the modelled device has; other gates are refused. None: all gates are allowed.
    """

    rules: tuple[Rule, ...] = ()
    readout: tuple[tuple[int | None, NDArray[np.float64]], ...] = ()
    native: frozenset[str] | None = None

    @classmethod
    def depolarizing(
        cls, p1: float, p2: float | None = None, convention: Literal["mixing", "pauli"] = "mixing"
    ) -> NoiseModel:
        """Depolarising noise of parameter ``p1`` after one-qubit gates and ``p2`` (by default ``p1``) after two-qubit gates.

        See `channels.depolarizing` for the two conventions.
        """
        one, two = depolarizing(p1, 1, convention), depolarizing(p1 if p2 is None else p2, 2, convention)
        return cls().after(one, num_qubits=1).after(two, num_qubits=2)

    def after(
        self,
        channel: Channel,
        gates: Iterable[str] | None = None,
        *,
        num_qubits: int | None = None,
        qubits: Sequence[int] | None = None,
    ) -> NoiseModel:
        """The model with a channel after the gates that match (see `Rule`)."""
        if num_qubits is None and channel.num_qubits > 1:
            num_qubits = channel.num_qubits
        if channel.num_qubits not in (1, num_qubits):
            raise NoiseError(
                f"noise on {channel.num_qubits} qubits after gates on {num_qubits}: equal, or one qubit, is needed"
            )
        names = None if gates is None else frozenset([gates] if isinstance(gates, str) else gates)
        return replace(
            self, rules=(*self.rules, Rule(channel, names, num_qubits, None if qubits is None else tuple(qubits)))
        )

    def with_readout(self, p10: float, p01: float | None = None, qubits: Iterable[int] | None = None) -> NoiseModel:
        """The model with readout errors: ``p10`` reads 1 where the bit is 0, ``p01`` (by default the same) reads 0 where it is 1."""
        p01 = p10 if p01 is None else p01
        if not (0 <= p10 <= 1 and 0 <= p01 <= 1):
            raise NoiseError(f"readout errors {p10} and {p01}: they must be between 0 and 1")
        matrix = np.array([[1 - p10, p01], [p10, 1 - p01]])
        where: list[int | None] = [None] if qubits is None else list(qubits)
        return replace(self, readout=(*self.readout, *((q, matrix) for q in where)))

    def readout_matrix(self, qubit: int) -> NDArray[np.float64] | None:
        """Confusion matrix ``[read, true]`` of a qubit, or None where reading is perfect."""
        default = None
        for q, matrix in reversed(self.readout):
            if q == qubit:
                return matrix
            if q is None and default is None:
                default = matrix
        return default

    def channels(self, instruction: Instruction) -> list[tuple[NDArray[np.complex128], tuple[int, ...]]]:
        """Kraus operators and qubits of the noise that follows an instruction.

        Raises
        ------
        NoiseError
            The modelled device does not have the gate, or the model has noise for smaller gates only.
        """
        if instruction.gate is None or not instruction.qubits:
            return []
        if self.native is not None and instruction.name not in self.native:
            raise NoiseError(
                f"gate '{instruction.name}' is not native to the modelled device (native: {', '.join(sorted(self.native))})"
            )
        found: list[tuple[NDArray[np.complex128], tuple[int, ...]]] = []
        for rule in self.rules:
            if rule.matches(instruction):
                kraus = rule.channel.kraus
                whole = rule.channel.num_qubits == len(instruction.qubits)
                found += [(kraus, instruction.qubits)] if whole else [(kraus, (q,)) for q in instruction.qubits]
        if (
            self.rules
            and not found
            and len(instruction.qubits) > max(r.num_qubits or r.channel.num_qubits for r in self.rules)
        ):
            raise NoiseError(
                f"gate '{instruction.name}' acts on {len(instruction.qubits)} qubits, the noise model knows gates on fewer: "
                "rewrite the circuit in smaller gates, or add a rule"
            )
        return found

    def scaled(self, factor: float) -> NoiseModel:
        """The model with all channels ``factor`` times as strong (see `Channel.power`); readout errors stay."""
        return replace(self, rules=tuple(replace(r, channel=r.channel.power(factor)) for r in self.rules))

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; see `from_dict`."""
        rules = [
            {
                "kraus": np.stack([r.channel.kraus.real, r.channel.kraus.imag], axis=-1).tolist(),
                "gates": None if r.gates is None else sorted(r.gates),
                "num_qubits": r.num_qubits,
                "qubits": r.qubits,
            }
            for r in self.rules
        ]
        readout = [{"qubit": q, "matrix": m.tolist()} for q, m in self.readout]
        return {"rules": rules, "readout": readout, "native": None if self.native is None else sorted(self.native)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NoiseModel:
        """From the form that `to_dict` gives.

        Raises
        ------
        NoiseError
            A field is missing or wrong, or a channel does not keep the trace.
        """
        try:
            model = cls(native=None if data.get("native") is None else frozenset(data["native"]))
            for r in data["rules"]:
                kraus = np.asarray(r["kraus"], dtype=float)
                channel = Channel(kraus[..., 0] + 1j * kraus[..., 1])
                model = model.after(channel, r.get("gates"), num_qubits=r.get("num_qubits"), qubits=r.get("qubits"))
            for entry in data.get("readout", []):
                matrix = np.asarray(entry["matrix"], dtype=float)
                if matrix.shape != (2, 2) or np.abs(matrix.sum(axis=0) - 1).max() > 1e-9:
                    raise NoiseError("readout matrix: [read, true] with columns of sum 1 is needed")
                where = None if entry.get("qubit") is None else [entry["qubit"]]
                model = model.with_readout(matrix[1, 0], matrix[0, 1], where)
        except NoiseError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise NoiseError(
                f"noise model: {{'rules': [...], 'readout': [...]}} as to_dict writes it is needed ({error})"
            ) from None
        return model
