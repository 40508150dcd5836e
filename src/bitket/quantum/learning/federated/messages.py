"""What may cross between server and clients, and nothing else: kinds of messages, their fields, their arrays.

A field is a whole number, a number, a text or one of them or nothing; an array is float64 or complex128, with a limit on each axis. A message
with a field or an array that its kind does not have, or without one that it has, is none: neither sent nor taken.

    client                         server
      hello    ----------------->             who it is, how many samples it has, of which features
               <-----------------  welcome    the chip, the reference, how features become amplitudes
               <-----------------  operator   copies of the state |o>, with its reference amplitude
      gradient ----------------->             the copies that are kept of what the client made of them
               <-----------------  farewell   the end, or why a client cannot take part
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bitket.errors import BitketError

__all__ = ["KINDS", "FederationError", "Kind", "Message"]


class FederationError(BitketError):
    """A partner that cannot be reached, took too long, or sent what the protocol does not have."""


@dataclass(frozen=True)
class Kind:
    """Fields with what they hold, and arrays with the largest length of each axis."""

    fields: Mapping[str, str]
    arrays: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


_MOST_FEATURES = 4096
_MOST_AMPLITUDES = 1 << 16
_MOST_MEMBERS = 1 << 10

KINDS = {
    "hello": Kind({"name": "text", "samples": "count", "features": "text"}),
    "welcome": Kind(
        {
            "model": "text",
            "qubits": "count",
            "reference": "number",
            "classes": "text",
            "features": "text",
            "seconds": "number",
        },
        {
            "centre": (_MOST_FEATURES,),
            "directions": (64, _MOST_FEATURES),
            "constant": (1,),
        },
    ),
    "operator": Kind({"round": "count", "copies": "count or nothing"}, {"state": (_MOST_MEMBERS, _MOST_AMPLITUDES)}),
    "gradient": Kind(
        {"round": "count", "sent": "count or nothing", "kept": "count or nothing", "share": "number"},
        {"state": (_MOST_MEMBERS, _MOST_AMPLITUDES)},
    ),
    "farewell": Kind({"reason": "text"}),
}
"""The whole protocol."""

_LONGEST_TEXT = 1 << 16
_MOST = 1 << 53


def _holds(value: Any, what: str) -> bool:
    if value is None:
        return what.endswith("or nothing")
    if what.startswith("count"):
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
    if what == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


@dataclass(frozen=True, eq=False)
class Message:
    """One message.

    Raises
    ------
    FederationError
        It is not as its kind says.
    """

    kind: str
    fields: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise FederationError(f"a message of kind '{str(self.kind)[:40]}'; there are {', '.join(KINDS)}")
        for there, known in ((self.fields, kind.fields), (self.arrays, kind.arrays)):
            odd = sorted(map(str, set(there) ^ set(known)))
            if odd:
                raise FederationError(f"message '{self.kind}': '{odd[0][:40]}' is missing or too much")
        for name, what in kind.fields.items():
            if not _holds(self.fields[name], what):
                raise FederationError(f"message '{self.kind}': {name} is no {what}")
        for name, most in kind.arrays.items():
            array = self.arrays[name]
            if array.ndim != len(most) or any(a > b for a, b in zip(array.shape, most, strict=True)):
                raise FederationError(f"message '{self.kind}': {name} of shape {array.shape}; at most {most}")
            if array.dtype not in (np.dtype("float64"), np.dtype("complex128")) or not np.isfinite(array).all():
                raise FederationError(f"message '{self.kind}': {name} must hold finite numbers")
