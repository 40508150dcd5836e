"""Detectors, BB84 and Cascade against SeQUeNCe, where it is installed (``pip install --no-deps sequence gmpy2 qutip qutip-qip``)."""

import math

import numpy as np
import pytest
from benchmarks import network_peer
from benchmarks._sequence_qkd import peer_bb84

from bitket.networks.photonics import Detector, Fibre
from bitket.networks.qkd.bb84 import Bb84
from bitket.networks.qkd.cascade import first_block

pytest.importorskip("qutip_qip")
timelines = pytest.importorskip("sequence.kernel.timeline")
channels = pytest.importorskip("sequence.components.optical_channel")
detectors = pytest.importorskip("sequence.components.detector")
events = pytest.importorskip("sequence.kernel.event")
processes = pytest.importorskip("sequence.kernel.process")
nodes = pytest.importorskip("sequence.topology.node")
pytest.importorskip("sequence.qkd.BB84")
cascade = pytest.importorskip("sequence.qkd.cascade")


class Listener:
    """Notes what a detector of the peer tells it."""

    def __init__(self):
        self.heard = []

    def trigger(self, _detector, info):
        self.heard.append(info["time"])


@pytest.mark.parametrize(("count_rate", "resolution"), [(25e6, 150), (3e8, 100), (1e12, 7)])
def test_detectors_click_alike(count_rate, resolution):
    photons = np.sort(np.random.default_rng(0).integers(0, 10**8, 3000))
    photons = photons[2 * photons % (2 * resolution) != resolution]  # half-way times: we round up, the peer to even
    timeline, listener = timelines.Timeline(10**12), Listener()
    theirs = detectors.Detector("d", timeline, 1.0, 0, count_rate, resolution)
    theirs.attach(listener)
    timeline.init()
    for time in photons.tolist():
        timeline.schedule(events.Event(time, processes.Process(theirs, "get", [])))
    timeline.run()
    ours = Detector(1.0, 0.0, count_rate, resolution).state(np.random.default_rng(0))
    assert ours.detect(photons, 10**8).tolist() == listener.heard


@pytest.mark.parametrize(("length", "fidelity"), [(20_000, 0.94), (2_000, 1.0)])
def test_bb84_has_the_same_rate_error_and_delay(length, fidelity):
    keys, bits = 12, 1000
    sender, _, delay = peer_bb84(length, fidelity, bits, keys, 1, 0.1)
    assert len(sender.error_rates) == keys
    # All sifted bits, those that are left over included, of the trains until the last key.
    sifted = keys * bits + len(sender.key_bits)
    duration = sender.last_key_time - 4 * delay - Fibre(length).delay
    trains = round(duration / 125e6)
    assert abs(duration - trains * 125e6) < 1000

    ours = Bb84(Fibre(length, polarisation_fidelity=fidelity), classical_delay_ps=delay)
    many = ours.run(bits, np.random.default_rng(2), keys=1000)
    rate = many.sifted / many.pulses
    assert abs(sifted - rate * trains * 10_000) < 4 * math.sqrt(sifted + sifted**2 / many.sifted)
    error = float(np.mean(sender.error_rates))
    assert abs(error - many.qber) <= 4 * math.sqrt(many.qber * (1 / (keys * bits) + 1 / many.sifted))
    # The first key's delay: whole trains, and the same flights and messages.
    waits = {round(ours.run(bits, np.random.default_rng(k)).latency_s, 7) for k in range(30)}
    assert round(sender.latency, 7) in waits


def test_cascade_takes_the_same_first_block():
    for errors in (10, 97, 300, 512):
        timeline = timelines.Timeline()
        ends = [nodes.Node(name, timeline) for name in ("alice", "bob")]
        for near, far in (ends, ends[::-1]):
            channels.ClassicalChannel(f"word {near.name}", timeline, 1000).set_ends(near, far.name)
            near.protocols.append(cascade.Cascade(near, near.name))
        alice, bob = (node.protocols[0] for node in ends)
        cascade.pair_cascade_protocols(alice, bob)
        timeline.init()
        alice.bits, alice.keylen = [(1 << errors) - 1], 1
        alice.received_message("bob", cascade.CascadeMessage(cascade.CascadeMsgType.KEY, "alice", key=0))
        assert alice.k1 == first_block(errors / 10_000)


def test_errors_and_times_of_keys_agree():
    rows = [network_peer.bb84(30)]
    network_peer.judge(rows)
    assert not rows[0]["differs"], rows


@pytest.mark.parametrize("errors", [0.01, 0.05])
def test_cascade_corrects_and_discloses_alike(errors):
    row = network_peer.cascade(errors, 2)
    assert row["keys equal"]
    assert row["keys equal, peer"]
    assert row["corrected"] == row["corrected, peer"] == row["errors"]
    assert row["ratio"] == pytest.approx(1, abs=0.06)
