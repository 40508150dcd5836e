"""Density matrices: circuits with noise channels, measurements and resets, exactly.

A density matrix is held as a vector on 2n qubits, so that the simulator of states serves again (see `doubled`).
Memory: 16 · 4^n bytes in double precision for each sample of a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bitket.quantum.circuits import Circuit
from bitket.quantum.simulation import memory, twin
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.doubled import doubled
from bitket.quantum.simulation.observables import density_values
from bitket.quantum.simulation.program import Noise, Program
from bitket.quantum.simulation.states import complex_dtype, program_and_angles, run_state

__all__ = ["density_matrix", "run_density", "takes", "values"]


def run_density(program: Program, angles: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Density matrices ``[..., 2^n, 2^n]`` from |0...0> for angles ``[..., S]``."""
    n, batch = program.num_qubits, tuple(angles.shape[:-1])
    count = int(np.prod(batch, dtype=float)) if batch else 1
    kind = complex_dtype(dtype)
    memory.require(
        count * 4.0**n * kind.itemsize * 1.1,
        f"a density matrix of {n} qubits" + (f" for {count} samples" if batch else ""),
    )
    double = program.cache("doubled", lambda: doubled(program))
    both = torch.cat([angles, -angles], dim=-1)
    state = twin.zero_state(2 * n, batch, kind, angles.device)
    return run_state(double, state, both).reshape(*batch, 1 << n, 1 << n)


# -- the engine -------------------------------------------------------------------------------------------------------
def takes(asked: Asked) -> bool:
    """Every program; one with conditions is refused in `doubled`'s words."""
    return True


def values(asked: Asked) -> torch.Tensor:
    """Expectation values ``[..., m]`` with torch's own graph: derivatives of any order, memory grows with depth."""
    return density_values(run_density(asked.program, asked.angles(), asked.dtype), asked.observables)


def density_matrix(
    circuit: Circuit,
    weights: Any = None,
    inputs: Any = None,
    *,
    noise: Noise | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Density matrix after a circuit with noise; measurements dephase, resets reset.

    Parameters
    ----------
    circuit, weights, inputs, dtype
        As for `statevector`.
    noise
        A noise model; without one the state is pure unless the circuit measures or resets.

    Returns
    -------
    Tensor
        Complex, ``[..., 2^n, 2^n]``, little-endian. Differentiable.

    Raises
    ------
    NotEnoughMemory
        The matrices do not fit.
    InvalidInput
        The circuit has conditions.
    """
    program, angles = program_and_angles(circuit, weights, inputs, dtype, torch.device(device), noise)
    return run_density(program, angles, dtype)
