"""Conversion of circuits to and from Qiskit, PennyLane and Cirq. Each function says what it does to order, names and phase."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bitket.errors import MissingExtra

if TYPE_CHECKING:
    from bitket.quantum.circuits.interop.cirq import from_cirq, to_cirq
    from bitket.quantum.circuits.interop.pennylane import from_pennylane, to_pennylane
    from bitket.quantum.circuits.interop.qiskit import from_qiskit, to_qiskit

__all__ = ["from_cirq", "from_pennylane", "from_qiskit", "to_cirq", "to_pennylane", "to_qiskit"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    library = name.partition("_")[2]
    try:
        import_module(library)
    except ImportError as error:
        raise MissingExtra(f"{name}: {library} is not installed; pip install 'bitket[interop]' ({error})") from None
    return getattr(import_module(f"{__name__}.{library}"), name)
