"""Classifiers with many features on few qubits: data and trained angles take turns in one circuit (Ren et al. 2022, arXiv:2204.01738).

Columns of RX and RZ on all qubits, gathered into blocks that each end in CNOTs; one qubit is read, p(second class) = <(1 - Z)/2>.

    "sum"             blocks of r times (RX, RZ); every angle is x_k + θ_k: 2 n Σr features share the gates of as many trained angles
    "separate"        blocks of r columns of data, then r trained ones, RX and RZ in turn: n Σr of each
    "encoding_first"  the same gates, all data before all trained angles

The paper's chip has n = 10, r = (4, 3, 3, 3) with "sum" (260 angles); its comparison of encodings r = (3,) * 9 (540). Features are images
over their 2-norm, times T = 2; every data angle is π plus its feature, and slots without one are π.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.learning.differentiable import log_probabilities
from bitket.quantum.learning.module_classifier import DTYPES, ModuleClassifier
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import QuantumLayer

__all__ = [
    "InterleavedClassifier",
    "InterleavedModule",
    "NormalisedFeatures",
    "RowByRow",
    "Sharing",
    "chip_angles",
    "interleaved_circuit",
    "superconducting_noise",
]

Array = NDArray[np.float64]
Sharing = Literal["sum", "separate", "encoding_first"]
_BLOCKS: dict[str, tuple[int, ...]] = {"sum": (4, 3, 3, 3), "separate": (3,) * 9, "encoding_first": (3,) * 9}
_COUPLINGS = ((0, 1), (2, 3), (4, 5), (7, 9), (1, 2), (3, 4), (5, 7), (5, 6), (7, 8))
"""CNOTs of the paper's comparison of encodings, on its 10 qubits."""
_MOST_QUBITS = 20


def interleaved_circuit(
    n_qubits: int = 10,
    blocks: int | Sequence[int] | None = None,
    sharing: Sharing = "sum",
    couplings: Sequence[tuple[int, int]] | None = None,
) -> Circuit:
    """The circuit: inputs and weights in the order of its gates, column by column, qubit 0 first.

    Parameters
    ----------
    n_qubits
        From 2 to 20.
    blocks
        Repetitions r of each block, or a number of blocks with three each; None: the paper's.
    sharing
        ``"sum"``, ``"separate"`` or ``"encoding_first"``, as above.
    couplings
        Control and target of each CNOT that ends a block. None: the paper's, which on a line are (0, 1), (2, 3), ... and then (1, 2),
        (3, 4), ...

    Raises
    ------
    InvalidInput
        A number, name or pair is out of range.

    Examples
    --------
    >>> c = interleaved_circuit()
    >>> len(c.inputs), len(c.weights), c.count_ops()["cx"]
    (260, 260, 36)
    """
    if not (_whole(n_qubits) and 2 <= n_qubits <= _MOST_QUBITS):
        raise InvalidInput(f"interleaved classifier of {n_qubits!r} qubits: 2 to {_MOST_QUBITS} are possible")
    if not isinstance(sharing, str) or sharing not in _BLOCKS:
        raise InvalidInput(f"interleaved classifier: sharing {sharing!r}; {', '.join(map(repr, _BLOCKS))} are known")
    repetitions = _repetitions(blocks, sharing)
    pairs = _pairs(n_qubits, sharing, couplings)
    kinds: list[str] = []  # of each column: its gate's name
    ends: list[int] = []  # columns after which the CNOTs come
    for r in repetitions:
        kinds += ["rx", "rz"] * r if sharing == "sum" else [("rx", "rz")[k % 2] for k in range(r)] * 2
        ends.append(len(kinds))
    c = Circuit(n_qubits, name="interleaved")
    inputs = weights = 0
    for column, kind in enumerate(kinds):
        data, trained = _roles(column, len(kinds), repetitions, sharing)
        for q in range(n_qubits):
            angle: Any = 0.0
            if trained:
                angle, weights = angle + Parameter(f"w{weights}"), weights + 1
            if data:
                angle, inputs = angle + Parameter(f"x{inputs}", "input"), inputs + 1
            getattr(c, kind)(angle, q)
        if column + 1 in ends:
            for control, target in pairs:
                c.cx(control, target)
    return c


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _repetitions(blocks: int | Sequence[int] | None, sharing: str) -> tuple[int, ...]:
    if blocks is None:
        return _BLOCKS[sharing]
    listed: Any = (3,) * min(int(blocks), 1000) if _whole(blocks) else blocks  # type: ignore[arg-type]
    listed = listed if isinstance(listed, Sequence) and not isinstance(listed, str) else ()
    if listed and all(_whole(r) and r >= 1 for r in listed) and sum(listed) <= 1000:
        return tuple(int(r) for r in listed)
    raise InvalidInput(
        f"interleaved classifier: blocks {blocks!r}; a number of blocks, or of repetitions in each, is needed (1000 in all at most)"
    )


