"""Noise models: which channels follow which gates, and how often a detector reads wrongly.

The noise of a two-qubit gate is either one channel on both qubits together, or one on each qubit. For depolarising noise of
parameter p the two differ, as do the two meanings of p; `channels.depolarizing` has the table. `NoiseModel.depolarizing`, the
command line's ``--noise depolarizing:P1,P2`` and the noise of devices are joint and mean p as mixing. ``after(depolarizing(p))``
puts the one-qubit channel on every qubit of every gate.

>>> from bitket.quantum.circuits import Circuit
>>> model = NoiseModel.depolarizing(0.01, 0.02).with_readout(0.03, 0.05)
>>> [q for _, q in model.channels(Circuit(2).cx(0, 1).instructions[0])]
[(0, 1)]
>>> model.readout_matrix(0).round(2).tolist()            # [read, true]
[[0.97, 0.05], [0.03, 0.95]]
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bitket.quantum.circuits import Instruction
from bitket.quantum.circuits.gates import NAMES, gate_shape
from bitket.quantum.noise.channels import Channel, NoiseError, depolarizing, probability

__all__ = ["NoiseModel", "NoiseWarning", "Rule", "customary_name"]

_OTHER_NAMES = {
    "cnot": "cx",
    "i": "id",
    "u1": "p",
    "u3": "u",
    "phase": "p",
    "cphase": "cp",
    "cu1": "cp",
    "toffoli": "ccx",
}
_OTHER_NAMES |= {"fredkin": "cswap", "mcx": "c3x", "v": "sx", "iden": "id"}
_REMEMBERED = 10_000  # pairs of gate and qubits; tags of unitaries can be endlessly many
_SYMMETRIC = frozenset({"cz", "cp", "cs", "csdg", "swap", "iswap", "iswapdg", "rxx", "ryy", "rzz"})
_MANY_CONTROLS = re.compile(r"c\d+(.+)")


class NoiseWarning(UserWarning):
    """Something that has no noise only because nothing is known of it."""


def customary_name(name: str) -> str:
    """A gate's name as circuits spell it: ``cx`` for ``CX`` or ``cnot``, ``u`` for ``u3``; unknown names as they are."""
    low = name.lower()
    low = _OTHER_NAMES.get(low, low)
    return low if low in NAMES or low in _OTHER_NAMES.values() else name


