"""What is asked of an engine of `expectations`: a program, its parameters or angles, observables, and how values are to be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.autograd import forward_ad

from bitket.algebra import PauliSum
from bitket.quantum.simulation.program import Noise, Program, leading_shape

__all__ = ["Asked", "Engine", "angles_of", "transformed"]


class Engine(Protocol):
    """One way to expectation values: a module (or object) with these two functions."""

    def takes(self, asked: Asked) -> bool:
        """Whether this engine can answer."""
        ...

    def values(self, asked: Asked) -> torch.Tensor:
        """Expectation values ``[..., m]``, differentiable as the engine's module says."""
        ...


@dataclass(slots=True, eq=False)
class Asked:
    """One question. With ``by_angle`` the inputs are the angles of the program's slots, ``[..., S]``, and there are no weights."""

    program: Program
    weights: torch.Tensor | None
    inputs: torch.Tensor | None
    observables: Sequence[PauliSum]
    dtype: torch.dtype
    device: torch.device
    compiled: bool
    """Whether the compiled core can be used: it is there, and states lie in main memory."""
    noise: Noise | None = None
    shots: int | None = None
    generator: Any = None
    by_angle: bool = False
    errors: list[torch.Tensor] | None = None
    """Where an engine that estimates puts its standard errors, ``[..., m]``."""

    @property
    def batch(self) -> torch.Size:
        """Common leading shape of weights and inputs."""
        return leading_shape(self.weights, self.inputs)

    def angles(self) -> torch.Tensor:
        """Angles of the slots, ``[..., S]``, differentiable."""
        if self.by_angle:
            assert self.inputs is not None
            return self.inputs
        return angles_of(self.program, self.weights, self.inputs).to(dtype=self.dtype, device=self.device)

    def at(self, program: Program, angles: torch.Tensor) -> Asked:
        """The same question for the angles of a program."""
        return Asked(
            program,
            None,
            angles,
            self.observables,
            self.dtype,
            self.device,
            self.compiled,
            self.noise,
            self.shots,
            self.generator,
            True,
            self.errors,
        )


def transformed() -> bool:
    """Whether `torch.func` or forward-mode differentiation is at work: tensors then need not have memory of their own."""
    return bool(torch._C._are_functorch_transforms_active()) or forward_ad._current_level >= 0


def angles_of(program: Program, weights: torch.Tensor | None, inputs: torch.Tensor | None) -> torch.Tensor:
    """`Program.angles`, also under `torch.func`, where values cannot be looked at (kernels look at them later)."""
    if not transformed():
        return program.angles(weights, inputs)
    program.check(weights, inputs)
    given = [v for v in (weights, inputs) if v is not None]
    if not given:
        return torch.zeros(0, dtype=torch.float64)
    shape = torch.broadcast_shapes(*(g.shape[:-1] for g in given))
    values = torch.cat([g.expand(*shape, g.shape[-1]) for g in given], dim=-1)
    if program.affine is not None:
        constant, matrix = (torch.tensor(a, dtype=values.dtype, device=values.device) for a in program.affine)
        return values @ matrix + constant
    lookup = {p: values[..., k] for k, p in enumerate(program.weights + program.inputs)}
    columns = [torch.as_tensor(s.evaluate(lookup)).expand(shape) for s in program.slots]
    return torch.stack(columns, dim=-1) if columns else values.new_zeros((*shape, 0))
