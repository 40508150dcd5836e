"""Reading and writing OpenQASM text and files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from bitket.errors import InvalidInput
from bitket.quantum.circuits.circuit import Circuit
from bitket.quantum.circuits.qasm.elaborate import elaborate
from bitket.quantum.circuits.qasm.writer import write_qasm

__all__ = ["load_qasm", "read_qasm", "save_qasm"]


def read_qasm(text: str, *, name: str = "<text>", inputs: Iterable[str] = ()) -> Circuit:
    """The circuit of an OpenQASM 2 or 3 program.

    Parameters
    ----------
    text
        The program. Loops are unrolled and definitions expanded; ``input float`` variables become parameters.
    name
        Shown in errors.
    inputs
        Names of parameters that are data rather than weights.

    Raises
    ------
    QasmError
        ``name:line:column: what is wrong``.

    Examples
    --------
    >>> read_qasm('OPENQASM 3.0; qubit[2] q; bit[2] c; U(pi/2,0,pi) q[0]; ctrl @ x q[0], q[1]; c = measure q;').count_ops()
    {'measure': 2, 'u': 1, 'cx': 1}
    """
    return elaborate(text, name, inputs)


def load_qasm(path: str | Path, *, inputs: Iterable[str] = ()) -> Circuit:
    """The circuit of a file; its includes are looked up beside it.

    Raises
    ------
    InvalidInput
        The file cannot be read.
    QasmError
        ``file:line:column: what is wrong``.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not text in UTF-8") from None
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    return elaborate(text, str(path), inputs, path.parent)


def save_qasm(circuit: Circuit, path: str | Path, version: Literal[2, 3] = 3) -> None:
    """Write a circuit to a file, whole or not at all."""
    from bitket.runs.files import write_text

    write_text(Path(path), write_qasm(circuit, version))
