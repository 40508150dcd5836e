"""Expectation values of unitary programs with torch's own graph: derivatives of any order, memory grows with depth."""

from __future__ import annotations

import math

import torch

from bitket.quantum.simulation import memory
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.observables import state_values
from bitket.quantum.simulation.states import complex_dtype, zero_evolved

__all__ = ["states", "takes", "values"]


def takes(asked: Asked) -> bool:
    """Every unitary program."""
    return True


def values(asked: Asked) -> torch.Tensor:
    """Expectation values ``[..., m]``."""
    return state_values(states(asked), asked.observables)


def states(asked: Asked) -> torch.Tensor:
    """The states ``[..., 2^n]``, from the compiled core where no derivative is asked for."""
    program, angles, kind = asked.program, asked.angles(), complex_dtype(asked.dtype)
    count = math.prod(angles.shape[:-1])
    what = f"a state of {program.num_qubits} qubits" + (f" for {count} samples" if count > 1 else "")
    memory.require(count * float(1 << program.num_qubits) * kind.itemsize * memory.STATE, what)
    return zero_evolved(program, angles, kind)
