"""OpenQASM 2 and 3, read and written.

>>> from bitket.quantum.circuits import Circuit
>>> bell = Circuit(2, 2).h(0).cx(0, 1).measure_all()
>>> read_qasm(write_qasm(bell)) == bell
True
>>> read_qasm("OPENQASM 3; include 'stdgates.inc'; qubit[2] q; cx q[0], q[2];")
Traceback (most recent call last):
bitket.quantum.circuits.qasm.source.QasmError: <text>:1:59: index 2 is out of range of 'q': 0 to 1 is allowed
"""

from bitket.quantum.circuits.qasm.reader import QasmWarning, load_qasm, read_qasm
from bitket.quantum.circuits.qasm.source import QasmError
from bitket.quantum.circuits.qasm.writer import save_qasm, write_qasm

__all__ = ["QasmError", "QasmWarning", "load_qasm", "read_qasm", "save_qasm", "write_qasm"]
