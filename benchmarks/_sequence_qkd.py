"""SeQUeNCe's BB84 over a fibre, and its Cascade on keys at hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from bitket.networks.qkd.cascade import FRAME


class Keys:
    """Takes keys from a protocol of SeQUeNCe, and notes when (picoseconds)."""

    def __init__(self, timeline: Any) -> None:
        self.timeline, self.times = timeline, list[int]()

    def pop(self, **_key: int) -> None:
        """A key is complete."""
        self.times.append(self.timeline.now())


def peer_bb84(
    length_m: float, fidelity: float, bits: int, keys: int, seed: int, seconds: float
) -> tuple[Any, list[int], int]:
    """Keys from Alice to Bob until there are enough or the time is over: Alice's protocol, when each was complete, a message's delay."""
    from sequence.components.optical_channel import ClassicalChannel, QuantumChannel
    from sequence.kernel.timeline import Timeline
    from sequence.qkd.BB84 import pair_bb84_protocols
    from sequence.topology.node import QKDNode

    np.random.seed(seed)  # noqa: NPY002  (the peer draws bases and bits from it)
    timeline = Timeline(seconds * 1e12)
    ends = [QKDNode(name, timeline, stack_size=1, seed=2 * seed + k) for k, name in enumerate(("alice", "bob"))]
    pair_bb84_protocols(ends[0].protocol_stack[0], ends[1].protocol_stack[0])
    for near, far in (ends, ends[::-1]):
        fibre = QuantumChannel(f"light {near.name}", timeline, 0.0002, length_m, polarization_fidelity=fidelity)
        fibre.set_ends(near, far.name)
        word = ClassicalChannel(f"word {near.name}", timeline, length_m)
        word.set_ends(near, far.name)
        near.protocol_stack[0].upper_protocols.append(Keys(timeline))
    timeline.init()
    sender = ends[0].protocol_stack[0]
    sender.push(bits, keys, seconds * 1e12)
    timeline.run()
    return sender, sender.upper_protocols[0].times, word.delay


def peer_cascade(alice: np.ndarray, bob: np.ndarray) -> Any:
    """Cascade on the keys, the first 10 000 bits for its estimate: Bob's protocol, with ``parities`` that Alice has given away.

    What the peer calls disclosed bits is the number of those that it corrected. In its search it asks for the parities of both halves of
    a block whose own it knows: of each two that are answered one is new.
    """
    from sequence.components.optical_channel import ClassicalChannel
    from sequence.kernel.timeline import Timeline
    from sequence.qkd.cascade import Cascade, CascadeMsgType, pair_cascade_protocols
    from sequence.topology.node import Node

    cuts = [0, *range(10_000, len(alice) + 1, FRAME)]
    whole = [[int("".join(map(str, key[a:b].tolist())), 2) for a, b in pairwise(cuts)] for key in (alice, bob)]

    class Counting(Cascade):
        parities = 0.0

        def send_by_cc(self, message: Any) -> None:
            if message.msg_type is CascadeMsgType.CHECKSUMS:
                self.parities += sum(len(blocks) for blocks in message.checksums)
            elif message.msg_type is CascadeMsgType.RECEIVE_FOR_BINARY:
                self.parities += 0.5
            super().send_by_cc(message)

    class Below:
        def push(self, **request: int) -> None:
            keys = range(1) if request["length"] == 10_000 else range(1, len(cuts) - 1)
            for k in keys:
                for end, side in zip(ends, whole, strict=True):
                    end.protocols[0].pop(side[k])

    timeline = Timeline(1e15)
    ends = [Node("alice", timeline), Node("bob", timeline)]
    for near, far in (ends, ends[::-1]):
        ClassicalChannel(f"word {near.name}", timeline, 1000).set_ends(near, far.name)
    for node in ends:
        protocol = Counting(node, node.name + ".cascade")
        protocol.lower_protocols.append(Below())
        protocol.upper_protocols.append(Keys(timeline))
        node.protocols.append(protocol)
    pair_cascade_protocols(ends[0].protocols[0], ends[1].protocols[0])
    timeline.init()
    ends[0].protocols[0].push(FRAME, len(cuts) - 2, 1e15)
    timeline.run()
    ends[1].protocols[0].parities = ends[0].protocols[0].parities
    return ends[1].protocols[0]
