"""The circuit model: classify by the sign of <M> = <d|U(theta)† M U(theta)|d>, loss ½(1 - mean_s y_s <M>_s), gradient by the shift rule.

For rotations about Paulis, d<M>/d theta_j = ½(<M>_{j+} - <M>_{j-}), shifts of ± pi/2. Of the server's state with an index register,

    (rho |0>|u>|->|1> + |1> sum_j |j> (|0>|o(H_{j+})> + |1>|o(H_{j-})>)/sqrt(2)) / N,    H = U† M U,  N² = rho² + m,

the client lets the chip act on its data |d> and projects: data on |d>, branches on |->. What is kept is
2^-n/N · (rho |0>|u> + |1> sum_j mean_s y_s d_j<M>_s |j>): the gradient's entries are the amplitudes of ceil(log2 m) qubits. H is Hermitian
with H² = 1, so every operator state has norm 1. `shift_state` is the form with U itself, of which branches are read by measuring.

Source: Daskin 2024, arXiv:2401.13421 (shift rule, chip, index register); the overlap circuit, the loss and the references are derived.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.learning.federated.chip import FixedDesignChip
from bitket.quantum.learning.federated.copies import Array
from bitket.quantum.learning.federated.operator_model import Batch, Floats, Samples

__all__ = ["CircuitModel", "OverlapApparatus", "measured_shifts", "shift_state"]

_SHIFTED = ("rx", "ry", "rz", "rxx", "ryy", "rzz")


class OverlapApparatus:
    """What a client of the circuit model does to each copy."""

    def __init__(self, chip: FixedDesignChip, samples: Samples, batch: Batch) -> None:
        if chip.basis != "pauli" or samples.targets.ndim != 1 or len(samples.states.T) != chip.size:
            raise InvalidInput(
                f"circuit model: a chip with the basis 'pauli', states [N, {chip.size}] and signs [N] are needed"
            )
        self._elements = chip.elements
        d, y = samples.states, samples.targets
        # <d|O_i|d> / 2^n = Tr(O_i |d><d|) / 2^n is the coefficient of |d><d|; the Pauli basis is Hermitian, so it is real.
        if batch == "superposition":
            both = chip.coefficients(np.stack([d.T @ d, (d * y[:, None]).T @ d]) / len(d)).real
            self._plain, self._signed = both[:1], both[1:]
        else:
            chip.require_memory(2 * len(d), f"a mixture of the gradients of {len(d)} samples")
            self._plain = chip.coefficients(np.einsum("si,sj->sij", d, d)).real / math.sqrt(len(d))
            self._signed = self._plain * y[:, None]

    def kraus(self, states: Array) -> Array:
        """See `Apparatus`: states of flag, index, branch and operation register."""
        ours = states.reshape(len(states), 2, -1, 2, self._elements)
        branches = (ours[:, :, :, 0] - ours[:, :, :, 1]) / math.sqrt(2)  # on |->
        kept = np.stack([branches[:, 0] @ self._plain.T, branches[:, 1] @ self._signed.T], axis=1)  # [c, flag, j, k]
        return kept.transpose(0, 3, 1, 2).reshape(len(states), len(self._plain), -1)


class CircuitModel:
    """The server's half: the circuit's angles, which never leave it but inside operator states.

    Parameters
    ----------
    circuit
        Rotations about Paulis, each with a weight of its own and no factor (`real_amplitudes`, `efficient_su2`, ...); no inputs.
    parameters
        Angles to begin with ``[m]``.
    reference
        rho.

    Raises
    ------
    InvalidInput
        The circuit has inputs, a weight in two places or with a factor, or a gate to which the shift rule does not apply.
    """

    kind = "circuit"
    classes = 2

    def __init__(self, circuit: Circuit, parameters: Floats, reference: float = 0.5) -> None:
        self.chip = FixedDesignChip(circuit.num_qubits, "pauli")
        self.circuit, self.reference = circuit, reference
        self.parameters: Floats = np.array(parameters, dtype=float)
        m = len(circuit.weights)
        if circuit.inputs or not m or self.parameters.shape != (m,) or not np.isfinite(self.parameters).all():
            raise InvalidInput(
                f"circuit model with angles of shape {self.parameters.shape}: finite angles [{m}], one weight at least and no inputs are needed"
            )
        if not 0 < reference < math.inf:
            raise InvalidInput(f"reference {reference}: a positive weight is needed")
        turned = [(i.name, i.gate.params) for i in circuit if i.gate is not None and i.gate.parameters]
        alone = [p for name, (p, *_) in turned if name in _SHIFTED and isinstance(p, Parameter)]
        if len(alone) < len(turned) or len(set(alone)) < len(alone):
            raise InvalidInput(f"circuit model: each weight once, alone, in one of {', '.join(_SHIFTED)} is needed")
        self.length = 1 << max(1, (m - 1).bit_length())  # entries of a gradient, filled up with zeros
        # M is Z on qubit 0
        self._observable = 1.0 - 2.0 * (np.arange(self.chip.size) & 1)

    def unitaries(self, angles: Floats) -> NDArray[np.complex128]:
        """U of angles ``[b, m]``, ``[b, 2^n, 2^n]``."""
        from bitket.quantum.simulation import statevector

        columns = statevector(self.circuit, angles[:, None, :], initial=np.eye(self.chip.size)[None])
        return np.asarray(columns.numpy().transpose(0, 2, 1))

    def _shifted(self) -> Floats:
        """theta ± (pi/2) e_j, ``[m, 2, m]``."""
        steps = np.eye(len(self.parameters))[:, None, :] * np.array([1, -1])[:, None] * (math.pi / 2)
        return np.asarray(self.parameters + steps)

    def state(self) -> Floats:
        """What is sent ``[2 · length · 2 · 4^n]``: flag, index, branch, operation register, the flag most significant."""
        m, elements = len(self.parameters), self.chip.elements
        unitaries = self.unitaries(self._shifted().reshape(2 * m, m))
        observables = unitaries.conj().transpose(0, 2, 1) @ (self._observable[:, None] * unitaries)
        state = np.zeros((2, self.length, 2, elements))
        share = self.reference / math.sqrt(2 * self.length)
        state[0, :, 0, 0], state[0, :, 1, 0] = share, -share  # the identity, on |->
        state[1, :m] = self.chip.coefficients(observables).real.reshape(m, 2, elements) / math.sqrt(2)
        return state.ravel() / math.sqrt(self.reference**2 + m)

    def gradient_scale(self) -> float:
        """g = scale · P r x of what a client keeps."""
        return -0.5 * (self.reference**2 + len(self.parameters)) * self.chip.elements / self.reference

    def apparatus(self, samples: Samples, batch: Batch = "superposition") -> OverlapApparatus:
        """What a client does to a copy."""
        return OverlapApparatus(self.chip, samples, batch)

    def target(self, labels: NDArray[np.int64]) -> Floats:
        """Signs ``[N]`` of labels 0 and 1: + and -."""
        return np.asarray(1.0 - 2.0 * labels)

    def values(self, states: Floats) -> Floats:
        """<M> of states ``[N, 2^n]``."""
        final = states @ self.unitaries(self.parameters[None])[0].T
        return np.asarray((np.abs(final) ** 2) @ self._observable)

    def loss(self, samples: Samples) -> float:
        """½(1 - mean y <M>)."""
        return float(1 - (samples.targets * self.values(samples.states)).mean()) / 2

    def gradient(self, samples: Samples) -> Floats:
        """The exact gradient ``[m]``, by the simulator's adjoint derivative of the circuit after each data state."""
        import torch

        from bitket.algebra.pauli_sum import PauliSum
        from bitket.quantum.circuits import prepare_state
        from bitket.quantum.simulation import expectation

        observable = PauliSum.parse("I" * (self.chip.n - 1) + "Z")
        total = torch.zeros(len(self.parameters), dtype=torch.float64)
        for state, sign in zip(samples.states, samples.targets, strict=True):
            angles = torch.tensor(self.parameters, requires_grad=True)
            value = expectation(prepare_state(state).compose(self.circuit), observable, angles)
            value.backward()
            assert angles.grad is not None
            total += sign * angles.grad
        return -total.numpy() / (2 * len(samples))

    def predict(self, states: Floats) -> NDArray[np.int64]:
        """Class 0 where <M> is positive, else 1."""
        return np.asarray((self.values(states) <= 0).astype(np.int64))


