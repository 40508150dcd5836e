"""Circuits: gates, parameters, files, drawings, ansätze and conversion to other libraries."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bitket.quantum.circuits.ansatz import (
    efficient_su2,
    entangled_blocks,
    qaoa_ansatz,
    real_amplitudes,
    ry_rz_ansatz,
    strongly_entangling_layers,
    two_local,
)
from bitket.quantum.circuits.circuit import Circuit, CircuitError, Condition, Instruction, Operation
from bitket.quantum.circuits.encodings import (
    angle_encoding,
    iqp_feature_map,
    pauli_feature_map,
    z_feature_map,
    zz_feature_map,
)
from bitket.quantum.circuits.fourier import qft
from bitket.quantum.circuits.gates import Gate, GateError, gate, gate_shape, unitary
from bitket.quantum.circuits.parameter import Expression, Parameter, ParameterError, parameters
from bitket.quantum.circuits.random import random_circuit, random_unitary

if TYPE_CHECKING:
    from bitket.quantum.circuits.decomposition import decompose
    from bitket.quantum.circuits.state_preparation import amplitude_encoding, prepare_state
    from bitket.quantum.circuits.synthesis import synthesize

# These stand on scipy, which a circuit does not need: they are loaded when first asked for.
_LATER = {
    "amplitude_encoding": "state_preparation",
    "decompose": "decomposition",
    "prepare_state": "state_preparation",
    "synthesize": "synthesis",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"bitket.quantum.circuits.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Circuit",
    "CircuitError",
    "Condition",
    "Expression",
    "Gate",
    "GateError",
    "Instruction",
    "Operation",
    "Parameter",
    "ParameterError",
    "amplitude_encoding",
    "angle_encoding",
    "decompose",
    "efficient_su2",
    "entangled_blocks",
    "gate",
    "gate_shape",
    "iqp_feature_map",
    "parameters",
    "pauli_feature_map",
    "prepare_state",
    "qaoa_ansatz",
    "qft",
    "random_circuit",
    "random_unitary",
    "real_amplitudes",
    "ry_rz_ansatz",
    "strongly_entangling_layers",
    "synthesize",
    "two_local",
    "unitary",
    "z_feature_map",
    "zz_feature_map",
]
