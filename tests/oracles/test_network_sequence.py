"""The network simulator against SeQUeNCe: when pairs are delivered, their fidelity, and which requests are accepted.

A part of ``python -m benchmarks network_peer``, which has more scenarios and longer runs.
"""

import pytest
from benchmarks import network_peer
from benchmarks._sequence import ours, peer

pytest.importorskip("sequence.topology.router_net_topo", reason="SeQUeNCe is not installed")


CHEAP = {
    "link, 1 memory": 0.3,
    "link, 1 memory, later name asks": 0.3,
    "link of 100 m, 1 memory": 0.5,
    "link, 5 memories": 0.3,
    "purification": 0.3,
    "purification, slow messages": 0.5,
    "3 routers": 0.3,
    "3 routers, coherence 50 ms": 0.3,
    "4 routers, slow messages": 0.3,
}
"""Scenarios and the share of their time."""


@pytest.mark.parametrize("name", CHEAP)
def test_deliveries_agree(name):
    rows = network_peer.scenario_rows(name, CHEAP[name])
    # One family of all that is compared here.
    network_peer.judge(rows, network_peer.FAMILY / len(CHEAP))
    (row,) = rows
    assert row["answer and path"] == "equal"
    assert not row["differs"], row
    assert row["fidelity"] == pytest.approx(row["fidelity, peer"], abs=1e-9)


def test_event_mode_agrees():
    scenario = network_peer.SCENARIOS["link, 5 memories"][0](2.0)
    rows = network_peer.compare(
        "", [ours(scenario, k, "event") for k in range(5)], [peer(scenario, k) for k in range(2)]
    )
    network_peer.judge(rows)
    assert not rows[0]["differs"], rows


def test_requests_are_answered_alike():
    row = network_peer.reservations(40, 0)
    assert 0 < row["accepted"] < 40
    assert row["equal answer, path, second of the answer"] == "40 of 40"
