"""What the tests of federated learning share: random samples, a table dealt to clients, a federation over it."""

import numpy as np

from bitket.data import load
from bitket.quantum.learning.federated import Federation, OperatorModel, Samples, Server, evenly
from bitket.quantum.learning.federated.tables import DealtTable, split_rows


def units(shape, draw):
    x = draw.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def random_samples(n, count, draw):
    return Samples(units((count, 2**n), draw), units((count, 2**n), draw))


def signed_samples(n, count, draw):
    return Samples(units((count, 2**n), draw), draw.choice([-1.0, 1.0], count))


def dealt(name="breast_cancer", deal=None, clients=4, qubits=3, seed=0):
    table, draw = load(name), np.random.default_rng(seed)
    kept, test = split_rows(table.y, 0.3, draw)
    parts = (deal or (lambda y, c, g: evenly(len(y), c, g)))(table.y[kept], clients, draw)
    named = {f"client {k:02d}": kept[rows] for k, rows in enumerate(parts)}
    return DealtTable.deal(table.X, table.y, len(table.classes), named, test, qubits)


def federation(
    table, channel=None, *, eta=1.0, rule="estimated", batch="superposition", asynchronous=False, seed=0, **options
):
    model = OperatorModel(table.scale.qubits, table.classes)
    server = Server(model, rule, eta, asynchronous=asynchronous, seed=seed)
    return Federation(
        server, table.parties(model, batch, seed), channel, observer=table.observer(model), seed=seed, **options
    )


def central_descent(table, rounds, eta):
    """Full-batch gradient descent with all rows in one place, written out."""
    model = OperatorModel(table.scale.qubits, table.classes)
    samples = table.samples(model, table.learned)
    operator = np.zeros((model.chip.size, model.chip.size))
    for _ in range(rounds):
        errors = samples.states @ operator.T - samples.targets
        operator = operator - eta * errors.T @ samples.states / len(samples)
    return operator
