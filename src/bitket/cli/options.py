"""What options may hold: one table of the ranges of numbers, and the choices, which the help, the errors and the shell's completion list.

Every number of the command line has its range here; a test walks all verbs and sees to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from bitket.cli.folders import require_writable
from bitket.errors import InvalidInput
from bitket.files import require_file, require_folder

__all__ = [
    "RANGES",
    "Ansatz",
    "Attack",
    "Classifier",
    "Constraint",
    "FederatedModel",
    "FederatedRule",
    "Figure",
    "Formalism",
    "Gradient",
    "Json",
    "Latent",
    "Mapping",
    "Measurement",
    "Mitigation",
    "NetworkFormat",
    "Out",
    "Quantization",
    "Range",
    "Scheduling",
    "Search",
    "Seed",
    "Simulation",
    "Tokens",
    "choice",
    "file",
    "folder",
    "number",
    "require_picture",
]


@dataclass(frozen=True)
class Range:
    """A kind of number, its bounds (the lower one left out where ``above``), and what the help calls it."""

    word: str
    low: float
    high: float
    whole: bool = True
    above: bool = False

    def __call__(self, text: Any) -> Any:
        """The number that a text stands for.

        Raises
        ------
        ValueError
            It is none, not whole where a count is due, or out of its range; the message says what is allowed.
        """
        if not isinstance(text, str):  # a default
            return text
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:  # a text of more than thousands of digits too
            value = math.nan
        if not self.low <= value <= self.high or (self.above and value == self.low):  # never true of nan
            raise ValueError(f"{text[:40]!r} is not {self}")
        return value

    def __str__(self) -> str:
        low, high = (int(x) if self.whole else format(x, ".12g") for x in (self.low, self.high))
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} above {low}, up to {high}" if self.above else f"{kind} from {low} to {high}"


EXACT = 2**53  # every whole number up to here is a double

RANGES = {
    "seed": Range("SEED", 0, 2**63 - 1),
    "shots": Range("COUNT", 1, EXACT),
    "jobs": Range("COUNT", 1, 1024),
    "evaluations": Range("COUNT", 1, EXACT),
    "words": Range("WORDS", 1, EXACT),
    "weight": Range("WEIGHT", 1, 1_000_000),
    "distance": Range("DISTANCE", 1, 1_000_000),
    "ansatz layers": Range("COUNT", 1, 1000),
    "rotations": Range("COUNT", 1, 100_000),
    "episodes": Range("COUNT", 1, 10_000_000),
    "charge": Range("CHARGE", -100, 100),
    "unpaired electrons": Range("COUNT", 0, 100),
    "bond length": Range("ÅNGSTRÖM", 0, 1000, whole=False, above=True),
    "memories": Range("COUNT", 1, 1_000_000),
    "simulated seconds": Range("SECONDS", 0, 1e7, whole=False, above=True),
    "coherence": Range("T1,T2", 0, 1e12, whole=False, above=True),
    "order": Range("COUNT", 1, 10_000),
    "seconds": Range("SECONDS", 0, 1e7, whole=False),
    "key bits": Range("BITS", 1, 10**10),
    "hash bits": Range("BITS", 8, 8192),
    "width": Range("NUMBER", 8, 16_384),
    "network layers": Range("COUNT", 1, 1000),
    "context": Range("TOKENS", 8, 1_000_000),
    "epochs": Range("COUNT", 1, 1_000_000),
    "learning rate": Range("RATE", 0, 10, whole=False, above=True),
    "qubits": Range("COUNT", 1, 10_000),
    "files": Range("COUNT", 1, 1_000_000),
    "lines": Range("COUNT", 1, 1_000_000),
    "tokens": Range("COUNT", 1, 1_000_000),
    "temperature": Range("NUMBER", 0, 1000, whole=False, above=True),
    "clients": Range("COUNT", 1, 1000),
    "data qubits": Range("COUNT", 1, 6),
    "rounds": Range("COUNT", 1, 1_000_000),
    "decoys": Range("COUNT", 0, 1_000_000),
    "probability": Range("PROBABILITY", 0, 1, whole=False),
    "concentration": Range("ALPHA", 0, 1e6, whole=False, above=True),
    "waiting": Range("SECONDS", 0, 1e6, whole=False, above=True),
    "folds": Range("COUNT", 2, 10_000),
    "seeds": Range("COUNT", 1, 10_000),
    "components": Range("COUNT", 1, 10_000),
    "pixels": Range("PIXELS", 1, 4096),
    "batch": Range("COUNT", 1, 1_000_000),
    "perturbation": Range("NUMBER", 0, 1e9, whole=False, above=True),
}
"""The ranges of all numbers."""


def number(of: str, *names: str, help: str) -> Any:
    """An option that takes a number of `RANGES`."""
    return typer.Option(*names, parser=RANGES[of], metavar=RANGES[of].word, help=help)


def file(word: str = "FILE", *names: str, help: str) -> Any:
    """An argument, or an option of these names, whose file must be readable: looked at first of all."""
    return _looked_at(require_file, word, names, help)


def folder(word: str = "FOLDER", *names: str, help: str) -> Any:
    """An argument, or an option of these names, whose folder must be readable: looked at first of all."""
    return _looked_at(require_folder, word, names, help)


def _looked_at(look: Any, word: str, names: tuple[str, ...], help: str) -> Any:
    if names:
        return typer.Option(*names, parser=look, metavar=word, help=help)
    return typer.Argument(parser=look, metavar=word, help=help)


def choice(of: Any, word: str, *names: str, help: str) -> Any:
    """An option that takes one of the choices of a `Literal`; its help lists them."""
    first, last = ", ".join(get_args(of)[:-1]), get_args(of)[-1]
    return typer.Option(*names, metavar=word, help=f"{help}: {first} or {last}.")


Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Figure = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw into this file (.svg, .png or .pdf).")]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of run folders.")]
Seed = Annotated[int, number("seed", help="Seed of all randomness.")]

# As the rooms that take them know them, which are not imported for a line of help; a test compares.
Ansatz = Literal["adapt", "search", "efficient-su2", "real-amplitudes"]
Attack = Literal["fgsm", "bim", "pgd", "pgd-l2", "masked"]
Classifier = Literal[
    "kernel", "vqc", "variational", "interleaved", "hqnn-parallel", "hqnn-quanv", "transfer", "cnn", "svm", "logistic"
]
Constraint = Literal["grammar", "paper", "none"]
FederatedModel = Literal["operator", "circuit"]
FederatedRule = Literal["estimated", "coherent"]
Formalism = Literal["fidelity", "bell", "density", "ket"]
Gradient = Literal["auto", "adjoint", "parameter_shift", "backprop"]
Latent = Literal[
    "qaoa", "qaoa-multi", "qaoa-fixed", "hardware-efficient", "real-amplitudes", "strongly-entangling", "product", "random",
    "identity", "sine", "repeated", "dense", "wide",
]  # fmt: skip
Mapping = Literal["jordan_wigner", "parity", "bravyi_kitaev"]
Measurement = Literal[
    "shadows", "biased", "diagram", "adaptive", "derandomised", "derandomised-biased", "derandomised-diagram", "groups"
]
Mitigation = Literal["linear", "polynomial", "richardson", "exponential"]
NetworkFormat = Literal["safetensors", "onnx", "pt2"]
Quantization = Literal["w8a8", "w4a8", "gptq", "learned-rounding", "hawq", "hawq-v2", "all"]
Scheduling = Literal["pts-np-edf", "pts-cedf", "pts-pb", "rcpsp-np-edf", "rcpsp-np-fpr", "rcpsp-pbs", "rcpsp-pb"]
Search = Literal["ppo", "annealing", "classical", "generators", "hastings"]
Simulation = Literal["batched", "event"]
Tokens = Literal["line", "gate"]


def require_picture(path: Path | None) -> None:
    """Refuse, before any work, a figure whose name says no format or that could not be written.

    Raises
    ------
    InvalidInput
        So it is.
    """
    if path is not None:
        if path.suffix not in (".svg", ".png", ".pdf"):
            raise InvalidInput(f"--figure {path}: a name that ends in .svg, .png or .pdf is needed")
        require_writable(path)
