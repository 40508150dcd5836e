"""Simulation of circuits: states, density matrices, expectation values with gradients, shots, and the PyTorch layer."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitket.quantum.simulation.density import density_matrix
    from bitket.quantum.simulation.expectations import expectation, expectation_with_error, gradient_with_error
    from bitket.quantum.simulation.layer import QuantumLayer
    from bitket.quantum.simulation.sampling import Counts, sample
    from bitket.quantum.simulation.states import probabilities, statevector

__all__ = [
    "Counts",
    "QuantumLayer",
    "density_matrix",
    "expectation",
    "expectation_with_error",
    "gradient_with_error",
    "probabilities",
    "sample",
    "statevector",
]

_HOMES = {
    "Counts": "sampling",
    "QuantumLayer": "layer",
    "density_matrix": "density",
    "expectation": "expectations",
    "expectation_with_error": "expectations",
    "gradient_with_error": "expectations",
    "probabilities": "states",
    "sample": "sampling",
    "statevector": "states",
}


def __getattr__(name: str) -> Any:
    # torch is imported only when something is simulated.
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
