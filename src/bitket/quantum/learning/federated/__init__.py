"""Federated learning with chips of a fixed design: operators travel as quantum states, gradients come back as quantum states."""

from bitket.quantum.learning.federated.averaging import FederatedAveraging
from bitket.quantum.learning.federated.channel import QuantumChannel, detection_probability
from bitket.quantum.learning.federated.chip import FixedDesignChip, ZeroGradient, ZeroOperator
from bitket.quantum.learning.federated.circuit_model import CircuitModel, measured_shifts, shift_state
from bitket.quantum.learning.federated.client import Client, Gradient
from bitket.quantum.learning.federated.copies import Copies
from bitket.quantum.learning.federated.encoding import AmplitudeScale
from bitket.quantum.learning.federated.federation import Federation, Link
from bitket.quantum.learning.federated.history import History, Observer, Round
from bitket.quantum.learning.federated.messages import FederationError
from bitket.quantum.learning.federated.operator_model import OperatorModel, Samples, gradient_state
from bitket.quantum.learning.federated.partition import by_dirichlet, by_label, evenly
from bitket.quantum.learning.federated.server import Server, copies_for

__all__ = [
    "AmplitudeScale",
    "CircuitModel",
    "Client",
    "Copies",
    "FederatedAveraging",
    "Federation",
    "FederationError",
    "FixedDesignChip",
    "Gradient",
    "History",
    "Link",
    "Observer",
    "OperatorModel",
    "QuantumChannel",
    "Round",
    "Samples",
    "Server",
    "ZeroGradient",
    "ZeroOperator",
    "by_dirichlet",
    "by_label",
    "copies_for",
    "detection_probability",
    "evenly",
    "gradient_state",
    "measured_shifts",
    "shift_state",
]
