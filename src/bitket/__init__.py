"""bitket: computing with few qubits and few bits."""

__version__ = "0.1.0"
