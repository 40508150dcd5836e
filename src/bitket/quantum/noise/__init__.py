"""Noise: channels and their forms, and noise models."""

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
from bitket.quantum.noise.devices import Device, device_names
from bitket.quantum.noise.model import NoiseModel, NoiseWarning, Rule

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
