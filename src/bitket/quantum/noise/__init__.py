"""Noise: channels and their forms, and noise models."""

from typing import TYPE_CHECKING, Any

from bitket.quantum.noise.channels import (
    Channel,
    NoiseError,
    amplitude_damping,
    bit_flip,
    coherent,
    depolarizing,
    pauli_channel,
    phase_damping,
    phase_flip,
    reset_error,
    thermal_relaxation,
)
from bitket.quantum.noise.model import NoiseModel, NoiseWarning, Rule

if TYPE_CHECKING:
    from bitket.quantum.noise.devices import Device, device_names

__all__ = [
    "Channel",
    "Device",
    "NoiseError",
    "NoiseModel",
    "NoiseWarning",
    "Rule",
    "amplitude_damping",
    "bit_flip",
    "coherent",
    "depolarizing",
    "device_names",
    "pauli_channel",
    "phase_damping",
    "phase_flip",
    "reset_error",
    "thermal_relaxation",
]


def __getattr__(name: str) -> Any:
    if name in ("Device", "device_names"):  # they stand on networkx and scipy: loaded when first asked for
        from bitket.quantum.noise import devices

        return getattr(devices, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
