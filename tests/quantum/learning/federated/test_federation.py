"""Federations in one process: exactness, costs, asynchrony, who sees what, absences."""

import ast
import inspect
import math

import numpy as np
import pytest
from tests.quantum.learning.federated.scenes import central_descent, dealt, federation

from bitket.errors import InvalidInput
from bitket.networks.timeline import Timeline
from bitket.quantum.learning.federated import (
    Client,
    Copies,
    Federation,
    Link,
    QuantumChannel,
    Server,
    by_dirichlet,
    by_label,
    client,
)
from bitket.quantum.learning.federated.tables import new_model

DEALS = {
    "evenly": None,
    "dirichlet": lambda y, c, g: by_dirichlet(y, c, 0.1, g),
    "label": by_label,
}


@pytest.mark.parametrize("deal", DEALS)
@pytest.mark.parametrize("clients", [1, 4, 20])
def test_exact_federation_is_central_descent(deal, clients):
    table = dealt(deal=DEALS[deal], clients=clients)
    made = federation(table, eta=1.5)
    history = made.run(100)
    assert np.abs(made.server.model.operator - central_descent(table, 100, 1.5)).max() < 1e-8
    assert len(history.rounds) == 100
    assert history.copies is None
    assert history.gradients == 100 * clients


@pytest.mark.parametrize("deal", ["evenly", "label"])
def test_exact_federation_of_the_circuit_model(deal):
    table = dealt("breast_cancer", DEALS[deal], clients=5, qubits=2)
    model = new_model("circuit", 2, 2, layers=1, seed=1)
    rows = table.samples(model, table.learned)
    central = new_model("circuit", 2, 2, layers=1, seed=1)
    # Central descent, the gradient by shifted values over all rows.
    for _ in range(100):
        shifted = central._shifted()
        means = np.zeros(shifted.shape[:2])
        signs = rows.targets
        for j, pair in enumerate(shifted):
            for b, u in enumerate(central.unitaries(pair)):
                means[j, b] = (signs * ((np.abs(rows.states @ u.T) ** 2) @ central._observable)).mean()
        central.parameters = central.parameters + 0.25 * (means[:, 0] - means[:, 1])
    Federation(Server(model, eta=1.0), table.parties(model)).run(100)
    assert np.abs(model.parameters - central.parameters).max() < 1e-8


def test_coherent_sums_step_as_readings_do_and_cost_what_they_cost():
    table = dealt(clients=3, deal=by_label)
    added, measured = federation(table, rule="coherent"), federation(table)
    history = added.run(20)
    measured.run(20)
    assert np.abs(added.server.model.parameters - measured.server.model.parameters).max() < 1e-9
    assert all(0 < r.probability < 1 for r in history.rounds)
    # The copies of one round: one old state and three gradients, each over its share, over the sum's probability.
    least = sum(math.log10((1 + 3 / max(r.share, 1e-9)) / r.probability) for r in history.rounds)
    assert history.log10_copies == pytest.approx(least, rel=0.02)
    assert history.log10_copies > 20


def test_finite_copies_come_near_and_are_counted():
    table = dealt(clients=3)
    made = federation(table, QuantumChannel(loss=0.02, decoys=5))
    history = made.run(10, 40_000)
    assert history.copies == 3 * 10 * 40_000
    for r in history.rounds:
        assert r.arrived < r.copies
        assert r.returned < r.kept
        assert r.kept / r.arrived == pytest.approx(r.share, abs=1e-3)
        assert r.qubits == 7 * (r.copies + r.kept) + 2 * 3 * 5
        assert 0 < r.error < 0.2
    exact = federation(table)
    exact.run(10)
    distance = np.linalg.norm(made.server.model.parameters - exact.server.model.parameters)
    spread = math.sqrt(sum(r.error**2 for r in history.rounds))
    assert 0.3 * spread < distance < 3 * spread
    again = federation(table, QuantumChannel(loss=0.02, decoys=5))
    again.run(10, 40_000)
    assert (again.server.model.parameters == made.server.model.parameters).all()


