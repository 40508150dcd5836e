"""Corpora of OpenQASM 2 files: the generators of MQT Bench (Quetschlich, Burgholzer and Wille 2023, arXiv:2204.13719), or a user's folder.

A corpus holds each file after one preprocessing: comment lines and blank lines dropped, white space at the ends of lines dropped,
files that then equal an earlier one dropped. Nothing is written to disk and nothing is downloaded.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bitket.errors import InvalidInput, MissingExtra
from bitket.files import read_text, require_folder

__all__ = ["MQT_FAMILIES", "NOT_OFFERED", "QasmCorpus", "preprocess"]

MQT_FAMILIES = tuple(
    "ae dj ghz graphstate grover qaoa qft qftentangled qnn qpeexact qpeinexact qwalk vqe_real_amp vqe_su2 vqe_two_local wstate".split()
)
"""Families of algorithms that MQT Bench 2 generates for any number of qubits, of those that KetGPT was trained on."""
NOT_OFFERED = {
    "grover-v-chain": "MQT Bench 2 has one Grover circuit, without ancillas",
    "qwalk-v-chain": "MQT Bench 2 has one quantum walk, without ancillas",
    "portfolioqaoa": "not in MQT Bench 2",
    "portfoliovqe": "not in MQT Bench 2",
    "groundstate": "not in MQT Bench 2",
    "pricingcall": "not in MQT Bench 2",
    "pricingput": "not in MQT Bench 2",
}
"""Families of KetGPT's corpus that no generator exists for any more."""
_BASIS = "u3 u2 u1 cx id x y z h s sdg t tdg rx ry rz cz cy ch swap ccx cswap crx cry crz cu1 cu3 sx sxdg p u cp rzz rxx".split()
_SEED = 10  # that of MQT Bench's own random parameters
_REGISTER = re.compile(r"^\s*qreg\s+\w+\s*\[\s*(\d+)\s*\]\s*;", re.MULTILINE)


def preprocess(text: str) -> str:
    """The text without lines that are blank or begin with ``/``, each line ended by one newline.

    >>> preprocess("// made by hand\\nh q[0];  \\n\\n  cx q[0],q[1];")
    'h q[0];\\n  cx q[0],q[1];\\n'
    """
    lines = (line.rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.lstrip().startswith("/"))


