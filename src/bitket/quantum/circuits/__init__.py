"""Circuits: gates, parameters, files, drawings, ansätze and conversion to other libraries."""

from bitket.quantum.circuits.circuit import Circuit, CircuitError, Condition, Instruction, Operation
from bitket.quantum.circuits.gates import Gate, GateError, gate, unitary
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
    "gate",
    "parameters",
    "unitary",
]