def _pairs(n: int, sharing: str, couplings: Sequence[tuple[int, int]] | None) -> tuple[tuple[int, int], ...]:
    if couplings is None:
        if sharing != "sum" and n == 10:
            return _COUPLINGS
        return tuple((q, q + 1) for start in (0, 1) for q in range(start, n - 1, 2))
    pairs = tuple(tuple(pair) if isinstance(pair, Sequence) else (pair,) for pair in couplings)
    for pair in pairs:
        if len(pair) != 2 or not all(_whole(q) and 0 <= q < n for q in pair) or pair[0] == pair[1]:
            raise InvalidInput(f"interleaved classifier: coupling {pair}; two different qubits below {n} are needed")
    return tuple((int(a), int(b)) for a, b in pairs)


def _roles(column: int, columns: int, repetitions: tuple[int, ...], sharing: str) -> tuple[bool, bool]:
    """Whether a column's angles hold data, and whether they hold trained angles."""
    if sharing == "sum":
        return True, True
    if sharing == "encoding_first":
        return column < columns // 2, column >= columns // 2
    for r in repetitions:
        if column < 2 * r:
            return column < r, column >= r
        column -= 2 * r
    raise AssertionError("no such column")


class NormalisedFeatures(torch.nn.Module):
    """``T x / |x|`` for samples ``[B, ...]``, flattened; a sample of zeros stays zero.

    >>> NormalisedFeatures(2.0)(torch.tensor([[[3.0, 4.0]]]))
    tensor([[1.2000, 1.6000]])
    """

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        number = isinstance(temperature, int | float | np.floating) and not isinstance(temperature, bool)
        if not (number and 0 < temperature < math.inf):
            raise InvalidInput(f"features: temperature {temperature!r}; a positive number is needed")
        self.temperature = float(temperature)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features ``[B, d]``."""
        flat = x.reshape(len(x), math.prod(x.shape[1:]))
        return self.temperature * flat / torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp_min(1e-12)


class InterleavedModule(torch.nn.Module):
    """From features ``[B, d]`` to logits ``[B, 2]``: the logarithms of the read qubit's probabilities.

    Parameters
    ----------
    n_qubits, blocks, sharing, couplings
        As of `interleaved_circuit`.
    readout
        Qubit that is read.
    weights
        Start values; by default uniform in [0, 1) from ``generator``, as the paper's are.
    noise, shots, dtype
        As of `QuantumLayer`.

    Attributes
    ----------
    layer
        The `QuantumLayer`, with output <Z> of the read qubit.
    slots
        The number of features that can be taken.

    Raises
    ------
    InvalidInput
        A setting is out of range; when called: more features than slots.
    """

    def __init__(
        self,
        n_qubits: int = 10,
        blocks: int | Sequence[int] | None = None,
        sharing: Sharing = "sum",
        readout: int = 4,
        couplings: Sequence[tuple[int, int]] | None = None,
        *,
        weights: ArrayLike | torch.Tensor | None = None,
        generator: torch.Generator | None = None,
        noise: NoiseModel | None = None,
        shots: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        circuit = interleaved_circuit(n_qubits, blocks, sharing, couplings)
        if not (_whole(readout) and 0 <= readout < n_qubits):
            raise InvalidInput(
                f"interleaved classifier: readout {readout!r}; a qubit from 0 to {n_qubits - 1} is needed"
            )
        if weights is None and generator is not None:
            weights = torch.rand(len(circuit.weights), generator=generator, dtype=dtype)
        z = PauliSum.from_sparse([("Z", [int(readout)], 1.0)], n_qubits)
        self.layer = QuantumLayer(
            circuit, z, weights=weights, generator=generator, noise=noise, shots=shots, dtype=dtype
        )
        self.slots = len(circuit.inputs)

    def expectations(self, x: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """<Z> of the read qubit ``[B]``, with other weights than the module's if they are given."""
        flat = x.reshape(len(x), math.prod(x.shape[1:]))
        if flat.shape[1] > self.slots:
            raise InvalidInput(
                f"interleaved classifier: samples of {flat.shape[1]} features; the circuit has slots for {self.slots}"
            )
        angles = torch.nn.functional.pad(flat, (0, self.slots - flat.shape[1])) + math.pi
        angles = angles.to(self.layer.weights.dtype)
        return (self.layer(angles) if weights is None else self.layer.values(weights, angles))[..., 0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, 2]``."""
        return log_probabilities((1 - self.expectations(x)) / 2)


class RowByRow(torch.nn.Module):
    """An `InterleavedModule` that is trained as on the chip: each step moves the angles of one qubit, and the qubits take turns.

    Every qubit's angles are a parameter of their own, of which one at a time has a gradient, so an optimiser keeps moments and counts for
    each. `merge` writes the angles back into the module.
    """

    turn: torch.Tensor

    def __init__(self, module: InterleavedModule) -> None:
        super().__init__()
        self._module = (module,)  # in a tuple: its own copy of the weights is not trained
        columns = module.layer.weights.detach().reshape(-1, module.layer.circuit.num_qubits)
        self.rows = torch.nn.ParameterList(torch.nn.Parameter(column.clone()) for column in columns.T)
        self.register_buffer("turn", torch.tensor(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, 2]``; in training, with a gradient for the row whose turn it is."""
        rows = list(self.rows)
        if self.training:
            rows = [row if q == int(self.turn) else row.detach() for q, row in enumerate(rows)]
            self.turn = (self.turn + 1) % len(rows)
        weights = torch.stack(rows, 1).reshape(-1)
        return log_probabilities((1 - self._module[0].expectations(x, weights)) / 2)

    def merge(self) -> InterleavedModule:
        """The module, with the angles as they are now."""
        (module,) = self._module
        with torch.no_grad():
            module.layer.weights.copy_(torch.stack(list(self.rows), 1).reshape(-1))
        return module


