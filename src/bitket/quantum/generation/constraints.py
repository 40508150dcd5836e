"""Which tokens may come next.

``none``: any but the special ones. ``paper``: KetGPT's list of forbidden lines, those that hold an integer of n or more anywhere (also
within an angle) and any further version, include or qreg line. ``grammar``: what makes the file ill-formed is forbidden at each step:
undeclared registers, indices out of range, repeated operands and declarations, second headers, operations on measured qubits. Every
file sampled under it is valid OpenQASM 2.

A rule book (`Rules`) is made once for a vocabulary; it opens a `Constraint` for each file, which is told of each token taken.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from bitket.errors import InvalidInput
from bitket.quantum.generation.statements import Declared, Statement, accept, fault, header, statement
from bitket.quantum.generation.tokenizers import END, SPECIAL, LineTokenizer, Tokenizer

__all__ = ["Constraint", "Mode", "Rules", "largest_integer"]

Mode = Literal["none", "paper", "grammar"]
_INTEGER = re.compile(r"\d+")
_HEADERS = ("version", "include", "qreg")


class Constraint(Protocol):
    """What one file allows."""

    def mask(self) -> Tensor:
        """Allowed tokens, ``[V]`` of bool."""

    def advance(self, token: int) -> None:
        """Take note of the next token."""


def largest_integer(line: str) -> int:
    """The largest run of digits in a line, -1 without one.

    >>> largest_integer("rz(0.25) q[3];")
    25
    """
    return max(map(int, _INTEGER.findall(line)), default=-1)


class Rules:
    """Constraints for a vocabulary.

    Parameters
    ----------
    tokenizer
        Of lines or of gates; the mode ``"paper"`` is one of lines.
    mode
        ``"none"``, ``"paper"`` or ``"grammar"``.

    Raises
    ------
    InvalidInput
        The mode is unknown, or does not fit the tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer, mode: Mode) -> None:
        if mode not in get_args(Mode):
            raise InvalidInput(f"constraint '{mode}' is unknown; there are {', '.join(get_args(Mode))}")
        lines = isinstance(tokenizer, LineTokenizer)
        if mode == "paper" and not lines:
            raise InvalidInput("constraint 'paper' forbids lines; it needs a tokenizer of lines")
        self.tokenizer, self.mode = tokenizer, mode
        self.any = torch.arange(len(tokenizer)) >= len(SPECIAL)
        self.any[END] = True
        self._fixed: dict[int, Tensor] = {}
        if mode == "paper":
            words = tokenizer.tokens[len(SPECIAL) :]
            self._largest = torch.tensor([largest_integer(line) for line in words])
            self._headers = torch.tensor([statement(line).kind in _HEADERS for line in words])
        self._lines = _LineTable(tokenizer) if mode == "grammar" and lines else None
        self._words = _WordTable(tokenizer) if mode == "grammar" and not lines else None

    def open(self, n_qubits: int) -> Constraint:
        """The constraint of a file that begins with the header of ``n_qubits`` qubits."""
        if self._lines is not None:
            return _LineGrammar(self._lines, n_qubits)
        if self._words is not None:
            return _WordGrammar(self._words, n_qubits)
        if self.mode == "none":
            return _Fixed(self.any)
        if n_qubits not in self._fixed:
            mask = self.any.clone()
            mask[len(SPECIAL) :] &= (self._largest < n_qubits) & ~self._headers
            self._fixed[n_qubits] = mask
        return _Fixed(self._fixed[n_qubits])


class _Fixed:
    def __init__(self, mask: Tensor) -> None:
        self._mask = mask

    def mask(self) -> Tensor:
        return self._mask

    def advance(self, token: int) -> None:
        pass


def _after_header(n_qubits: int) -> Declared:
    so_far = Declared()
    for line in header(n_qubits):
        accept(statement(line), so_far)
    return so_far