def shift_state(model: CircuitModel) -> NDArray[np.complex128]:
    """(1/sqrt(2m)) sum_j |j> (|0>|o(theta + pi/2 e_j)> + |1>|o(theta - pi/2 e_j)>), ``[length, 2, 4^n]``: operators U themselves."""
    m = len(model.parameters)
    state = np.zeros((model.length, 2, model.chip.elements), dtype=complex)
    operators = model.chip.coefficients(model.unitaries(model._shifted().reshape(2 * m, m)))
    state[:m] = operators.reshape(m, 2, -1) / math.sqrt(2 * m)
    return state


def measured_shifts(
    model: CircuitModel, samples: Samples, copies: int | None, generator: np.random.Generator
) -> tuple[Floats, float]:
    """The gradient read by measuring: the chip on `shift_state`, then index, branch and M; and the share of copies that is kept, 4^-n.

    Each copy meets one sample, drawn at random; y M averages to ± 2 d_j of the loss's expectation values over the branches.
    """
    m, size = len(model.parameters), model.chip.size
    operators = model.chip.operator(shift_state(model)[:m]) / size
    outputs = np.einsum("jbik,sk->sjbi", operators, samples.states)
    share = (np.abs(outputs) ** 2) / len(samples)
    agree = (samples.targets[:, None] * model._observable > 0)[:, None, None, :]
    p = np.stack([(share * agree).sum((0, 3)), (share * ~agree).sum((0, 3))], axis=-1)  # [j, branch, y M = 1 or -1]
    kept = float(p.sum())
    if copies is not None:
        drawn = generator.multinomial(copies, [*p.ravel(), max(0.0, 1 - kept)])[:-1].reshape(p.shape)
        p, kept = drawn / copies, float(drawn.sum()) / copies
    total = p.sum(axis=-1)
    means = np.divide(p[..., 0] - p[..., 1], total, out=np.zeros_like(total), where=total > 0)
    return -0.25 * (means[:, 0] - means[:, 1]), kept
