"""OpenQASM 2 and 3: files to circuits and back."""

from bitket.quantum.circuits.qasm.files import load_qasm, read_qasm, save_qasm
from bitket.quantum.circuits.qasm.lexer import QasmError
from bitket.quantum.circuits.qasm.writer import write_qasm

__all__ = ["QasmError", "load_qasm", "read_qasm", "save_qasm", "write_qasm"]