# -- lines ----------------------------------------------------------------------------------------------------------------
class _LineTable:
    """What a vocabulary of lines says, and which of them fit a set of declarations (found once for each set)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.size = len(tokenizer)
        self.statements = [Statement("other")] * len(SPECIAL) + [statement(t) for t in tokenizer.tokens[len(SPECIAL) :]]
        self._allowed: dict[tuple[tuple[str, int], ...], Tensor] = {}
        touching: dict[str | tuple[str, int], list[int]] = {}
        for k, s in enumerate(self.statements):
            if s.kind in ("gate", "measure", "barrier"):
                for register, index in s.operands[:1] if s.kind == "measure" else s.operands:
                    touching.setdefault(register if index is None else (register, index), []).append(k)
        self._touching = {place: torch.tensor(ks) for place, ks in touching.items()}

    def allowed(self, so_far: Declared) -> Tensor:
        key = (*sorted(so_far.qubits.items()), ("", 0), *sorted(so_far.bits.items()))
        if key not in self._allowed:
            ok = [s.kind not in _HEADERS and not fault(s, so_far) for s in self.statements]
            mask = torch.tensor(ok)
            mask[: len(SPECIAL)] = False
            mask[END] = True
            self._allowed[key] = mask
        return self._allowed[key]

    def touching(self, place: tuple[str, int]) -> list[Tensor]:
        """Lines that act on a qubit."""
        return [self._touching[p] for p in (place, place[0]) if p in self._touching]


class _LineGrammar:
    def __init__(self, table: _LineTable, n_qubits: int) -> None:
        self._table, self._so_far = table, _after_header(n_qubits)
        self._mask = table.allowed(self._so_far).clone()

    def mask(self) -> Tensor:
        return self._mask

    def advance(self, token: int) -> None:
        s = self._table.statements[token]
        before = set(self._so_far.measured)
        accept(s, self._so_far)
        new = self._so_far.measured - before
        if s.kind == "creg":
            self._mask, new = self._table.allowed(self._so_far).clone(), self._so_far.measured
        for place in new:
            for lines in self._table.touching(place):
                self._mask[lines] = False


# -- gates, angles and operands as tokens -----------------------------------------------------------------------------------
class _WordTable:
    """The tokens of a `GateTokenizer` by what they are."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        from bitket.quantum.circuits.qasm.library import LIBRARIES

        gates = LIBRARIES["qelib1.inc"]
        self.size = len(tokenizer)
        begins = tokenizer.begins_line()
        self.angles = torch.tensor([t[0] in "@~" for t in tokenizer.tokens])
        self.shapes: dict[int, tuple[str, int, int]] = {}  # head: kind, angles, operands (-1 for any number)
        self.declarations: dict[int, Statement] = {}
        self.places: dict[tuple[str, int], int] = {}
        for k, token in enumerate(tokenizer.tokens):
            if k < len(SPECIAL):
                continue
            if token.endswith("\n"):
                if statement(token).kind == "creg":
                    self.declarations[k] = statement(token)
            elif begins[k] and token in gates:
                self.shapes[k] = ("gate", gates[token].num_params, gates[token].num_qubits)
            elif begins[k] and token in ("measure", "barrier"):
                self.shapes[k] = (token, 0, 2 if token == "measure" else -1)
            elif not begins[k] and token[0] not in "@~*":
                register, _, index = token.rstrip("]").partition("[")
                self.places[register, int(index)] = k


class _WordGrammar:
    def __init__(self, table: _WordTable, n_qubits: int) -> None:
        self._table, self._so_far = table, _after_header(n_qubits)
        self._kind, self._angles, self._operands = "", 0, 0  # of the open statement: what it still lacks
        self._used: list[tuple[str, int]] = []
        self._by_token = {k: place for place, k in table.places.items()}

    def _free(self, registers: dict[str, int], taken: set[tuple[str, int]]) -> list[int]:
        return [k for (r, i), k in self._table.places.items() if i < registers.get(r, 0) and (r, i) not in taken]

    def mask(self) -> Tensor:
        if self._angles:
            return self._table.angles
        mask = torch.zeros(self._table.size, dtype=torch.bool)
        qubits = self._free(self._so_far.qubits, self._so_far.measured | set(self._used))
        if self._operands:
            if self._kind == "measure" and self._used:
                mask[self._free(self._so_far.bits, set())] = True
                return mask
            mask[qubits] = True
            if self._operands > 0 or not self._used:
                return mask
            unmeasured = self._free(self._so_far.qubits, self._so_far.measured)
        else:
            unmeasured = qubits
        mask[END] = True
        bits = self._free(self._so_far.bits, set())
        for k, (kind, _, operands) in self._table.shapes.items():
            mask[k] = len(unmeasured) >= (1 if kind != "gate" else operands) and (kind != "measure" or bool(bits))
        for k, s in self._table.declarations.items():
            mask[k] = not fault(s, self._so_far)
        return mask

    def advance(self, token: int) -> None:
        if token in self._table.declarations:
            accept(self._table.declarations[token], self._so_far)
            self._kind, self._operands, self._used = "", 0, []
        elif token in self._table.shapes:
            self._kind, self._angles, self._operands = self._table.shapes[token]
            self._used = []
        elif self._angles:
            self._angles -= 1
        else:
            self._used.append(self._by_token[token])
            if self._operands > 0:
                self._operands -= 1
                if not self._operands:
                    if self._kind == "measure":
                        self._so_far.measured.add(self._used[0])
                    self._used = []