@dataclass(frozen=True)
class Rule:
    """A channel that follows certain gates.

    Attributes
    ----------
    channel
        On as many qubits as the gate, or on one qubit: then it acts on each qubit of the gate.
    gates
        Names of gates, such as ``"cx"``, or ``"reset"``; None for all gates. A gate with open controls goes by the name it has with
        closed ones, a tagged unitary by its tag.
    num_qubits
        Number of qubits of the gates; None for any number.
    qubits
        The gate's qubits, in order (any order for gates such as ``cz``, to which it means nothing); None for all.
    """

    channel: Channel
    gates: frozenset[str] | None = None
    num_qubits: int | None = None
    qubits: tuple[int, ...] | None = None

    def matches(self, instruction: Instruction) -> bool:
        """Whether the channel follows an instruction."""
        return (self.qubits is None or self.qubits == instruction.qubits) and self._named(instruction)

    def against(self, instruction: Instruction) -> bool:
        """Whether the channel would follow, had the gate its qubits in another order."""
        return (
            self.qubits is not None
            and self.qubits != instruction.qubits
            and set(self.qubits) == set(instruction.qubits)
            and self._named(instruction)
        )

    def follow(self, instruction: Instruction) -> list[tuple[NDArray[np.complex128], tuple[int, ...]]]:
        """Kraus operators and qubits of the channel behind an instruction."""
        kraus, qubits = self.channel.kraus, self.qubits or instruction.qubits
        return [(kraus, qubits)] if self.channel.num_qubits == len(qubits) else [(kraus, (q,)) for q in qubits]

    def _named(self, instruction: Instruction) -> bool:
        name = instruction.name
        if self.gates is None:
            named = instruction.gate is not None
        else:
            named = name in self.gates or ("_o" in name and name.rpartition("_o")[0] in self.gates)
        return named and (self.num_qubits is None or len(instruction.qubits) == self.num_qubits)


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
    couplings
        The gates of two and more qubits that the modelled device has: name and qubits, in order; others are refused. None: all.
    """

    rules: tuple[Rule, ...] = ()
    readout: tuple[tuple[int | None, NDArray[np.float64]], ...] = ()
    native: frozenset[str] | None = None
    couplings: frozenset[tuple[str, tuple[int, ...]]] | None = None

    @classmethod
    def depolarizing(
        cls, p1: float, p2: float | None = None, convention: Literal["mixing", "pauli"] = "mixing"
    ) -> NoiseModel:
        """Depolarising noise of parameter ``p1`` after one-qubit gates and ``p2`` (by default ``p1``) after two-qubit gates.

        That of a two-qubit gate acts on both qubits together. See `channels.depolarizing` for how this differs from
        ``after(depolarizing(p))``, one channel on each qubit, and for the two conventions of p.
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
        """The model with a channel after the gates that match (see `Rule`).

        A one-qubit channel acts on each qubit of the gate.

        Parameters
        ----------
        gates
            Names; other customary spellings (``CX``, ``cnot``, ``u3``) are understood, and a name that no gate has is warned of.

        Raises
        ------
        NoiseError
            Numbers of qubits of the channel, the gates and the given qubits do not go together, or a measurement is named.
        """
        if not isinstance(channel, Channel):
            raise NoiseError(f"noise {channel!r}: a Channel is needed, such as depolarizing(0.01)")
        if num_qubits is not None and (
            isinstance(num_qubits, bool) or not isinstance(num_qubits, int) or num_qubits < 1
        ):
            raise NoiseError(f"noise after gates on {num_qubits!r} qubits: a whole number from 1 is needed")
        where = None if qubits is None else _qubits(qubits)
        if num_qubits is None and (channel.num_qubits > 1 or where is not None):
            num_qubits = channel.num_qubits if where is None else len(where)
        if channel.num_qubits not in (1, num_qubits):
            raise NoiseError(
                f"noise on {channel.num_qubits} qubits after gates on {num_qubits}: equal, or one qubit, is needed"
            )
        if where is not None and (len(set(where)) != len(where) or len(where) != num_qubits):
            raise NoiseError(f"noise after gates on qubits {where}: {num_qubits} different qubits are needed")
        names = None if gates is None else _known_names(gates, num_qubits)
        return replace(self, rules=(*self.rules, Rule(channel, names, num_qubits, where)))

    def with_readout(self, p10: float, p01: float | None = None, qubits: Iterable[int] | None = None) -> NoiseModel:
        """The model with readout errors: ``p10`` reads 1 where the bit is 0, ``p01`` (by default the same) reads 0 where it is 1."""
        p10 = probability(p10, "readout error")
        p01 = p10 if p01 is None else probability(p01, "readout error")
        matrix = np.array([[1 - p10, p01], [p10, 1 - p01]])
        where: list[int | None] = [None] if qubits is None else list(_qubits(qubits))
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
            The modelled device does not have the gate, or not on these qubits; the model knows it only with its qubits in
            another order; or it has noise for smaller gates only.
        """
        key = (instruction.name, instruction.qubits)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._found(instruction)
        return found

    @cached_property
    def _known(self) -> dict[tuple[str, tuple[int, ...]], list[tuple[NDArray[np.complex128], tuple[int, ...]]]]:
        """Channels found so far: they depend on name and qubits alone."""
        return {}

    def _found(self, instruction: Instruction) -> list[tuple[NDArray[np.complex128], tuple[int, ...]]]:
        name, qubits = instruction.name, instruction.qubits
        if not qubits or (instruction.gate is None and name != "reset"):
            return []
        if instruction.gate is not None:
            self._check_device(instruction)
        matching = [rule for rule in self.rules if rule.matches(instruction)]
        if len(qubits) > 1:
            exact = {rule.gates for rule in matching if rule.qubits is not None}
            against = [rule for rule in self.rules if rule.against(instruction) and rule.gates not in exact]
            if against and name not in _SYMMETRIC:
                raise NoiseError(
                    f"gate '{name}' on qubits {qubits}: the noise model knows it on {against[0].qubits} only: turn it round, "
                    "or add a rule"
                )
            if against:
                matching = [rule for rule in self.rules if rule in matching or rule in against]
        # Rules for all gates of a size tell how large the gates are that the model is about; without one, all rules do.
        general = [r.num_qubits for r in self.rules if r.gates is None and r.num_qubits is not None]
        largest = max(general or (r.num_qubits or r.channel.num_qubits for r in self.rules), default=len(qubits))
        meant = any(r.gates is not None or r.num_qubits is not None for r in matching)
        if len(qubits) > largest and not (meant or (matching and not general)):
            raise NoiseError(
                f"gate '{name}' acts on {len(qubits)} qubits, the noise model knows gates on fewer: "
                "rewrite the circuit in smaller gates, or add a rule"
            )
        return [part for rule in matching for part in rule.follow(instruction)]

    def _check_device(self, instruction: Instruction) -> None:
        if self.native is not None and instruction.name not in self.native:
            raise NoiseError(
                f"gate '{instruction.name}' is not native to the modelled device (native: {', '.join(sorted(self.native))})"
            )
        place = (instruction.name, instruction.qubits)
        if self.couplings is not None and len(instruction.qubits) > 1 and place not in self.couplings:
            raise NoiseError(
                f"gate '{instruction.name}' on qubits {instruction.qubits}: the modelled device does not have it there; "
                "Device.compile writes circuits for a device"
            )

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
                "qubits": None if r.qubits is None else list(r.qubits),
            }
            for r in self.rules
        ]
        readout = [{"qubit": q, "matrix": m.tolist()} for q, m in self.readout]
        return {
            "rules": rules,
            "readout": readout,
            "native": None if self.native is None else sorted(self.native),
            "couplings": None if self.couplings is None else [[name, list(q)] for name, q in sorted(self.couplings)],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NoiseModel:
        """From the form that `to_dict` gives.

        Raises
        ------
        NoiseError
            A field is missing or wrong, or a channel does not keep the trace.
        """
        form = "{'rules': [...], 'readout': [...]} as to_dict writes it is needed"
        if not isinstance(data, dict):
            raise NoiseError(f"noise model: {type(data).__name__}: {form}")
        try:
            given = _ModelFile.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise NoiseError(f"noise model: {'.'.join(map(str, first['loc']))}: {first['msg']}; {form}") from None
        native = None if given.native is None else frozenset(map(customary_name, given.native))
        couplings = None
        if given.couplings is not None:
            couplings = frozenset((customary_name(name), tuple(qubits)) for name, qubits in given.couplings)
        model = cls(native=native, couplings=couplings)
        for k, r in enumerate(given.rules):
            try:
                kraus = np.array(r.kraus, dtype=float)
                model = model.after(
                    Channel(kraus[..., 0] + 1j * kraus[..., 1]), r.gates, num_qubits=r.num_qubits, qubits=r.qubits
                )
            except NoiseError as error:
                raise NoiseError(f"noise model: rules.{k}: {error}") from None
            except (ValueError, IndexError):
                raise NoiseError(
                    f"noise model: rules.{k}.kraus: [operators][rows][columns][real, imaginary] is needed"
                ) from None
        for entry in given.readout:
            matrix = np.array(entry.matrix)
            if not np.abs(matrix.sum(axis=0) - 1).max() <= 1e-9:  # also refuses NaN
                raise NoiseError("noise model: readout matrix: [read, true] with columns of sum 1 is needed")
            model = model.with_readout(matrix[1, 0], matrix[0, 1], None if entry.qubit is None else [entry.qubit])
        return model


_Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
_Qubit = Annotated[int, Field(ge=0)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _RuleFile(_File):
    kraus: list[list[list[_Pair]]]
    gates: list[str] | None = None
    num_qubits: int | None = Field(None, ge=1)
    qubits: list[_Qubit] | None = None


class _ReadoutFile(_File):
    qubit: _Qubit | None = None
    matrix: Annotated[list[_Pair], Field(min_length=2, max_length=2)]


class _ModelFile(_File):
    rules: list[_RuleFile]
    readout: list[_ReadoutFile] = []
    native: list[str] | None = None
    couplings: list[Annotated[tuple[str, list[_Qubit]], Field(strict=False)]] | None = None


def _qubits(qubits: Iterable[int]) -> tuple[int, ...]:
    given = tuple(qubits) if isinstance(qubits, Iterable) else (None,)
    if any(isinstance(q, bool) or not isinstance(q, int | np.integer) or q < 0 for q in given):
        raise NoiseError(f"noise on qubits {qubits!r}: a list of whole numbers from 0 is needed")
    return tuple(map(int, given))


def _known_names(names: Iterable[str], num_qubits: int | None) -> frozenset[str]:
    """Customary names; what cannot follow is refused, what will hardly ever is warned of."""
    given = (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(names)
    if not all(isinstance(name, str) for name in given):
        raise NoiseError(f"noise after gates {names!r}: their names are needed")
    found = frozenset(map(customary_name, given))
    for name in sorted(found):
        if name in ("measure", "barrier", "gphase"):
            raise NoiseError(f"noise after '{name}': gates and 'reset' have noise, measurements by with_readout")
        inner = _MANY_CONTROLS.fullmatch(name.rpartition("_o")[0] or name)
        if name in NAMES or name == "reset":
            size = 1 if name == "reset" else sum(gate_shape(name)[:1])
            if num_qubits is not None and size != num_qubits:
                raise NoiseError(
                    f"noise after '{name}': it acts on {size} qubits, the rule is for gates on {num_qubits}"
                )
        elif name != "unitary" and not (inner and inner[1] in NAMES):
            near = difflib.get_close_matches(name, NAMES, 1)
            warnings.warn(
                f"noise after '{name}': no gate is called so"
                + (f" (did you mean '{near[0]}'?)" if near else "")
                + "; it follows only unitaries with this tag",
                NoiseWarning,
                stacklevel=3,
            )
    return found
