"""Circuits: gates, parameters, files, drawings, ansätze and conversion to other libraries."""

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
    "angle_encoding",
    "efficient_su2",
    "entangled_blocks",
    "gate",
    "gate_shape",
    "iqp_feature_map",
    "parameters",
    "pauli_feature_map",
    "qaoa_ansatz",
    "qft",
    "real_amplitudes",
    "ry_rz_ansatz",
    "strongly_entangling_layers",
    "two_local",
    "unitary",
    "z_feature_map",
    "zz_feature_map",
]
