"""A table dealt to clients: rows to learn from and rows to test on, as states, with the classical baselines on the very same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.averaging import Averaged, FederatedAveraging
from bitket.quantum.learning.federated.circuit_model import CircuitModel
from bitket.quantum.learning.federated.client import Client, named_generator
from bitket.quantum.learning.federated.encoding import AmplitudeScale, Floats
from bitket.quantum.learning.federated.history import Observer
from bitket.quantum.learning.federated.operator_model import Batch, OperatorModel, Samples

__all__ = ["DealtTable", "ModelKind", "new_model", "split_rows"]

ModelKind = Literal["operator", "circuit"]
Rows = NDArray[np.int64]


def split_rows(y: Rows, share: float, generator: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows to learn from and to test on, with ``share`` of each class (rounded, one row at least stays to learn from) in the latter.

    Raises
    ------
    InvalidInput
        Nothing is left to test on.
    """
    test = []
    for label in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == label))
        test.append(rows[: min(len(rows) - 1, round(share * len(rows)))])
    chosen = np.sort(np.concatenate(test))
    if not len(chosen):
        raise InvalidInput(f"{len(y)} rows of {len(test)} classes: too few to keep some for a test")
    return np.setdiff1d(np.arange(len(y)), chosen), chosen


def new_model(
    kind: ModelKind, qubits: int, classes: int, layers: int = 2, seed: int = 0
) -> OperatorModel | CircuitModel:
    """A model before training: the zero operator, or layers of RY and RZ with CX between, at small random angles.

    Raises
    ------
    InvalidInput
        More classes than the model tells apart.
    """
    if kind == "operator":
        return OperatorModel(qubits, classes)
    if classes != 2:
        raise InvalidInput(f"{classes} classes: the circuit model tells two apart; the operator model takes more")
    from bitket.quantum.circuits import Circuit, Parameter, efficient_su2

    circuit = efficient_su2(qubits, layers) if qubits > 1 else Circuit(1).ry(Parameter("a"), 0).rz(Parameter("b"), 0)
    draw = named_generator(seed, "angles", kind)
    return CircuitModel(circuit, draw.normal(0, 0.1, len(circuit.weights)))


@dataclass(frozen=True, eq=False)
class DealtTable:
    """Features ``x`` and labels ``y`` of all rows, rows of each client by its name, rows to test on, and the map to amplitudes.

    The map is fitted on all rows to learn from, as a server would on a table of its own that looks like them.
    """

    x: Floats
    y: Rows
    classes: int
    clients: Mapping[str, Rows]
    test: Rows
    scale: AmplitudeScale

    @classmethod
    def deal(cls, x: Floats, y: Rows, classes: int, clients: Mapping[str, Rows], test: Rows, qubits: int) -> DealtTable:
        """Fit the map on the clients' rows."""
        learned = np.sort(np.concatenate(list(clients.values())))
        return cls(x, y, classes, clients, test, AmplitudeScale.fit(x[learned], qubits))

    @property
    def learned(self) -> Rows:
        """Rows of all clients."""
        return np.sort(np.concatenate(list(self.clients.values())))

    def samples(self, model: OperatorModel | CircuitModel, rows: Rows) -> Samples:
        """States and targets of rows."""
        return Samples(self.scale.states(self.x[rows]), model.target(self.y[rows]))

    def parties(
        self, model: OperatorModel | CircuitModel, batch: Batch = "superposition", seed: int = 0
    ) -> list[Client]:
        """The clients, which share nothing of the model but its chip and reference."""
        return [
            Client(name, self.samples(model, rows), model.chip, reference=model.reference, batch=batch, seed=seed)
            for name, rows in self.clients.items()
        ]

    def observer(self, model: OperatorModel | CircuitModel) -> Observer:
        """Loss over all clients' rows, accuracy on the test rows."""
        return Observer(self.samples(model, self.learned), self.scale.states(self.x[self.test]), self.y[self.test])

    # -- baselines --------------------------------------------------------------------------------------------------
    def _components(self, rows: Rows) -> Floats:
        """Principal components scaled to a root mean square of 1 of the first: what federated averaging learns from."""
        z = (self.x[rows] - self.scale.centre) @ self.scale.directions.T
        return np.asarray(z / (2 * self.scale.constant / np.sqrt(len(self.scale.directions))))

    def averaging(
        self, rounds: int, settings: FederatedAveraging | None = None, seed: int = 0
    ) -> tuple[Averaged, float]:
        """Federated averaging of softmax regressions on the same components, and its test accuracy."""
        settings = settings or FederatedAveraging()
        parts = [(self._components(rows), self.y[rows]) for rows in self.clients.values()]
        generators = [named_generator(seed, "averaging", name) for name in self.clients]
        test, labels = self._components(self.test), self.y[self.test]

        def observe(weights: Floats) -> float:
            return float((settings.predict(weights, test) == labels).mean())

        done = settings.run(parts, self.classes, rounds, generators, observe)
        return done, observe(done.weights)

    def central_accuracy(self) -> float:
        """Test accuracy of logistic regression on the same components with all rows in one place."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=5000).fit(self._components(self.learned), self.y[self.learned])
        return float(model.score(self._components(self.test), self.y[self.test]))
