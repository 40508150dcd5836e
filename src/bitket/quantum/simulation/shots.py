"""Estimates of Pauli sums from shots: terms are grouped qubit by qubit, each group is measured in its shared basis.

The estimate of a group is the mean over shots of sum_t c_t (±1); its variance is that of the very same samples, so covariances within
a group are in the standard error. Groups are independent. Where shots agree, see `measured.spread`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bitket.algebra import group_terms, shared_basis
from bitket.intervals import unseen
from bitket.quantum.simulation import twin
from bitket.quantum.simulation.asked import Asked
from bitket.quantum.simulation.backprop import states
from bitket.quantum.simulation.density import run_density
from bitket.quantum.simulation.measured import constant_of, signs_of
from bitket.quantum.simulation.program import Unitary

__all__ = ["draw", "readout_probabilities", "takes", "values"]

_H = np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2)
_DRAWN = 1 << 22  # shots at a time
_TURNS = {"X": _H, "Y": _H @ np.diag([1, -1j])}  # takes the eigenbasis of X or Y to that of Z


# -- the engine -------------------------------------------------------------------------------------------------------
def takes(asked: Asked) -> bool:
    """Every program, from its state or density matrix."""
    return True


def values(asked: Asked) -> torch.Tensor:
    """Estimates ``[..., m]``; their standard errors are added to those of the question. Not differentiable: see `parameter_shift`."""
    assert asked.shots is not None
    if asked.noise is not None:
        state = run_density(asked.program, asked.angles(), asked.dtype)
    else:
        state = states(asked)
    means, errors = _estimate(state, asked)
    if asked.errors is not None:
        asked.errors.append(errors)
    return means


def _estimate(state: torch.Tensor, asked: Asked) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and standard errors ``[..., m]`` for states ``[..., 2^n]`` or density matrices ``[..., 2^n, 2^n]``.

    Shots are taken for each group of each operator; readout errors are applied. Where no errors are asked for, agreement is not looked for.
    """
    shots, noise, wanted = asked.shots, asked.noise, asked.errors is not None
    assert shots is not None
    mixed = noise is not None
    batch = state.shape[: -2 if mixed else -1]
    values, errors, every = [], [], np.arange(state.shape[-1])
    for operator in asked.observables:
        mean = torch.full(batch, constant_of(operator), dtype=torch.float64)
        variance, least = (torch.zeros(batch, dtype=torch.float64) for _ in range(2))
        for group in group_terms(operator.simplify(0.0), "qubitwise"):
            p = _probabilities(state, shared_basis(group), mixed)
            p = readout_probabilities(p, noise)
            counts = draw(p, shots, asked.generator)
            outcome = np.zeros(len(every))
            for c, signs in signs_of(group, every):
                outcome += c * signs
                if wanted:
                    agreed = (counts @ torch.from_numpy(signs)).abs() == shots
                    least += (c * unseen(shots)) ** 2 * agreed.double()
            first, second = (counts @ torch.from_numpy(outcome**k) / shots for k in (1, 2))
            mean += first
            variance += (second - first**2).clamp_min(0) / max(shots - 1, 1)
        values.append(mean)
        errors.append(torch.maximum(variance, least).sqrt())
    real = state.real.dtype
    return tuple(torch.stack(v, dim=-1).to(dtype=real, device=state.device) for v in (values, errors))  # type: ignore[return-value]


def _probabilities(state: torch.Tensor, basis: str, mixed: bool) -> torch.Tensor:
    """Outcome probabilities ``[..., 2^n]`` of measuring each qubit in its letter's eigenbasis."""
    n = len(basis)
    flat = state.reshape(*state.shape[:-2], -1) if mixed else state
    for q, letter in enumerate(reversed(basis)):
        if letter in _TURNS:
            turn = _TURNS[letter]
            if mixed:
                flat = twin.apply_unitary(flat, Unitary(turn.conj(), (q,)))
            flat = twin.apply_unitary(flat, Unitary(turn, (q + n if mixed else q,)))
    if mixed:
        return torch.diagonal(flat.reshape(state.shape), dim1=-2, dim2=-1).real.clamp_min(0)
    return flat.real**2 + flat.imag**2


def readout_probabilities(p: torch.Tensor, noise: Any) -> torch.Tensor:
    """Probabilities ``[..., 2^n]`` after the readout errors of a noise model (unchanged where it has none)."""
    confusion = getattr(noise, "readout", None)
    if not confusion:
        return p
    for q in range(p.shape[-1].bit_length() - 1):
        matrix = noise.readout_matrix(q)
        if matrix is not None:
            p = twin.apply_unitary(p, Unitary(np.asarray(matrix), (q,)))
    return p


def draw(p: torch.Tensor, shots: int, generator: torch.Generator) -> torch.Tensor:
    """Counts ``[..., 2^n]`` of ``shots`` draws from probabilities ``[..., 2^n]`` (normalised here), as float64 on the CPU."""
    flat = p.detach().to(dtype=torch.float64, device="cpu").reshape(-1, p.shape[-1])
    counts = torch.zeros_like(flat)
    rows = max(1, _DRAWN // shots)  # the numbers drawn do not depend on it
    for probabilities, here in zip(flat.split(rows), counts.split(rows), strict=True):
        edges = probabilities.cumsum(-1)
        u = torch.rand(len(here), shots, generator=generator, dtype=torch.float64) * edges[:, -1:]
        index = torch.searchsorted(edges, u, right=True).clamp_max(p.shape[-1] - 1)
        here.scatter_add_(1, index, torch.ones_like(u))
    return counts.reshape(p.shape)
