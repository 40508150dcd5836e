"""Circuits as a network's narrow middle: n numbers in, n expectation values out (Kea et al. 2024, arXiv:2401.06367).

    z -> <Z_i>,  state = Π_l exp(-i β_l Σ_q X_q) exp(-i γ_l Σ_(ab) Z_a Z_b) · Π_q RY(π tanh z_q) · H^n |0...0>

The trap of this shape: both exponentials commute with the parity X...X. Without data rotations that break it, the state keeps the value
of X...X that it began with, and every Z_i, which anticommutes with it, has the expectation value zero: the middle is dead, and whatever
is trained around it paints one mean picture. `conserved` finds such Pauli products of any circuit, `require_alive` refuses them.

A shared angle sits in many gates, Σ Z_a Z_b has many eigenvalues: parameter shift shifts each occurrence and adds up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import (
    Circuit,
    angle_encoding,
    qaoa_layers,
    real_amplitudes,
    strongly_entangling_layers,
    two_local,
)
from bitket.quantum.simulation import QuantumLayer
from bitket.quantum.simulation.expectations import GradientMethod
from bitket.quantum.simulation.program import Noise, PauliRotation, Unitary, lower

__all__ = [
    "LATENTS",
    "LatentCircuit",
    "QAOALayer",
    "Repeated",
    "conserved",
    "latent_layer",
    "qaoa_circuit",
    "require_alive",
]

Graph = Literal["ring", "line", "complete"] | Sequence[tuple[int, int]]
_LOCAL = 3  # qubits of a fixed gate up to which it is asked whether it takes Pauli products to such


class LatentCircuit(QuantumLayer):
    """A circuit between two networks: features ``[..., inputs]`` turn its rotations by π tanh, Pauli sums are read.

    Parameters
    ----------
    circuit
        Its inputs are the features, its weights are trained.
    operators
        What is read; by default Z of every qubit.
    weights, generator, noise, shots, gradient, dtype
        As for `QuantumLayer`.

    Raises
    ------
    InvalidInput
        The circuit has no input, or as `QuantumLayer`.

    Examples
    --------
    >>> layer = LatentCircuit(angle_encoding(3).compose(real_amplitudes(3, 1)), generator=torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(5, 3)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        circuit: Circuit,
        operators: Sequence[PauliSum] | None = None,
        *,
        weights: Any = None,
        generator: torch.Generator | None = None,
        noise: Noise | None = None,
        shots: int | None = None,
        gradient: GradientMethod = "auto",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not circuit.inputs:
            raise InvalidInput("latent circuit: it has no input, so no data could pass through it")
        n = circuit.num_qubits
        read = operators or [PauliSum.from_sparse([("Z", [q], 1.0)], n) for q in range(n)]
        super().__init__(
            circuit,
            read,
            weights=weights,
            generator=generator,
            noise=noise,
            shots=shots,
            gradient=gradient,
            dtype=dtype,
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Expectation values ``[..., outputs]``; `values` takes the angles themselves."""
        return super().forward(math.pi * torch.tanh(features))


class QAOALayer(LatentCircuit):
    """The paper's layer: ``depth`` layers of cost and mixer over data rotations, Z of every qubit.

    Parameters
    ----------
    qubits, depth
        Features (and outputs), and layers p.
    graph
        Pairs of the cost: ``"ring"``, ``"line"``, ``"complete"``, or the pairs themselves.
    multi_angle
        One angle for each gate instead of the 2p shared ones.
    embedding
        Gate by which data enter after H: ``"ry"``; ``"rz"``; or ``"rx"``, which does nothing to |+> and makes the layer dead.
    options
        As for `LatentCircuit`.

    Examples
    --------
    >>> QAOALayer(4, 2, generator=torch.Generator().manual_seed(0))
    QAOALayer(qubits=4, inputs=4, weights=4, outputs=4)
    """

    def __init__(
        self,
        qubits: int,
        depth: int,
        graph: Graph = "ring",
        multi_angle: bool = False,
        embedding: Literal["ry", "rz", "rx"] = "ry",
        **options: Any,
    ) -> None:
        super().__init__(qaoa_circuit(qubits, depth, graph, multi_angle, embedding), **options)


def qaoa_circuit(
    qubits: int,
    depth: int,
    graph: Graph = "ring",
    multi_angle: bool = False,
    embedding: Literal["ry", "rz", "rx"] | None = "ry",
) -> Circuit:
    """The circuit of `QAOALayer`; ``embedding=None`` leaves the data rotations out.

    Raises
    ------
    InvalidInput
        Fewer than two qubits, an unknown graph, or an embedding by another gate.
    """
    if embedding not in ("ry", "rz", "rx", None):
        raise InvalidInput(f"QAOA layer: embedding '{embedding}'; 'ry', 'rz' and 'rx' are known")
    circuit = Circuit(qubits, name="qaoa_layer")
    for q in range(qubits):
        circuit.h(q)
    if embedding is not None:
        circuit = circuit.compose(angle_encoding(qubits, embedding))
    cost = dict.fromkeys(_edges(graph, qubits), 1.0)
    return circuit.compose(qaoa_layers(cost, depth, num_qubits=qubits, multi_angle=multi_angle))


def _edges(graph: Graph, n: int) -> list[tuple[int, int]]:
    if not isinstance(graph, str):
        return [(int(a), int(b)) for a, b in graph]
    if n < 2:
        raise InvalidInput(f"QAOA layer of {n} qubits: its graph needs at least 2")
    if graph == "complete":
        return list(combinations(range(n), 2))
    if graph not in ("ring", "line"):
        raise InvalidInput(f"QAOA layer: graph '{graph}'; 'ring', 'line', 'complete' or a list of pairs is needed")
    line = [(q, q + 1) for q in range(n - 1)]
    return [*line, (n - 1, 0)] if graph == "ring" and n > 2 else line


# -- dead middles ---------------------------------------------------------------------------------------------------------
def conserved(circuit: Circuit) -> list[tuple[int, int]]:
    """Generators of the Pauli products ±P with P U|0...0> = ±U|0...0> for all values of the parameters.

    The group begins as that of |0...0>, all products of Z. A rotation leaves what commutes with its own product; a fixed Clifford gate moves
    products to others; of other gates it keeps those that do not touch their qubits, so that a product may be missed, but none is wrong.

    Returns
    -------
    list
        (X mask, Z mask) of each generator.

    Raises
    ------
    InvalidInput
        The circuit has measurements, resets or conditions.
    """
    program = lower(circuit)
    if not program.is_unitary:
        raise InvalidInput("conserved Pauli products: the circuit must have gates alone")
    group = [(0, 1 << q) for q in range(program.num_qubits)]
    for op in program.ops:
        controls = [q for q in range(program.num_qubits) if op.control_mask >> q & 1]  # type: ignore[union-attr]
        if isinstance(op, PauliRotation):
            group = _commuting(group, [(op.x_mask, op.z_mask), *((0, 1 << q) for q in controls)])
            continue
        assert isinstance(op, Unitary)
        qubits = [*op.qubits, *controls]
        moved = _moved(group, op, qubits) if len(qubits) <= _LOCAL else None
        group = (
            moved if moved is not None else _commuting(group, [(b << q, (1 - b) << q) for q in qubits for b in (0, 1)])
        )
    return group


def _commuting(group: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Generators of the products in a group that commute with all others."""
    for x, z in others:
        against = [g for g in group if _anticommute(g, (x, z))]
        group = [g for g in group if not _anticommute(g, (x, z))]
        group += [(g[0] ^ against[0][0], g[1] ^ against[0][1]) for g in against[1:]]
    return group


def _anticommute(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return bool(((a[0] & b[1]).bit_count() + (a[1] & b[0]).bit_count()) & 1)


def _local(x: int, z: int, k: int) -> np.ndarray:
    """A Pauli product of k qubits up to its phase, ``[2^k, 2^k]``."""
    index = np.arange(1 << k)
    out = np.zeros((1 << k, 1 << k))
    out[index ^ x, index] = 1 - 2.0 * (np.bitwise_count(index & z) & 1)
    return out


def _moved(group: list[tuple[int, int]], op: Unitary, qubits: list[int]) -> list[tuple[int, int]] | None:
    """U P U† of each generator, or None where one is no Pauli product."""
    k, inner = len(qubits), len(op.qubits)
    matrix = np.eye(1 << k, dtype=complex)
    held = sum(1 << p for p, q in enumerate(qubits) if p >= inner and op.control_value >> q & 1)
    block = [held + i for i in range(1 << inner)]
    matrix[np.ix_(block, block)] = op.matrix
    out = []
    for x, z in group:
        own = [sum((mask >> q & 1) << p for p, q in enumerate(qubits)) for mask in (x, z)]
        if not any(own):
            out.append((x, z))
            continue
        image = matrix @ _local(own[0], own[1], k) @ matrix.conj().T
        found = next(
            (
                (a, b)
                for a, b in product(range(1 << k), repeat=2)
                if abs(abs(np.trace(_local(a, b, k).T @ image)) - (1 << k)) < 1e-9
            ),
            None,
        )
        if found is None:
            return None
        clear = ~sum(1 << q for q in qubits)
        spread = [sum((new >> p & 1) << q for p, q in enumerate(qubits)) for new in found]
        out.append((x & clear | spread[0], z & clear | spread[1]))
    return out


def require_alive(layer: QuantumLayer) -> None:
    """Refuse a circuit through which nothing passes.

    Raises
    ------
    InvalidInput
        Every output is zero by a symmetry, which the message names, or none depends on the inputs.
    """
    group = conserved(layer.circuit)
    dead = [
        next((g for g in group if all(_anticommute(g, (x, z)) for _, x, z in o.masks())), None) for o in layer.operators
    ]
    if all(g is not None for g in dead):
        names = ", ".join(dict.fromkeys(_label(g, layer.circuit.num_qubits) for g in dead if g is not None))
        raise InvalidInput(
            f"latent circuit: every output is zero, whatever the data and the weights: the circuit conserves {names}, with which what is "
            "read anticommutes; let data rotations break it (embedding 'ry')"
        )
    if _steepest(layer) < 1e-9:
        raise InvalidInput(
            "latent circuit: no output depends on the data; their rotations act trivially or after what is read (embedding 'ry' serves)"
        )


def _label(group: tuple[int, int], n: int) -> str:
    return "".join("IXZY"[(group[0] >> q & 1) | (group[1] >> q & 1) << 1] for q in reversed(range(n)))


def _steepest(layer: QuantumLayer) -> float:
    """The largest slope of an output along an input at three random points: outputs are analytic, so one that is not constant shows."""
    from bitket.quantum.simulation import expectation

    generator = torch.Generator().manual_seed(0)
    c = layer.circuit
    weights, inputs = (
        (torch.rand(3, k, generator=generator, dtype=torch.float64) * 2 - 1) * math.pi
        for k in (len(c.weights), len(c.inputs))
    )
    weights = torch.cat([layer.weights.detach().double().cpu()[None], weights[1:]]) if len(c.weights) else weights
    inputs.requires_grad_()
    values = expectation(c, layer.operators, weights, inputs)
    slopes = [torch.autograd.grad(values[:, k].sum(), inputs, retain_graph=True)[0] for k in range(values.shape[-1])]
    return float(torch.stack(slopes).abs().max())


# -- middles by name ------------------------------------------------------------------------------------------------------
class Repeated(nn.Module):
    """``depth`` times z -> tanh(a_l z + b_l), each a_l and b_l shared by all features: 2p parameters, as many as the QAOA circuit has."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(depth)), nn.Parameter(torch.zeros(depth))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """``[..., n]`` to ``[..., n]``."""
        for a, b in zip(self.scale, self.shift, strict=True):
            z = torch.tanh(a * z + b)
        return z


class _Sine(nn.Module):
    """sin(π tanh z): what is left of a circuit when its gates are removed behind the data rotations."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sin(math.pi * torch.tanh(z))


LATENTS = {
    "qaoa": "the paper's circuit, 2p shared angles",
    "qaoa-multi": "the same with an angle for each gate",
    "qaoa-fixed": "the paper's circuit, its angles drawn and kept",
    "hardware-efficient": "RY and RZ on each qubit, a ring of CX",
    "real-amplitudes": "RY on each qubit, a line of CX",
    "strongly-entangling": "general rotations, rings of CX of growing range",
    "product": "RY and RZ on each qubit, no entanglement",
    "random": "strongly entangling layers, their angles drawn and kept",
    "identity": "no layer at all",
    "sine": "the data rotations without a circuit",
    "repeated": "2p numbers, as the paper's circuit has",
    "dense": "a linear layer and tanh",
    "wide": "two linear layers, four times as wide between them",
}
"""Middles that `latent_layer` makes; those from ``identity`` on are classical."""


def latent_layer(name: str, width: int, depth: int, generator: torch.Generator) -> nn.Module:
    """A middle from ``width`` features to as many.

    Parameters
    ----------
    name
        One of `LATENTS`.
    depth
        Layers p of a circuit (of ``repeated``: turns).
    generator
        Source of start values.

    Raises
    ------
    InvalidInput
        The name is unknown, or a size does not fit.
    """
    if name not in LATENTS:
        raise InvalidInput(f"latent layer '{name}': there are {', '.join(LATENTS)}")
    if width < 2 or depth < 1:
        raise InvalidInput(f"latent layer of width {width} and depth {depth}: at least 2 and 1 are needed")
    if name in ("qaoa", "qaoa-multi", "qaoa-fixed"):
        layer: nn.Module = QAOALayer(width, depth, multi_angle=name == "qaoa-multi", generator=generator)
        return layer.requires_grad_(name != "qaoa-fixed")
    circuits = {
        "hardware-efficient": lambda: two_local(
            width, ("ry", "rz"), "cx", reps=depth, entanglement="circular", final_rotation=False
        ),
        "real-amplitudes": lambda: real_amplitudes(width, depth, "linear", final_rotation=False),
        "strongly-entangling": lambda: strongly_entangling_layers(width, depth),
        "product": lambda: two_local(width, ("ry", "rz"), (), reps=depth, final_rotation=False),
        "random": lambda: strongly_entangling_layers(width, depth),
    }
    if name in circuits:
        layer = LatentCircuit(angle_encoding(width).compose(circuits[name]()), generator=generator)
        return layer.requires_grad_(name != "random")
    if name == "repeated":
        return Repeated(depth)
    if name in ("identity", "sine"):
        return nn.Identity() if name == "identity" else _Sine()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        if name == "dense":
            return nn.Sequential(nn.Linear(width, width), nn.Tanh())
        return nn.Sequential(nn.Linear(width, 4 * width), nn.Tanh(), nn.Linear(4 * width, width), nn.Tanh())
