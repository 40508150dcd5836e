"""Server and clients as processes over TCP: equal to one process; recorded bytes; peers that go, dawdle or babble."""

import contextlib
import json
import multiprocessing
import socket
import struct
import threading
import time

import numpy as np
import pytest
from tests.quantum.learning.federated.scenes import dealt, federation

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated import (
    Client,
    FederationError,
    FixedDesignChip,
    OperatorModel,
    QuantumChannel,
    Samples,
    Server,
)
from bitket.quantum.learning.federated.crossing import Terms
from bitket.quantum.learning.federated.joining import join
from bitket.quantum.learning.federated.messages import Message
from bitket.quantum.learning.federated.serving import Host, listen
from bitket.quantum.learning.federated.tables import new_model
from bitket.quantum.learning.federated.wire import Decoder, encode

LOCAL = "127.0.0.1"
FEATURES = tuple(f"x{k}" for k in range(30))


@pytest.fixture(scope="module")
def table():
    return dealt(clients=3)


def take_part(port, name, x, y, wait_s=10.0, delay=0.0, dies_after=None):
    """A client, in a process or thread of its own."""

    def make(terms):
        chip = FixedDesignChip(terms.scale.qubits, "real" if terms.model == "operator" else "pauli")
        targets = np.eye(chip.size)[y] if terms.model == "operator" else 1.0 - 2.0 * y
        client = Client(name, Samples(terms.scale.states(x), targets), chip, reference=terms.reference)
        answer = client.answer

        def slowly(round, copies):
            if dies_after is not None and round >= dies_after:
                raise SystemExit
            time.sleep(delay)
            return answer(round, copies)

        client.answer = slowly
        return client

    return join((LOCAL, port), name, len(y), FEATURES, make, wait_s=wait_s)


