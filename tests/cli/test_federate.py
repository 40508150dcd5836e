"""``bitket federate``: a table of one's own, in one process and in several."""

import json
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from bitket.data import load


@pytest.fixture
def tumours(tmp_path, monkeypatch):
    """Breast cancer as a CSV file with a column of hospitals, and one file a hospital."""
    monkeypatch.chdir(tmp_path)
    table, draw = load("breast_cancer"), np.random.default_rng(0)
    names = [f"x{k}" for k in range(10)]
    where = draw.integers(0, 3, len(table))
    lines = [
        (",".join(map(repr, x[:10].tolist())), "ABC"[w], table.classes[y])
        for x, w, y in zip(table.X, where, table.y, strict=True)
    ]
    (tmp_path / "all.csv").write_text("\n".join([",".join([*names, "hospital", "outcome"]), *map(",".join, lines)]))
    for who in "ABC":
        own = [f"{x},{y}" for x, w, y in lines if w == who]
        (tmp_path / f"{who}.csv").write_text("\n".join([",".join([*names, "outcome"]), *own]))
    return tmp_path


def test_hospitals_learn_together(bitket, tumours):
    line = ["federate", "all.csv", "--label", "outcome", "--clients", "hospital", "--rounds", "60", "--rate", "2"]
    status, out, _ = bitket(*line, "--json")
    got = json.loads(out)
    assert status == 0
    assert set(got["clients"]) == {"A", "B", "C"}
    assert sum(got["clients"].values()) + got["test_rows"] == 569
    assert got["accuracy"] > got["central_accuracy"] - 0.03
    assert got["copies"] is None
    assert got["classical_bytes"] == 60 * 3 * 2 * 64 * 8
    assert np.linalg.norm(got["parameters"]) > 0.1
    status, out, _ = bitket(*line, "--copies", "50000", "--tap", "0.1", "--figure", "f.png")
    assert status == 0
    for text in ("3 clients with", "quantum federated", "federated averaging", "9000000 copies sent", "alarm in"):
        assert text in out
    assert (tumours / "f.png").stat().st_size > 10_000


def test_a_step_that_is_too_large(bitket, tumours):
    status, out, _ = bitket(
        "federate", "all.csv", "--label", "outcome", "--clients", "hospital", "--rate", "10", "--qubits", "1"
    )
    assert (status, out.splitlines()[-1].startswith("diverged in round")) == (0, True)


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "rows.csv line 2, column 'site': 'b' is not a number"),
        (
            ["--clients", "nobody"],
            "there is no column 'nobody'; there are x, y, site, label (--clients takes a column,",
        ),
        (["--clients", "site", "--label", "nobody"], "there is no column 'nobody'"),
        (["--clients", "site", "--label", "site"], "--clients site: that column has the classes"),
        (["--clients", "site", "--count", "3"], "--count: the column 'site' says who the clients are"),
        (["--clients", "site", "--rule", "coherent", "--model", "circuit"], "it needs the operator model"),
        (["--clients", "site", "--rule", "coherent", "--tap", "0.1", "--qubits", "1"], "adds pure states"),
        (["--clients", "site", "--loss", "1"], "loss 1.0: a probability is needed, of loss below 1"),
        (["--clients", "site", "--model", "circuit", "--tap", "0.1"], "messages of 13 qubits: at most 10"),
        (["--clients", "site", "--figure", "f.txt"], "--figure f.txt"),
        (["--serve", "x"], "--serve x: a port from 0 to 65535, or HOST:PORT, is needed"),
        (["--serve", "70000"], "--serve 70000: a port"),
        (["--serve", "0", "--clients", "site"], "--clients with --serve"),
        (["--serve", "0", "--deadline", "1", "--asynchronous"], "--deadline with --asynchronous"),
        (["--join", "1:2:x"], "--join 1:2:x: a port"),
        (["--join", "5000", "--rounds", "3"], "--rounds with --join: that is the server's to say"),
        (["--join", "5000", "--tap", "0.3"], "--tap with --join: that is the server's to say"),
        (["--join", "5000", "--serve", "5001"], "--serve with --join"),
    ],
)
def test_wrong_input(bitket, line, message):
    status, out, err = bitket("federate", "rows.csv", *line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_rows_that_cannot_be(bitket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, message in (
        ("x,label\n1,a\n2,a\n", "one class alone, 'a'; two at least are needed"),
        ("x,label\n1,a\nnan,b\n", "line 3, column 'x'"),
        ("x,label\n1,a\n,b\n", "line 3, column 'x': empty"),
        ("label\na\nb\n", "at least one of each is needed"),
        ("x,label\n" + "1,a\n2,b\n" * 3, "5 clients"),
        ("x,label\n" + "1,a\n1,b\n" * 30, "two different ones at least"),
        ("x,label\n" + "1,a\n2,b\n3,c\n" * 30, "3 classes on 1 data qubits"),
    ):
        (tmp_path / "t.csv").write_text(text)
        status, out, err = bitket("federate", "t.csv", "--qubits", "1")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert message in err, err


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_a_server_and_clients_as_processes(tumours):
    port = str(free_port())

    def start(*line):
        return subprocess.Popen(
            [sys.executable, "-m", "bitket", "federate", *line, "--label", "outcome", "--json", "--wait", "60"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def client(who):
        return start(f"{who}.csv", "--join", port, "--name", who)

    joined = [client("B")]  # before there is a server
    server = start("A.csv", "--serve", port, "--count", "2", "--rounds", "25", "--deadline", "20", "--copies", "100000")

    def babble():
        for _ in range(200):
            try:
                with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as s:
                    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    return
            except OSError:
                time.sleep(0.1)

    babble()
    joined.append(client("C"))  # after it, so that the server is still there to hear it
    out, err = server.communicate(timeout=90)
    assert server.returncode == 0, err
    assert "another protocol" in err
    assert all(line.count("Traceback") == 0 for line in err.splitlines())
    got = json.loads(out)
    assert got["rounds"] == 25
    assert got["accuracy"] > 0.85
    assert got["copies"] == 2 * 25 * 100_000
    for process, who in zip(joined, "BC", strict=True):
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        answer = json.loads(out)
        assert (answer["name"], answer["rounds"], answer["copies"]) == (who, 25, 2_500_000)
        assert answer["end"] == "the training is done"


def test_nobody_there(bitket, tumours):
    port = free_port()
    status, out, err = bitket("federate", "A.csv", "--label", "outcome", "--join", port, "--wait", "0.3")
    assert (status, out) == (2, "")
    assert f"127.0.0.1 port {port}: no server listened there within 0.3 s" in err
    status, out, err = bitket("federate", "A.csv", "--label", "outcome", "--serve", port, "--wait", "0.2")
    assert (status, out) == (2, "")
    assert "0 of 5 clients joined within 0.2 s" in err.splitlines()[-1]
    with socket.create_server(("127.0.0.1", port)):
        status, out, err = bitket("federate", "A.csv", "--label", "outcome", "--serve", port)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert f"cannot serve on 127.0.0.1 port {port}: address already in use" in err
