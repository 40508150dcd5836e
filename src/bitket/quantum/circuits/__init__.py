"""Circuits: gates, parameters, files, drawings, ansätze and conversion to other libraries."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bitket.quantum.circuits.ansatz import (
    efficient_su2,
    entangled_blocks,
    qaoa_ansatz,
    qaoa_layers,
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
    from bitket.quantum.circuits.drawing import draw_figure, draw_text
    from bitket.quantum.circuits.interop import (
        from_cirq,
        from_pennylane,
        from_qiskit,
        to_cirq,
        to_pennylane,
        to_qiskit,
    )
    from bitket.quantum.circuits.state_preparation import (
        amplitude_encoding,
        prepare_state,
        state_angles,
        state_circuit,
    )
    from bitket.quantum.circuits.synthesis import synthesize
    from bitket.quantum.circuits.zx import ZXGraph

# These stand on scipy, matplotlib or other libraries, which a circuit does not need: loaded when first asked for.
_LATER = {
    "ZXGraph": "zx",
    "amplitude_encoding": "state_preparation",
    "decompose": "decomposition",
    "draw_figure": "drawing",
    "draw_text": "drawing",
    "from_cirq": "interop",
    "from_pennylane": "interop",
    "from_qiskit": "interop",
    "prepare_state": "state_preparation",
    "state_angles": "state_preparation",
    "state_circuit": "state_preparation",
    "synthesize": "synthesis",
    "to_cirq": "interop",
    "to_pennylane": "interop",
    "to_qiskit": "interop",
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
    "ZXGraph",
    "amplitude_encoding",
    "angle_encoding",
    "decompose",
    "draw_figure",
    "draw_text",
    "efficient_su2",
    "entangled_blocks",
    "from_cirq",
    "from_pennylane",
    "from_qiskit",
    "gate",
    "gate_shape",
    "iqp_feature_map",
    "parameters",
    "pauli_feature_map",
    "prepare_state",
    "qaoa_ansatz",
    "qaoa_layers",
    "qft",
    "random_circuit",
    "random_unitary",
    "real_amplitudes",
    "ry_rz_ansatz",
    "state_angles",
    "state_circuit",
    "strongly_entangling_layers",
    "synthesize",
    "to_cirq",
    "to_pennylane",
    "to_qiskit",
    "two_local",
    "unitary",
    "z_feature_map",
    "zz_feature_map",
]