class InterleavedClassifier(ModuleClassifier):
    """Two classes by one qubit of an interleaved circuit; see `ModuleClassifier` for training and attributes.

    Parameters
    ----------
    n_qubits, blocks, sharing, readout, couplings
        As of `InterleavedModule`. There are 2 n Σr slots for features (``"sum"``) or n Σr.
    temperature
        T of the scaling T x / |x|.

    Examples
    --------
    >>> X = np.array([[1.0, 0.1], [0.9, 0.2], [0.1, 0.8], [0.2, 1.0]])
    >>> model = InterleavedClassifier(2, 1, readout=0, epochs=40, learning_rate=0.1).fit(X, ["wide", "wide", "tall", "tall"])
    >>> model.predict([[3.0, 0.3]]).tolist()
    ['wide']
    """

    _binary: ClassVar[bool] = True

    def __init__(
        self,
        n_qubits: int = 10,
        blocks: int | Sequence[int] | None = None,
        sharing: Sharing = "sum",
        readout: int = 4,
        couplings: Sequence[tuple[int, int]] | None = None,
        temperature: float = 2.0,
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 1e-2,
        patience: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: int | np.random.Generator | None = 0,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        super().__init__(epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype)
        self.n_qubits = n_qubits
        self.blocks = blocks
        self.sharing = sharing
        self.readout = readout
        self.couplings = couplings
        self.temperature = temperature

    def _scaling(self, x: Array) -> torch.nn.Module:
        return NormalisedFeatures(self.temperature)

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        settings = (self.n_qubits, self.blocks, self.sharing, self.readout, self.couplings)
        module = InterleavedModule(*settings, generator=generator, dtype=DTYPES[self.dtype])
        if math.prod(shape) > module.slots:
            raise InvalidInput(
                f"InterleavedClassifier: samples of {math.prod(shape)} features; the circuit has slots for {module.slots}: "
                "use smaller images, more qubits or more blocks"
            )
        return module


def superconducting_noise(one_qubit: float = 0.9994, two_qubit: float = 0.994) -> NoiseModel:
    """Depolarising noise of gates with given average fidelities; by default those of the paper's chip.

    Of a channel that replaces d levels by the maximally mixed state with probability p, the average fidelity is 1 - p (d - 1)/d.

    >>> [round(rule.channel.average_fidelity(), 6) for rule in superconducting_noise().rules]
    [0.9994, 0.994]
    """
    for name, fidelity in (("one-qubit", one_qubit), ("two-qubit", two_qubit)):
        if not 0.25 <= fidelity <= 1:
            raise InvalidInput(f"noise: {name} fidelity {fidelity}; a number from 0.25 to 1 is needed")
    return NoiseModel.depolarizing(2 * (1 - one_qubit), 4 / 3 * (1 - two_qubit))


def chip_angles() -> dict[str, Array]:
    """What the authors published of their chip (MIT licence, W. Li and contributors 2022): two sets of angles and two of their images.

    Returns
    -------
    dict
        ``trained`` and ``defended``, angles ``[260]`` before and after adversarial training; ``hand`` and ``breast``, features ``[256]`` of
        norm 2, made from MedNIST.
    """
    with np.load(Path(__file__).with_name("chip.npz"), allow_pickle=False) as stored:
        return {name: np.asarray(stored[name]) for name in stored.files}