class Trial:
    """A host in a thread."""

    def __init__(
        self, table, model=None, channel=None, *, seconds=20.0, wait_s=10.0, clients=None, asynchronous=False, eta=1.0
    ):
        self.model = model or OperatorModel(3, 2)
        listener = listen((LOCAL, 0))
        self.port = listener.getsockname()[1]
        server = Server(self.model, eta=eta, asynchronous=asynchronous)
        terms = Terms(self.model.kind, table.scale, self.model.reference, FEATURES, ("malignant", "benign"), seconds)
        self.lines, self.error = [], None
        self.host = Host(
            listener, server, terms, channel, clients=clients or len(table.clients), wait_s=wait_s, report=self.lines.append,
            observer=table.observer(self.model),
        )  # fmt: skip

    @property
    def begun(self):
        return len(self.host.history.rounds) > 0

    def start(self, rounds, copies=None):
        def run():
            try:
                self.history = self.host.run(rounds, copies)
            except FederationError as error:
                self.error = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        return self

    def end(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self


def in_thread(*args, **options):
    def go():
        with contextlib.suppress(FederationError, SystemExit):
            take_part(*args, **options)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    return thread


def in_threads(table, port, **options):
    return [
        in_thread(port, name, table.x[rows], table.y[rows], **options.get(name, {}))
        for name, rows in table.clients.items()
    ]


def test_processes_come_to_the_same_bits_as_one_process(table):
    context = multiprocessing.get_context("fork")
    for channel, copies in ((None, None), (QuantumChannel(loss=0.01, depolarising=0.01, tap=0.1), 20_000)):
        trial = Trial(table, channel=channel).start(6, copies)
        processes = [
            context.Process(target=take_part, args=(trial.port, name, table.x[rows], table.y[rows]))
            for name, rows in table.clients.items()
        ]
        for p in processes:
            p.start()
        trial.end()
        for p in processes:
            p.join(20)
            assert p.exitcode == 0
        assert trial.error is None
        one = federation(table, channel)
        history = one.run(6, copies)
        assert (trial.model.parameters == one.server.model.parameters).all()
        for a, b in zip(trial.history.rounds, history.rounds, strict=True):
            assert (a.copies, a.kept, a.returned, a.qubits, a.wrong, a.alarms) == (
                b.copies,
                b.kept,
                b.returned,
                b.qubits,
                b.wrong,
                b.alarms,
            )
            assert (a.loss, a.accuracy, a.share) == (b.loss, b.accuracy, b.share)
        seen = [(e.sender, e.receiver, e.kind, e.what) for e in trial.history.log]
        assert sorted(map(str, seen)) == sorted(str((e.sender, e.receiver, e.kind, e.what)) for e in history.log)


def test_the_circuit_model_and_the_asynchronous_mode_travel_too(table):
    trial = Trial(table, new_model("circuit", 3, 2, 1)).start(3)
    threads = in_threads(table, trial.port)
    trial.end()
    [t.join(10) for t in threads]
    assert trial.history.gradients == 9
    assert trial.history.rounds[-1].loss < trial.history.rounds[0].loss
    trial = Trial(table, asynchronous=True).start(15)
    threads = in_threads(table, trial.port)
    trial.end()
    [t.join(10) for t in threads]
    assert trial.history.gradients + sum(r.dropped for r in trial.history.rounds) == 45
    assert trial.history.rounds[-1].loss < 0.5 * trial.history.rounds[0].loss


class Tapped:
    """A relay between a client and the server that records the bytes of both directions."""

    def __init__(self, port):
        self.listener = socket.create_server((LOCAL, 0))
        self.port = self.listener.getsockname()[1]
        self.up, self.down = bytearray(), bytearray()
        self._target = port
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        near, _ = self.listener.accept()
        far = socket.create_connection((LOCAL, self._target))
        threads = [
            threading.Thread(target=self._copy, args=pair, daemon=True)
            for pair in ((near, far, self.up), (far, near, self.down))
        ]
        [t.start() for t in threads]

    @staticmethod
    def _copy(source, sink, record):
        while data := source.recv(1 << 16):
            record += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_nothing_but_the_protocol_crosses_the_wire(table):
    """Every recorded byte belongs to a message that the table of the protocol names; neither data, nor the operator, nor its norm is there."""
    trial = Trial(table, clients=1).start(4, 5000)
    name, rows = next(iter(table.clients.items()))
    relay = Tapped(trial.port)
    take_part(relay.port, name, table.x[rows], table.y[rows])
    trial.end()
    up, down = (Decoder().feed(bytes(b)) for b in (relay.up, relay.down))
    assert b"".join(map(encode, up)) == bytes(relay.up)  # not a byte beside the messages
    assert b"".join(map(encode, down)) == bytes(relay.down)
    assert [m.kind for m in up] == ["hello"] + ["gradient"] * 4
    assert [m.kind for m in down] == ["welcome"] + ["operator"] * 4 + ["farewell"]
    # States alone: of norm 1, so that no scale goes along, of the registers' sizes.
    for m in (*up[1:], *down[1:-1]):
        assert m.arrays["state"].shape == (1, 128)
        assert abs(np.linalg.norm(m.arrays["state"]) - 1) < 1e-12
    # No row of the client's data, raw or as amplitudes, and no parameter of the server's, as eight bytes anywhere.
    x, states = table.x[rows], table.scale.states(table.x[rows])
    private = np.concatenate([x.ravel(), states.ravel()])
    numbers = set(private[np.abs(private) > 1e-6].tolist())
    for record in (relay.up, relay.down):
        found = {
            v for k in range(8) for v in np.frombuffer(record[k : len(record) - (len(record) - k) % 8], "<f8").tolist()
        }
        assert not found & numbers
    operator = trial.model.parameters
    sent = {v for m in down for a in m.arrays.values() for v in a.ravel().tolist()}
    assert not sent & set(operator[operator != 0].tolist())
    assert not any(np.isclose(v, np.linalg.norm(operator), rtol=1e-9) for v in sent)


def test_clients_that_die_or_dawdle_do_not_stop_a_round(table):
    names = list(table.clients)
    trial = Trial(table, seconds=0.5).start(8)
    threads = in_threads(table, trial.port, **{names[0]: {"dies_after": 3}, names[1]: {"delay": 0.8}})
    trial.end()
    [t.join(10) for t in threads]
    assert trial.error is None
    rounds = trial.history.rounds
    assert len(rounds) == 8
    assert all(r.used >= 1 for r in rounds)
    assert sum(r.late for r in rounds) >= 1
    assert sum(r.silent for r in rounds) >= 4
    assert rounds[-1].used < 3
    assert any(names[0] in line and "left out" in line for line in trial.lines)


def talk(port, data, close=True):
    """Say something to a server; what it answers until it closes."""
    with socket.create_connection((LOCAL, port), timeout=5) as s:
        s.sendall(data)
        if close:
            s.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while piece := s.recv(1 << 16):
                got += piece
        except (ConnectionResetError, TimeoutError):
            pass
        return got


def hello(name, samples=5, features=None):
    return encode(Message("hello", {"name": name, "samples": samples, "features": json.dumps(features or FEATURES)}))


def state_of(size):
    out = np.zeros((1, size))
    out[0, 0] = 1.0
    return out


def gradient(round, state, sent=None, kept=None, share=0.5):
    return encode(Message("gradient", {"round": round, "sent": sent, "kept": kept, "share": share}, {"state": state}))


BABBLE = {
    "another protocol": (b"GET / HTTP/1.1\r\n\r\n", "another protocol"),
    "another version": (struct.pack("<4sHIQ", b"BTKF", 9, 2, 0) + b"{}", "version 9"),
    "too large": (struct.pack("<4sHIQ", b"BTKF", 1, 100, 1 << 40), "was announced"),
    "a broken frame": (hello("z")[:30], "broke off within a message"),
    "no hello": (gradient(0, state_of(128)), "sent 'gradient' where a hello is due"),
    "no samples": (hello("z", 0), "lacks a name"),
    "a name twice": (hello("client 02"), "there is a client 'client 02' already"),
    "other features": (hello("z", 5, ("a", "b")), "its features are not those of the server"),
    "hello twice": (hello("z") + hello("z"), "sent 'hello' where a gradient is due"),
    "not asked": (hello("z") + gradient(77, state_of(128)), "answered round 77, which it was not asked"),
}
SPOILT = {
    "another size": (lambda r: gradient(r, state_of(64)), "a state of 64 amplitudes; 128 are expected"),
    "no state": (lambda r: gradient(r, 2 * state_of(128)), "no state: ensemble of trace 4"),
    "a share above 1": (lambda r: gradient(r, state_of(128), share=3.0), "such counts cannot be"),
    "counts from nowhere": (lambda r: gradient(r, state_of(128), 10, 5), "such counts cannot be"),
    "random bytes": (lambda r: np.random.default_rng(0).bytes(300), "another protocol"),
    "half a gradient": (lambda r: gradient(r, state_of(128))[:200], "broke off within a message"),
}


def test_babble_is_answered_in_one_line_and_stops_nobody(table):
    names = list(table.clients)
    trial = Trial(table, seconds=5.0).start(60)
    threads = in_threads(table, trial.port, **{n: {"delay": 0.02} for n in names})
    while not trial.begun:
        time.sleep(0.01)
    for data, _ in BABBLE.values():
        talk(trial.port, data)
    for make, _ in SPOILT.values():
        with socket.create_connection((LOCAL, trial.port), timeout=5) as s:
            s.sendall(hello("spoiler"))
            decoder, asked = Decoder(), []
            while not asked:
                asked = [m for m in decoder.feed(s.recv(1 << 16)) if m.kind == "operator"]
            s.sendall(make(asked[0].fields["round"]))
            s.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while s.recv(1 << 16):
                    pass
    trial.end()
    [t.join(10) for t in threads]
    assert trial.error is None
    assert len(trial.history.rounds) == 60
    assert all(r.used == 3 for r in trial.history.rounds)
    for what, (_, message) in {**BABBLE, **SPOILT}.items():
        assert any(message in line for line in trial.history.notes), (what, trial.history.notes)
    assert all("\n" not in line for line in trial.history.notes)
    clean = federation(table)
    clean.run(60)
    assert (trial.model.parameters == clean.server.model.parameters).all()


def test_who_joins_later_takes_part(table):
    names = list(table.clients)
    trial = Trial(table, clients=1, seconds=5.0).start(40)
    in_thread(trial.port, names[0], table.x[:50], table.y[:50], delay=0.05)
    while not trial.begun:
        time.sleep(0.01)
    take_part(trial.port, names[1], table.x[50:90], table.y[50:90])
    trial.end()
    used = [r.used for r in trial.history.rounds]
    assert used[0] == 1
    assert used[-1] == 2


def test_when_nobody_comes_or_all_go(table):
    assert "0 of 3 clients joined within 0.2 s" in str(Trial(table, wait_s=0.2).start(3).end().error)
    trial = Trial(table, clients=1, wait_s=0.3).start(1000)
    in_thread(trial.port, "a", table.x[:9], table.y[:9], dies_after=2)
    trial.end()
    assert "0 of 1 client joined within 0.3 s after round " in str(trial.error)


def serve_once(data):
    """Something else that listens: the port, once it does."""
    listener = socket.create_server((LOCAL, 0))

    def run():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(data)
            connection.recv(1 << 16)
            time.sleep(0.2)

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "it speaks another protocol"),
        (struct.pack("<4sHIQ", b"BTKF", 3, 2, 0), "it speaks version 3"),
        (encode(Message("farewell", {"reason": "refused: we are full"})), "refused: we are full"),
        (encode(Message("farewell", {"reason": "the server has stopped"})), "the server has stopped"),
        (
            encode(Message("operator", {"round": 0, "copies": None}, {"state": state_of(8)})),
            "sent 'operator' where 'welcome' is due",
        ),
        (b"", "closed the connection without a farewell"),
    ],
)
def test_a_client_meets_something_else(data, message):
    with pytest.raises(FederationError, match=message) as error:
        take_part(serve_once(data), "a", np.ones((2, 30)), np.array([0, 1]), wait_s=2)
    assert "\n" not in str(error.value)


def test_ports():
    with listen((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"cannot serve on {LOCAL} port {port}: address already in use$"):
            listen((LOCAL, port))
    with pytest.raises(FederationError, match=f"{LOCAL} port {port}: no server listened there within 0.3 s"):
        take_part(port, "a", np.ones((2, 30)), np.array([0, 1]), wait_s=0.3)
