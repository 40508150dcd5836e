"""The wire: frames there and back, what is no frame, limits that hold before memory is taken."""

import contextlib
import json
import struct
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from bitket.quantum.learning.federated.messages import KINDS, FederationError, Message
from bitket.quantum.learning.federated.wire import LARGEST, VERSION, Decoder, encode

STATE = np.array([[0.5, 0.5, -0.5, 0.5]])


def messages():
    counts = st.integers(0, 2**53)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    arrays = st.lists(finite, min_size=1, max_size=8).map(lambda v: np.array([v]))
    texts = st.text(max_size=30)
    return st.one_of(
        st.builds(lambda n, s, f: Message("hello", {"name": n, "samples": s, "features": f}), texts, counts, texts),
        st.builds(
            lambda r, c, a: Message("operator", {"round": r, "copies": c}, {"state": a}),
            counts,
            st.none() | counts,
            arrays,
        ),
        st.builds(
            lambda r, c, p, a: Message("gradient", {"round": r, "sent": c, "kept": c, "share": p}, {"state": a}),
            counts,
            st.none() | counts,
            finite,
            arrays | arrays.map(lambda a: a * 1j),
        ),
        st.builds(lambda t: Message("farewell", {"reason": t}), texts),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(messages(), max_size=4), st.integers(1, 50))
def test_messages_come_back_whatever_the_pieces(sent, piece):
    stream = b"".join(map(encode, sent))
    decoder, got = Decoder(), []
    for k in range(0, len(stream), piece):
        got += decoder.feed(stream[k : k + piece])
    assert not decoder.begun
    for a, b in zip(sent, got, strict=True):
        assert (a.kind, dict(a.fields)) == (b.kind, dict(b.fields))
        assert all(
            np.array_equal(a.arrays[k], b.arrays[k]) and a.arrays[k].dtype == b.arrays[k].dtype for k in a.arrays
        )
    assert b"".join(map(encode, got)) == stream


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_refused_or_waits_for_more(data, headed):
    frame = encode(Message("operator", {"round": 1, "copies": None}, {"state": STATE}))
    spoilt = (
        frame[:18] + bytes(a ^ b for a, b in zip(frame[18:], data.ljust(len(frame), b"\0"), strict=False))
        if headed
        else data
    )
    got = []
    with contextlib.suppress(FederationError):  # and no other error
        got = Decoder().feed(spoilt)
    assert all(isinstance(m, Message) for m in got)


HEADER = {"kind": "farewell", "fields": {"reason": "x"}, "arrays": []}


def frame(header, body=b"", *, magic=b"BTKF", version=VERSION, sizes=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sHIQ", magic, version, *(sizes or (len(text), len(body)))) + text + body


OPERATOR = {"kind": "operator", "fields": {"round": 0, "copies": 1}, "arrays": [["state", "f8", [1, 2]]]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GET / HTTP/1.1\r\n", r"another protocol \(it began with b'GET '\)"),
        (b"\x16", "another protocol"),
        (frame(HEADER, magic=b"BTKX"), "another protocol"),
        (frame(HEADER, version=2), "version 2 of the protocol; this is version 1"),
        (frame(HEADER, sizes=(2**31, 0)), "a frame of 2147483648 bytes was announced"),
        (frame(HEADER, sizes=(10, 2**63)), "was announced"),
        (frame(b"{}"), "no message"),
        (frame(b"[" * 10_000), "no message"),
        (frame(b"\xff\xfe"), "no message"),
        (frame(b'{"kind":"farewell","fields":{"reason":NaN},"arrays":[]}'), "no message"),
        (frame(b'{"kind":"farewell","fields":{"reason":"a","reason":"b"},"arrays":[]}'), "no message"),
        (frame(HEADER | {"more": 1}), "no message"),
        (frame(HEADER | {"kind": "theta"}), "no message"),
        (frame(HEADER | {"kind": ["farewell"]}), "no message"),
        (frame(HEADER | {"fields": {"reason": "x", "theta": 1}}), "'theta' is missing or too much"),
        (frame(HEADER | {"fields": {}}), "'reason' is missing or too much"),
        (frame(HEADER | {"fields": {"reason": 3}}), "reason is no text"),
        (frame(HEADER, b"12345678"), "no message"),  # bytes that nobody announced
        (frame(OPERATOR, b"12345678"), "no message"),  # an array cut short
        (frame(OPERATOR, np.array([np.nan, 0]).tobytes()), "must hold finite numbers"),
        (frame(OPERATOR | {"arrays": [["state", "f8", [1, -2]]]}, b""), "no message"),
        (frame(OPERATOR | {"arrays": [["state", "O", [1, 2]]]}, bytes(16)), "no message"),
        (frame(OPERATOR | {"arrays": [["state", "f8", [2**40, 2**40]]]}, bytes(16)), "no message"),
        (frame(OPERATOR | {"arrays": [["theta", "f8", [1, 2]]]}, bytes(16)), "no message"),
        (frame(OPERATOR | {"arrays": 2 * OPERATOR["arrays"]}, bytes(32)), "no message"),
        (frame(OPERATOR | {"arrays": []}), "'state' is missing or too much"),
        (frame(OPERATOR | {"arrays": [["state", "f8", [2]]]}, bytes(16)), "state of shape"),
        (frame(OPERATOR | {"fields": {"round": True, "copies": 1}}, bytes(16)), "round is no count"),
        (frame(OPERATOR | {"fields": {"round": -1, "copies": 1}}, bytes(16)), "round is no count"),
        (frame(OPERATOR | {"fields": {"round": 0, "copies": 1.5}}, bytes(16)), "copies is no count or nothing"),
    ],
)
def test_what_is_no_frame(data, message):
    with pytest.raises(FederationError, match=message) as error:
        Decoder().feed(data)
    assert "\n" not in str(error.value)


def test_limits_hold_before_memory_is_taken():
    tracemalloc.start()
    head = struct.pack("<4sHIQ", b"BTKF", VERSION, 100, LARGEST)
    decoder = Decoder()
    assert decoder.feed(head) == []  # allowed: nothing is kept for it yet
    with pytest.raises(FederationError, match="was announced"):
        Decoder(4096).feed(struct.pack("<4sHIQ", b"BTKF", VERSION, 100, 8192))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    with pytest.raises(FederationError, match="are the most"):
        encode(Message("operator", {"round": 0, "copies": 1}, {"state": np.zeros((256, 1 << 16))}))


def test_the_protocol_has_no_place_for_parameters_or_data():
    """Numbers cross as counts, the weight of the reference, the map of features, and states; to change this list is to change the protocol."""
    assert {k: (set(v.fields), set(v.arrays)) for k, v in KINDS.items()} == {
        "hello": ({"name", "samples", "features"}, set()),
        "welcome": (
            {"model", "qubits", "reference", "classes", "features", "seconds"},
            {"centre", "directions", "constant"},
        ),
        "operator": ({"round", "copies"}, {"state"}),
        "gradient": ({"round", "sent", "kept", "share"}, {"state"}),
        "farewell": ({"reason"}, set()),
    }
