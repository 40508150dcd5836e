"""Between what parties hold and messages: terms, copies of operators, copies of gradients. The wire is a medium that states cross."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.client import Gradient
from bitket.quantum.learning.federated.copies import Array, Copies
from bitket.quantum.learning.federated.encoding import AmplitudeScale
from bitket.quantum.learning.federated.messages import FederationError, Message

__all__ = ["Terms", "copies_of", "gradient_message", "gradient_of", "operator_message"]


@dataclass(frozen=True, eq=False)
class Terms:
    """What all clients must know to take part: the kind of model, how features become amplitudes, the classes; nothing of the operator.

    Attributes
    ----------
    model
        ``"operator"`` or ``"circuit"``.
    scale
        From features to amplitudes.
    reference
        Weight of the reference amplitude.
    features, classes
        Names.
    seconds
        Longest time of a round.
    """

    model: str
    scale: AmplitudeScale
    reference: float
    features: tuple[str, ...]
    classes: tuple[str, ...]
    seconds: float

    def message(self) -> Message:
        """As the server says it."""
        scale = self.scale
        return Message(
            "welcome",
            {
                "model": self.model,
                "qubits": scale.qubits,
                "reference": self.reference,
                "classes": json.dumps(self.classes),
                "features": json.dumps(self.features),
                "seconds": self.seconds,
            },
            {"centre": scale.centre, "directions": scale.directions, "constant": np.array([scale.constant])},
        )

    @classmethod
    def of(cls, message: Message) -> Terms:
        """As a client hears it.

        Raises
        ------
        FederationError
            They make no sense.
        """
        f, a = message.fields, message.arrays
        try:
            classes, features = (tuple(map(str, json.loads(f[name]))) for name in ("classes", "features"))
        except (ValueError, TypeError, RecursionError):
            raise FederationError("terms whose classes or features are no list") from None
        n = f["qubits"]
        fits = 1 <= n <= 6 and a["directions"].shape[0] < 1 << n and a["directions"].shape[1] == len(a["centre"])
        if not fits or len(features) != len(a["centre"]) or f["model"] not in ("operator", "circuit"):
            raise FederationError("terms that do not fit together")
        if (
            not 2 <= len(classes) <= 1 << n
            or not f["reference"] > 0
            or not f["seconds"] > 0
            or a["constant"].shape != (1,)
        ):
            raise FederationError("terms that do not fit together")
        scale = AmplitudeScale(a["centre"], a["directions"], float(a["constant"][0]), n)
        return cls(f["model"], scale, float(f["reference"]), features, classes, float(f["seconds"]))


def operator_message(round: int, copies: Copies) -> Message:
    """Copies of an operator state on their way to a client."""
    return Message("operator", {"round": round, "copies": copies.number}, {"state": _crossing(copies)})


def gradient_message(gradient: Gradient) -> Message:
    """Copies of a gradient state on their way to the server."""
    counts = {"round": gradient.round, "sent": gradient.sent, "kept": gradient.kept, "share": gradient.share}
    return Message("gradient", counts, {"state": _crossing(gradient.copies)})


def copies_of(message: Message, amplitudes: int | None = None) -> Copies:
    """The copies that a message brings, of a register with so many amplitudes.

    Raises
    ------
    FederationError
        They are none of such a state.
    """
    state = message.arrays["state"]
    number = message.fields["copies" if message.kind == "operator" else "kept"]
    if amplitudes is not None and state.shape[1] != amplitudes:
        raise FederationError(f"a state of {state.shape[1]} amplitudes; {amplitudes} are expected")
    if len(state) > state.shape[1]:
        raise FederationError(f"a state of {len(state)} members in {state.shape[1]} dimensions")
    try:
        return Copies(state, number)
    except InvalidInput as error:
        raise FederationError(f"no state: {error}") from None


def gradient_of(message: Message, client: str, amplitudes: int, number: int | None) -> Gradient:
    """The answer that a message brings, to ``number`` copies that were sent.

    Raises
    ------
    FederationError
        It is no such state, or its counts cannot be.
    """
    sent, kept, share = (message.fields[name] for name in ("sent", "kept", "share"))
    if number is None:
        fits = sent is None and (kept is None or (kept == 0 and share == 0)) and 0 <= share <= 1
    else:
        fits = sent == number and kept is not None and kept <= number and abs(share * max(number, 1) - kept) < 1e-6
    if not fits:
        raise FederationError(f"{kept} copies kept of {sent} with the share {share}: such counts cannot be")
    return Gradient(client, message.fields["round"], copies_of(message, amplitudes), sent, kept, float(share))


def _crossing(copies: Copies) -> Array:
    crossed: list[Array] = []
    copies.carried(lambda states: crossed.append(states) or states, copies.number)  # type: ignore[func-returns-value]
    return crossed[0]
