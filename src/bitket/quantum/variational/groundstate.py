"""From an operator to its ground state: an ansatz is fitted, and its energy on a noisy device is mitigated. Units are the operator's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.learning.ddqn import DoubleDQNSettings
from bitket.quantum.circuits import Circuit, decompose, efficient_su2, real_amplitudes
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import statevector
from bitket.quantum.variational.adapt import adapt_vqe
from bitket.quantum.variational.mitigation import (
    Exponential,
    Extrapolator,
    Linear,
    Mitigated,
    NoisyExecutor,
    Polynomial,
    Richardson,
    zne,
)
from bitket.quantum.variational.vqe import VQE

__all__ = ["ANSATZE", "EXTRAPOLATORS", "FittedState", "fit_state", "mitigated_energy"]

ANSATZE = ("adapt", "search", "efficient-su2", "real-amplitudes")
EXTRAPOLATORS: dict[str, Callable[[float], Extrapolator]] = {
    "linear": lambda _: Linear(),
    "polynomial": lambda _: Polynomial(2),
    "richardson": lambda _: Richardson(),
    "exponential": Exponential,
}
"""Ways to extrapolate, made from the energy of the fully mixed state, where an exponential ends."""


@dataclass(frozen=True)
class FittedState:
    """A circuit without parameters that prepares the state, its energy, and the energies on the way."""

    circuit: Circuit
    energy: float
    history: tuple[float, ...]
    converged: bool


def fit_state(
    operator: PauliSum,
    ansatz: str = "adapt",
    *,
    reference: str | None = None,
    layers: int = 2,
    starts: int = 4,
    largest: int = 100,
    tolerance: float = 1e-3,
    episodes: int = 300,
    penalty: PauliSum | None = None,
    generator: np.random.Generator,
    progress: Callable[[int, float, float], None] | None = None,
) -> FittedState:
    """Minimise the energy of an ansatz without noise.

    Parameters
    ----------
    ansatz
        ``"adapt"`` grows its circuit from ``reference`` (see `adapt_vqe`); ``"search"`` lets an agent build one gate by gate from all
        zeros (see `ArchitectureSearch`) in ``episodes``; the others have fixed ``layers`` and take the best of ``starts`` random starts.
    largest, tolerance
        Of ``"adapt"``: most rotations, and the slope below which it stops; of ``"search"``: most gates.
    penalty
        Added to the operator while the angles are fitted, such as a multiple of `ElectronSector.penalty`; the energy found is without
        it, the energies on the way are with it.
    progress
        Called with the step, the energy, and the steepest slope (not known for fixed circuits).
    """
    if penalty is not None:
        fitted = fit_state(
            operator + penalty,
            ansatz,
            reference=reference,
            layers=layers,
            starts=starts,
            largest=largest,
            tolerance=tolerance,
            episodes=episodes,
            generator=generator,
            progress=progress,
        )
        return replace(fitted, energy=float(operator.expectation(statevector(fitted.circuit).numpy())))
    if ansatz == "adapt":
        grown = adapt_vqe(operator, reference, tolerance=tolerance, largest=largest, progress=progress)
        return FittedState(grown.circuit.bind(grown.weights.tolist()), grown.energy, grown.energies, grown.converged)
    if ansatz not in ANSATZE:
        raise InvalidInput(f"ansatz {ansatz!r}: {', '.join(ANSATZE)} are known")
    if ansatz == "search":
        return _searched(operator, largest, episodes, int(generator.integers(2**31)), progress)
    circuit = (efficient_su2 if ansatz == "efficient-su2" else real_amplitudes)(operator.num_qubits, layers)
    best, history = None, []
    for start in range(starts):
        found = VQE(operator, circuit).run(generator=generator)
        history.append(float(found.fun))
        if best is None or found.fun < best.fun:
            best = found
        if progress is not None:
            progress(start + 1, float(best.fun), float("nan"))
    assert best is not None
    return FittedState(circuit.bind(best.x.tolist()), float(best.fun), tuple(history), True)


def _searched(
    operator: PauliSum, largest: int, episodes: int, seed: int, progress: Callable[[int, float, float], None] | None
) -> FittedState:
    """The first threshold is the error of the empty circuit; jumps of the threshold do the rest."""
    from bitket.quantum.variational.search import AngleSearch, ArchitectureSearch, Episode, SearchSettings, lower_bound

    angles = AngleSearch(operator)
    room = angles.energy([], np.zeros(0)) - lower_bound(operator)
    if room <= 0:  # the empty circuit has the least energy there can be
        return FittedState(Circuit(operator.num_qubits), angles.energy([], np.zeros(0)), (), True)
    # Discounted by 200 over the longest episode, a policy of the source; other settings are those of its quickest problems.
    most = min(largest, 10 * operator.num_qubits)
    agent = DoubleDQNSettings(
        gamma=round(0.005 ** (1 / most), 3), learning_rate=1e-3, batch=128, epsilon_decay=0.999, target_every=100
    )
    settings = SearchSettings(most, room, greedy_every=25, successes=5, agent=agent)
    search = ArchitectureSearch(angles, settings, seed)
    history: list[float] = []

    def keep(done: int, episode: Episode) -> None:
        assert search.best is not None
        history.append(search.best.energy)
        if progress is not None:
            progress(done, search.best.energy, float("nan"))

    found = search.run(episodes, keep)
    return FittedState(found.circuit, found.energy, tuple(history), True)


def mitigated_energy(
    circuit: Circuit,
    operator: PauliSum,
    noise: NoiseModel,
    native: Collection[str],
    method: str,
    *,
    factors: Sequence[float] = (1.0, 2.0, 3.0),
    shots: int | None = None,
    generator: torch.Generator | None = None,
) -> Mitigated:
    """The energy of a compiled circuit, extrapolated to zero noise from circuits folded by ``factors``.

    Parameters
    ----------
    native
        Gates of the device, in which the folded circuits are written again.
    method
        One of `EXTRAPOLATORS`.
    shots
        Shots for each group of terms and factor; None for exact expectation values.
    """
    if method not in EXTRAPOLATORS:
        raise InvalidInput(f"mitigation {method!r}: {', '.join(EXTRAPOLATORS)} are known")
    machine = NoisyExecutor(operator, noise, shots, generator)
    mixed = float(sum(c.real for c, x, z in operator.masks() if not x | z))
    return zne(
        lambda folded: machine(decompose(folded, native)),
        circuit,
        factors=factors,
        extrapolator=EXTRAPOLATORS[method](mixed),
    )