def test_accuracy_and_averaging_on_breast_cancer():
    table = dealt(clients=5, qubits=3)
    history = federation(table, eta=2.0).run(200)
    _, averaging = table.averaging(200)
    central = table.central_accuracy()
    assert history.rounds[-1].accuracy >= central - 0.02
    assert averaging >= central - 0.03


LINKS = {"work_s": 1.0, "jitter": 0.5, "distance_km": 100.0}


def test_asynchronous_steps_reach_the_loss_of_synchronous_ones():
    table = dealt(clients=6)
    names = list(table.clients)
    synchronous = federation(table, eta=1.0, links=dict.fromkeys(names, Link(**LINKS))).run(50)
    history = federation(table, eta=1.0, asynchronous=True, links=dict.fromkeys(names, Link(**LINKS))).run(100)
    reached = next(k for k, r in enumerate(history.rounds) if r.loss <= 1.1 * synchronous.rounds[-1].loss)
    assert sum(r.used for r in history.rounds[: reached + 1]) <= 2 * synchronous.gradients
    assert history.rounds[reached].seconds < synchronous.rounds[-1].seconds * 2


def test_too_large_a_step_diverges_and_says_so():
    table = dealt(clients=4)
    links = dict.fromkeys(table.clients, Link(**LINKS))
    for asynchronous in (False, True):
        history = federation(table, eta=40.0, asynchronous=asynchronous, links=links).run(200)
        assert history.diverged
        assert len(history.rounds) < 200
        assert "a smaller step than 40 is needed" in history.notes[-1]


def test_staleness_is_bounded():
    table = dealt(clients=6)
    slow = {name: Link(work_s=1.0 if k else 4.0) for k, name in enumerate(table.clients)}
    history = federation(table, asynchronous=True, links=slow).run(10)
    assert sum(r.dropped for r in history.rounds) > 0  # the slow client's answers are older than five updates
    assert history.gradients + sum(r.dropped for r in history.rounds) == 60


def test_absence_and_lateness_do_not_stop_a_round():
    table = dealt(clients=5)
    names = list(table.clients)
    links = {names[0]: Link(dropout=0.5), names[1]: Link(work_s=3.0), names[2]: Link(work_s=0.5, jitter=1.0)}
    for clock in (None, Timeline(3)):
        made = federation(table, links=links, deadline_s=2.0, clock=clock)
        history = made.run(30)
        assert len(history.rounds) == 30
        assert sum(r.silent for r in history.rounds) > 5
        assert sum(r.late for r in history.rounds) > 10
        assert all(2 <= r.used <= 4 for r in history.rounds)
        assert history.rounds[-1].loss < 0.5 * history.rounds[0].loss
    unlimited = federation(table, links={names[0]: Link(dropout=0.9)}).run(20)  # no deadline: the others are waited for
    assert {r.used for r in unlimited.rounds} <= {4, 5}
    nobody = federation(table, links=dict.fromkeys(names, Link(dropout=0.99))).run(3)
    assert len(nobody.rounds) == 3


def test_latencies_are_those_of_the_links():
    table = dealt(clients=2)
    near, far = table.clients
    links = {near: Link(distance_km=10), far: Link(distance_km=1000, copies_per_second=1e6)}
    history = federation(table, links=links, clock=Timeline(0)).run(2, 100_000)
    crossing = [e for e in history.log if e.kind == "gradient" and e.sender == far]
    for k, r in enumerate(history.rounds):
        before = history.rounds[k - 1].seconds if k else 0.0
        wanted = 2 * 1000 * 5e-6 + (100_000 + crossing[k].what["kept"]) / 1e6
        assert r.seconds - before == pytest.approx(wanted, rel=1e-9)


def test_a_tap_is_heard():
    table = dealt(clients=3, qubits=2)
    history = federation(table, QuantumChannel(tap=0.5, decoys=64)).run(5)
    assert history.alarms == 30  # 1 - (7/8)^64 for each message
    assert federation(table).run(5).alarms == 0


