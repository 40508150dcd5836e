"""The option ``--noise``: a noise model from names with rates, or from a JSON file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitket.errors import BitketError, InvalidInput
from bitket.files import read_json

if TYPE_CHECKING:
    from bitket.quantum.noise import NoiseModel

__all__ = ["read_noise"]


def read_noise(parts: list[str]) -> NoiseModel:
    """The noise of all parts, in order; a file comes alone.

    Raises
    ------
    InvalidInput
        A name, rate or file is wrong.
    """
    from bitket.quantum import noise

    channels: dict[str, Callable[[float], Any]] = {
        "bit_flip": noise.bit_flip,
        "phase_flip": noise.phase_flip,
        "amplitude_damping": noise.amplitude_damping,
        "phase_damping": noise.phase_damping,
    }
    model = noise.NoiseModel()
    for part in parts:
        name, colon, text = part.partition(":")
        if not colon or name not in ("depolarizing", "readout", *channels):
            if len(parts) == 1:
                return _from_file(Path(part))
            raise InvalidInput(f"--noise {part}: depolarizing, readout, {', '.join(channels)} and a colon are needed")
        try:
            rates = [float(rate) for rate in text.split(",")]
        except ValueError:
            rates = []
        if not 1 <= len(rates) <= (1 if name in channels else 2):
            wanted = "one rate" if name in channels else "one rate or two"
            raise InvalidInput(f"--noise {part}: {wanted} after the colon is needed")
        if name == "depolarizing":
            model = model.after(noise.depolarizing(rates[0]), num_qubits=1)
            model = model.after(noise.depolarizing(rates[-1], 2), num_qubits=2)
        elif name == "readout":
            model = model.with_readout(rates[0], rates[-1])
        else:
            model = model.after(channels[name](rates[0]))
    return model


def _from_file(path: Path) -> NoiseModel:
    from bitket.quantum.noise import NoiseModel

    if path.suffix != ".json" and not path.exists():
        raise InvalidInput(f"--noise {path}: neither NAME:RATE, such as depolarizing:0.01, nor a JSON file")
    data = read_json(path)
    try:
        return NoiseModel.from_dict(data)
    except BitketError as error:
        raise InvalidInput(f"--noise {path}: {error}") from None