@dataclass(frozen=True, eq=False)
class QasmCorpus:
    """Circuit files.

    Attributes
    ----------
    names, families, texts
        Of each file: its name, its family of algorithms, and its preprocessed text.
    left_out
        What is not in the corpus, and why.
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    texts: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def from_mqt_bench(
        cls, families: Sequence[str] = MQT_FAMILIES, qubits: Iterable[int] = range(2, 21), *, max_lines: int = 1024
    ) -> QasmCorpus:
        """Circuits of MQT Bench, written in the gates of qelib1.inc (Qiskit's transpiler, level 1).

        Parameters
        ----------
        families
            Of `MQT_FAMILIES`, or any other generator of the installed package.
        qubits
            Sizes to ask of each family.
        max_lines
            Files of so many lines or more are left out, and larger sizes of their family with them.

        Raises
        ------
        InvalidInput
            A family or size is unknown, or no circuit is left.
        MissingExtra
            The package mqt.bench is not installed.
        """
        try:
            from mqt.bench.benchmark_generation import get_benchmark_alg
            from mqt.bench.benchmarks import get_available_benchmark_names
            from qiskit import qasm2
            from qiskit.transpiler import generate_preset_pass_manager
        except ModuleNotFoundError:
            raise MissingExtra("circuits of MQT Bench: pip install 'bitket[circuits]'") from None
        known, sizes = get_available_benchmark_names(), sorted(set(qubits))
        for family in families:
            if family in NOT_OFFERED or family not in known:
                raise InvalidInput(
                    f"family '{family}': {NOT_OFFERED.get(family, 'unknown to MQT Bench')}; there are {', '.join(known)}"
                )
        if not sizes or sizes[0] < 1:
            raise InvalidInput(f"qubits {sizes[:1]}: sizes of 1 or more are needed")

        # Made once: for small circuits it takes longer than what it does.
        passes = generate_preset_pass_manager(1, basis_gates=_BASIS, seed_transpiler=_SEED)

        def made(family: str, n: int) -> str:
            generator = import_module(f"mqt.bench.benchmarks.{family}").create_circuit
            seeded: dict[str, Any] = {"seed": _SEED} if "seed" in inspect.signature(generator).parameters else {}
            before = random.getstate()  # some generators seed Python's own
            try:
                circuit = get_benchmark_alg(family, n, **seeded)
            finally:
                random.setstate(before)
            return qasm2.dumps(passes.run(circuit))

        found, left_out = _generated(families, sizes, max_lines, made)
        return cls._of(found, left_out | NOT_OFFERED)

    @classmethod
    def from_folder(cls, path: str | Path) -> QasmCorpus:
        """All files ``*.qasm`` of a folder and the folders in it, in the order of their names.

        The family of ``ghz_indep_qiskit_5.qasm`` is ``ghz``: what stands before the first underscore or number.

        Raises
        ------
        InvalidInput
            There is no such folder, no file in it, or a file that is not OpenQASM 2 as UTF-8 text.
        """
        folder = Path(path)
        require_folder(folder)
        found = []
        for file in sorted(folder.rglob("*.qasm")):
            text = preprocess(read_text(file))
            if not re.match(r"\s*OPENQASM\s+2(\.0)?\s*;", text):
                raise InvalidInput(f"{file}: the first statement must be 'OPENQASM 2.0;'")
            family = re.split(r"[_\d]", file.stem, maxsplit=1)[0] or file.stem
            found.append((str(file.relative_to(folder)), family, text))
        if not found:
            raise InvalidInput(f"{folder}: there is no .qasm file")
        return cls._of(found, {})

    @classmethod
    def _of(cls, found: Sequence[tuple[str, str, str]], left_out: dict[str, str]) -> QasmCorpus:
        kept: dict[str, tuple[str, str]] = {}
        for name, family, text in found:
            if text in kept:
                left_out[name] = f"equal to {kept[text][0]}"
            kept.setdefault(text, (name, family))
        if not kept:
            first = next((f"; left out: {name}, {why}" for name, why in left_out.items()), "")
            raise InvalidInput(f"the corpus is empty{first}")
        names, families = zip(*kept.values(), strict=True)
        return cls(names, families, tuple(kept), left_out)

    # -- reading ----------------------------------------------------------------------------------------------------
    def lines(self, k: int) -> list[str]:
        """Lines of file ``k``, each with its newline."""
        return self.texts[k].splitlines(keepends=True)

    @property
    def sizes(self) -> np.ndarray:
        """Qubits of the first register and number of lines of each file, ``[N, 2]``."""
        return np.array([(_first_register(text), text.count("\n")) for text in self.texts])

    # -- parts ------------------------------------------------------------------------------------------------------
    def take(self, places: Iterable[Any]) -> QasmCorpus:
        """The files of some places."""
        chosen = [int(k) for k in places]
        if not chosen:
            raise InvalidInput("part of a corpus: at least one file is needed")
        names, families, texts = (tuple(part[k] for k in chosen) for part in (self.names, self.families, self.texts))
        return replace(self, names=names, families=families, texts=texts)

    def shorter_than(self, max_lines: int) -> QasmCorpus:
        """The files of fewer lines."""
        kept = [k for k, text in enumerate(self.texts) if text.count("\n") < max_lines]
        if not kept:
            raise InvalidInput(f"no file of the corpus has fewer than {max_lines} lines")
        return self.take(kept)

    def map(self, function: Callable[[str, str], str]) -> QasmCorpus:
        """The corpus of ``function(text, name)``; what then is equal is kept once."""
        found = [
            (n, f, preprocess(function(t, n))) for n, f, t in zip(self.names, self.families, self.texts, strict=True)
        ]
        return self._of(found, dict(self.left_out))

    def split(self, share: float, generator: np.random.Generator) -> tuple[QasmCorpus, QasmCorpus]:
        """Two parts, the second with this share of every family's files, drawn at random.

        Raises
        ------
        InvalidInput
            A part would be empty.
        """
        held: list[int] = []
        owed = 0.0  # what rounding has kept from the families so far
        for family in sorted(set(self.families)):
            places = generator.permutation([k for k, f in enumerate(self.families) if f == family])
            owed += share * len(places)
            count = min(len(places), max(0, round(owed)))
            owed -= count
            held += places[:count].tolist()
        if not 0 < len(held) < len(self):
            raise InvalidInput(f"a share of {share} of {len(self)} files: both parts need at least one")
        kept = sorted(set(range(len(self))) - set(held))
        return self.take(kept), self.take(sorted(held))


def _generated(
    families: Sequence[str], sizes: Sequence[int], max_lines: int, made: Callable[[str, int], str]
) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    found, left_out = [], {}
    for family in families:
        for n in sizes:
            name = f"{family}_{n}"
            try:
                text = preprocess(made(family, n))
            except Exception as error:  # sizes that a generator does not take, with errors of many kinds
                left_out[name] = f"its generator refuses: {' '.join(str(error).split())[:100]}"
                continue
            if text.count("\n") >= max_lines:
                left_out[name] = f"{max_lines} lines or more, as larger ones of this family"
                break
            found.append((name, family, text))
    return found, left_out


def _first_register(text: str) -> int:
    match = _REGISTER.search(text)
    return int(match.group(1)) if match else 0