# -- who sees what ------------------------------------------------------------------------------------------------------
class Watched(Copies):
    """Copies that note what is asked of them."""

    asked: list[str] = []  # noqa: RUF012

    def __getattribute__(self, name):
        frame = inspect.currentframe().f_back
        if frame.f_globals["__name__"].endswith("federated.client"):
            Watched.asked.append(name)
        return super().__getattribute__(name)


def test_a_client_sees_copies_and_nothing_else():
    table = dealt(clients=2)
    made = federation(table)
    Watched.asked = []
    party = next(iter(made.clients.values()))
    party.answer(0, Watched(made.server.model.state()[None], 100))
    assert set(Watched.asked) == {"through", "number"}
    public = {n for n in dir(Copies(np.eye(1, 4))) if not n.startswith("_")}
    assert public == {"through", "carried", "joined", "frequencies", "number", "qubits"}
    with pytest.raises(AttributeError):
        Copies(np.eye(1, 4)).ensemble  # noqa: B018
    # A client is made without the server or its model, and its module knows neither.
    assert set(inspect.signature(Client).parameters) == {"name", "data", "chip", "reference", "batch", "seed"}
    tree = ast.parse(inspect.getsource(client))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names}
    assert not imported & {"Server", "OperatorModel", "CircuitModel"}
    assert not any(
        isinstance(n, ast.Attribute) and n.attr in ("parameters", "operator", "state") for n in ast.walk(tree)
    )
    held = {id(v) for v in vars(party).values()} | {id(v) for v in vars(party._apparatus).values()}
    assert id(made.server.model) not in held
    assert id(made.server.model.parameters) not in held


def test_the_log_says_what_each_party_saw():
    table = dealt(clients=2)
    history = federation(table).run(3, 500)
    assert len(history.log) == 3 * 2 * 2
    for entry in history.log:
        if entry.kind == "operator":
            assert entry.sender == "server"
            assert set(entry.what) == {"round", "copies", "qubits"}
        else:
            assert (entry.kind, entry.receiver) == ("gradient", "server")
            assert set(entry.what) == {"round", "sent", "kept", "share", "copies", "qubits"}
        assert all(v is None or isinstance(v, int | float) for v in entry.what.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, m: Federation(Server(m), []), "0 clients"),
        (lambda t, m: Federation(Server(m), t.parties(m) + t.parties(m)), "of different names"),
        (lambda t, m: Federation(Server(m), t.parties(m), links={"x": Link()}), "a link for 'x'"),
        (lambda t, m: Federation(Server(m), t.parties(m), deadline_s=0.0), "a deadline of 0.0"),
        (lambda t, m: Federation(Server(m), t.parties(m)).run(1, 0), "0 copies"),
        (lambda t, m: Server(m, "x"), "'estimated' and 'coherent' are known"),
        (lambda t, m: Server(m, eta=0.0), "the step 0.0"),
        (lambda t, m: Server(m, "coherent", asynchronous=True), "the operator model, synchronous"),
        (lambda t, m: Link(dropout=1.0), "a dropout of 0 or more and below 1"),
        (lambda t, m: Link(distance_km=-1), "a distance and work of 0 or more"),
        (lambda t, m: Client("", t.samples(m, t.learned), m.chip), "a name of 1 to 200"),
        (lambda t, m: Client("c", t.samples(m, t.learned), m.chip, batch="x"), "'superposition' and 'mixture'"),
        (lambda t, m: federation(t, QuantumChannel(tap=0.1), rule="coherent").run(1), "adds pure states"),
        (lambda t, m: new_model("circuit", 2, 3), "3 classes: the circuit model tells two apart"),
    ],
)
def test_what_is_no_federation(call, message):
    table = dealt(clients=2, qubits=2)
    with pytest.raises(InvalidInput, match=message):
        call(table, new_model("operator", 2, 2))
