"""Three parties: honest runs, tampering, order, processes over sockets, the command line."""

import contextlib
import json
import secrets
import socket
import subprocess
import sys

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.networks.signatures.hashing import LfsrToeplitz
from bitket.networks.signatures.keys import Group, KeyStore, make_stores
from bitket.networks.signatures.parties import Channel, ExchangeError, Outcome, alice, pieces
from bitket.networks.signatures.protocol import KeyShare, Receiver, Signature, Signer, forgery_probability


@pytest.fixture
def parties(tmp_path):
    stores = make_stores(tmp_path / "keys", 2_000_000)
    return Signer(stores[0]), Receiver(stores[1], 8), Receiver(stores[2], 8)


def test_honest_runs_verify(parties):
    signer, one, other = parties
    draw = np.random.default_rng(0)
    for k in range(200):
        size = [0, 1, 1 << 20][k] if k < 3 else int(10 ** draw.uniform(0, 5))
        message, n = secrets.token_bytes(size), int(draw.choice([8, 61, 128, 200]))
        signature = Signature.from_bytes(signer.sign([message], n).to_bytes())
        shares = one.share(signature), other.share(signature)
        assert one.verify([message], signature, *shares)
        assert other.verify([message[: size // 2], message[size // 2 :]], signature, *reversed(shares))


def test_a_flipped_bit_anywhere_is_rejected(parties):
    signer, one, other = parties
    n, message = 128, bytearray(secrets.token_bytes(40))
    signature = signer.sign([message], n)
    shares = one.share(signature), other.share(signature)
    assert one.verify([message], signature, *shares)
    for bit in range(8 * len(message)):
        changed = bytearray(message)
        changed[bit // 8] ^= 1 << bit % 8
        assert not one.verify([changed], signature, *shares)
    for bit in range(n):
        for part in ("hash", "polynomial"):
            values = signature.__dict__ | {part: getattr(signature, part) ^ 1 << bit}
            assert not one.verify([message], Signature(**values), *shares)
    for bit in range(3 * n):
        for k in (0, 1):
            changed = [*shares]
            changed[k] = KeyShare(n, shares[k].bits ^ 1 << bit)
            assert not one.verify([message], signature, *changed)
    assert not one.verify([message, b"\0" * 16 + b"\1"], signature, *shares)


@pytest.mark.parametrize("changed", [b"abc\0", b"abc" + bytes(100), b"ab", b"", b"abc\1"])
def test_what_is_cut_or_put_after_the_message_is_rejected(parties, changed):
    signer, one, other = parties
    signature = signer.sign([b"abc"], 64)
    shares = one.share(signature), other.share(signature)
    assert not one.verify([changed], signature, *shares)


def test_a_reducible_polynomial_is_rejected(parties, monkeypatch):
    signer, one, other = parties
    signature = signer.sign([b"message"], 64)
    shares = one.share(signature), other.share(signature)
    start, hide_hash, hide_polynomial = (shares[0] + shares[1]).parts
    # x^64, under which the hash is that of the message's first bits: forged so that hash and polynomial agree.
    digest = LfsrToeplitz(1 << 64, start).hash([b"message\x01"])
    forged = Signature(signature.identity, 64, signature.group, digest ^ hide_hash, hide_polynomial)
    assert not one.verify([b"message"], forged, *shares)
    monkeypatch.setattr("bitket.networks.signatures.protocol.is_irreducible", lambda p: True)
    assert one.verify([b"message"], forged, *shares)  # nothing else would have stopped it


def test_keys_run_out(tmp_path):
    signer, *_ = make_stores(tmp_path / "few", 1000)
    alice_ = Signer(signer)
    alice_.sign([b"one"])
    alice_.sign([b"two"])
    with pytest.raises(InvalidInput, match="256 key bits are left, a group of 384 is needed"):
        alice_.sign([b"three"])


def test_bounds():
    assert forgery_probability(2**64, 128) == pytest.approx(1.1e-19, rel=0.02)
    assert forgery_probability(10**6, 3) == 1.0


# -- wrong input ----------------------------------------------------------------------------------------------------------
def test_damaged_signatures(parties):
    signature = parties[0].sign([b"x"], 100)
    data = signature.to_bytes()
    assert Signature.from_bytes(data) == signature
    for wrong, message in (
        (b"", "not a signature"),
        (data[:20], "cut short"),
        (data[:-1], "cut short or damaged"),
        (data + b"\0", "cut short or damaged"),
        (data[:8] + b"\x09" + data[9:], "version 9"),
        (data[:-1] + b"\xff", "more than 100 bits"),
        (
            data.replace(signature.group.words.to_bytes(8, "little"), b"\x09" + bytes(7), 1),
            "group of 9 words for a hash of 100 bits",
        ),
    ):
        with pytest.raises(InvalidInput, match=message):
            Signature.from_bytes(wrong)
    draw = np.random.default_rng(0)
    for _ in range(2000):  # whatever comes, an error with one line or another signature
        noise = bytearray(data)
        for at in draw.integers(0, len(data), 3):
            noise[at] = draw.integers(256)
        with contextlib.suppress(InvalidInput):
            assert isinstance(Signature.from_bytes(bytes(noise)), Signature)


def test_short_hashes_are_refused_before_a_key_is_used(parties):
    signer, one, _ = parties
    receiver, before = Receiver(one.store), one.store.left()
    with pytest.raises(InvalidInput, match="a hash of 127 bits; at least 128 are asked for"):
        receiver.share(signer.sign([b"x"], 127))
    assert one.store.left() == before
    receiver.share(signer.sign([b"x"], 128))


def test_the_wrong_parties(parties, tmp_path):
    signer, one, _ = parties
    with pytest.raises(InvalidInput, match="to sign, those of the signer are needed"):
        Signer(one.store)
    with pytest.raises(InvalidInput, match="to verify, those of a receiver are needed"):
        Receiver(signer.store)
    strangers = make_stores(tmp_path / "strangers", 1000)
    with pytest.raises(InvalidInput, match="another set of keys"):
        Receiver(strangers[1]).check(signer.sign([b"x"]))
    signature = signer.sign([b"x"], 64)
    with pytest.raises(InvalidInput, match="do not belong together"):
        one.verify([b"x"], signature, KeyShare(64, 0), KeyShare(65, 0))
    with pytest.raises(InvalidInput, match="do not belong together"):
        one.verify([b"x"], signature, KeyShare(65, 0), KeyShare(65, 0))
    for n in (7, 70000):
        with pytest.raises(InvalidInput, match="from 8 to 8192"):
            signer.sign([b"x"], n)


def test_no_key_material_is_shown(parties):
    signer, one, _ = parties
    signature = signer.sign([b"x"])
    share = one.share(signature)
    for shown in (repr(share), repr(one.store), str(share)):
        assert str(share.bits) not in shown
        assert f"{share.bits:x}" not in shown


# -- processes over sockets -----------------------------------------------------------------------------------------------
PARTY = """
import json, socket, sys
from bitket.errors import BitketError
from bitket.networks.signatures.parties import bob, charlie
from bitket.networks.signatures.keys import KeyStore
from bitket.networks.signatures.protocol import Receiver

keys, store, path, port = json.loads(sys.argv[1])
keys, receiver = [bytes.fromhex(k) for k in keys], Receiver(KeyStore(store))
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    try:
        if port:
            found = bob(listener, ("127.0.0.1", port), tuple(keys), receiver, path, seconds=20)
        else:
            found = charlie(listener, keys[0], receiver, path, seconds=20)
        print(json.dumps([found.accepted, found.partner]))
    except BitketError as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))
"""


def _party(keys, store, path, port=None):
    arguments = json.dumps([[k.hex() for k in keys], str(store), str(path), port])
    process = subprocess.Popen([sys.executable, "-c", PARTY, arguments], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def _exchange(tmp_path, message, *, tamper=None, charlie_key=None):
    """What Alice, Bob and Charlie learned; Bob and Charlie are processes of their own."""
    make_stores(tmp_path / "keys", 10_000)
    path = tmp_path / "message"
    path.write_bytes(message)
    signature = Signer(KeyStore(tmp_path / "keys" / "signer.keys")).sign(pieces(path))
    if tamper:
        tamper(path)
    key_a, key_c = secrets.token_bytes(32), secrets.token_bytes(32)
    third, port = _party([charlie_key or key_c], tmp_path / "keys" / "receiver2.keys", tmp_path / "c.out")
    second, port = _party([key_a, key_c], tmp_path / "keys" / "receiver1.keys", tmp_path / "b.out", port)
    try:
        first = alice(("127.0.0.1", port), key_a, path, signature, seconds=30)
    except ExchangeError as error:
        first = error
    said = [json.loads(process.communicate(timeout=60)[0].splitlines()[-1]) for process in (second, third)]
    return first, *(Outcome(*x) if isinstance(x, list) else x for x in said)


def test_three_processes_agree(tmp_path):
    message = secrets.token_bytes(3_000_000)
    found = _exchange(tmp_path, message)
    assert found == (Outcome(True, True),) * 3
    assert (tmp_path / "b.out").read_bytes() == (tmp_path / "c.out").read_bytes() == message
    assert {p.name for p in tmp_path.iterdir()} == {"keys", "message", "b.out", "c.out"}


def test_three_processes_reject_what_was_changed(tmp_path):
    found = _exchange(tmp_path, b"pay 10", tamper=lambda path: path.write_bytes(b"pay 99"))
    assert not any(outcome.valid for outcome in found)
    assert not (tmp_path / "b.out").exists()
    assert not (tmp_path / "c.out").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"keys", "message"}


def test_three_processes_with_a_wrong_channel_key(tmp_path):
    first, second, third = _exchange(tmp_path, b"hello", charlie_key=bytes(32))
    assert "the channel's key differs" in third
    assert "ExchangeError" in second
    assert isinstance(first, ExchangeError)


def test_frames_cannot_be_changed_repeated_or_turned_round():
    key = secrets.token_bytes(32)

    def pair():
        left, right = socket.socketpair()
        left.settimeout(2)
        right.settimeout(2)
        return left, right

    left, right = pair()
    a, b = Channel(left, key, first=True), Channel(right, key, first=False)
    a.send(b"D", b"some bytes")
    a.send(b"V", b"{}")
    assert b.receive(b"D") == (b"D", b"some bytes")
    with pytest.raises(ExchangeError, match="kind b'V' came"):
        b.receive(b"D")

    left, right = pair()
    Channel(left, key, first=True).send(b"D", b"some bytes")
    frame = bytearray(right.recv(1000))
    for tampered in (frame[:40] + b"X" + frame[41:], b"E" + frame[1:]):
        left, right = pair()
        left.sendall(tampered)
        with pytest.raises(ExchangeError, match="did not send so"):
            Channel(right, key, first=False).receive(b"D", b"E")
    left, right = pair()
    left.sendall(frame * 2)  # a frame sent twice
    b = Channel(right, key, first=False)
    b.receive(b"D")
    with pytest.raises(ExchangeError, match="did not send so"):
        b.receive(b"D")
    left, right = pair()
    left.sendall(frame)
    with pytest.raises(ExchangeError, match="did not send so"):  # sent back to where it came from
        Channel(right, key, first=True).receive(b"D")
    left, right = pair()
    left.sendall(frame[:20])
    left.close()
    with pytest.raises(ExchangeError, match="closed the connection before the end"):
        Channel(right, key, first=False).receive(b"D")


@pytest.mark.slow
def test_a_hundred_thousand_flipped_bits_and_a_thousand_messages(parties):
    signer, one, other = parties
    draw = np.random.default_rng(7)
    for _ in range(1000):
        message = secrets.token_bytes(int(10 ** draw.uniform(0, 6)))
        signature = signer.sign([message])
        shares = one.share(signature), other.share(signature)
        assert one.verify([message], signature, *shares)
        for _ in range(100):
            where, changed = int(draw.integers(4)), bytearray(message[:1000])
            short = signature if len(message) <= 1000 else None
            bits = [*shares]
            flipped = signature
            if where == 0 and short:
                at = int(draw.integers(8 * len(changed)))
                changed[at // 8] ^= 1 << at % 8
            elif where in (0, 1):
                part = ("hash", "polynomial")[int(draw.integers(2))]
                value = getattr(signature, part) ^ 1 << int(draw.integers(128))
                flipped = Signature(**(signature.__dict__ | {part: value}))
            else:
                bits[where - 2] = KeyShare(128, bits[where - 2].bits ^ 1 << int(draw.integers(384)))
            assert not one.verify([bytes(changed) + message[1000:]], flipped, *bits)


def test_keys_from_simulated_fibres(tmp_path):
    """Two exchanges of BB84 with error correction; a group is as long as what an attacker may know of it asks for."""
    from bitket.networks.photonics import Fibre
    from bitket.networks.qkd import bb84, cascade
    from bitket.networks.signatures.bounds import group_length
    from bitket.networks.signatures.exchanges import Bb84
    from bitket.networks.signatures.keys import shuffled

    words = {}
    for k, name in enumerate(("receiver1", "receiver2")):
        draw = np.random.default_rng(k)
        raw = bb84.Bb84(Fibre(10_000, polarisation_fidelity=0.98)).run(key_length=100_000, generator=draw)
        same = cascade.Cascade(sample=20_000).run(raw.alice[0], raw.bob[0], draw)
        assert np.array_equal(same.alice, same.bob)
        bits = np.asarray(same.alice, dtype=np.uint8)[: 64 * 1000]
        words[name] = shuffled(np.packbits(bits, bitorder="little").view("<u8"), seed=12)
    signer = KeyStore.create(tmp_path / "s", "signer", bytes(16))
    signer.append(words["receiver1"] ^ words["receiver2"])
    receivers = []
    for party, name in (("receiver 1", "receiver1"), ("receiver 2", "receiver2")):
        store = KeyStore.create(tmp_path / name, party, bytes(16))
        store.append(words[name])
        receivers.append(Receiver(store))
    n = group_length(Bb84(misalignment=0.01).key(10.0), 8 * 1000, 1e-10)
    assert n > 128
    message = secrets.token_bytes(1000)
    signature = Signer(signer).sign([message], n)
    shares = [r.share(signature) for r in receivers]
    assert receivers[0].verify([message], signature, *shares)
    assert not receivers[0].verify([message[:-1]], signature, *shares)


def test_a_signer_that_cheats_cannot_divide_the_receivers():
    """Both receivers add the same two shares and come to the same verdict, whatever was signed; guesses pass as often as predicted."""
    draw, n, message = np.random.default_rng(4), 8, b"pay"
    accepted = 0
    for _ in range(3000):
        shares = [KeyShare(n, int(draw.integers(1 << 3 * n))) for _ in range(2)]
        guess = Signature(bytes(16), n, Group(0, 0, 1), int(draw.integers(1 << n)), int(draw.integers(1 << n)))
        one, other = Receiver.verify([message], guess, *shares), Receiver.verify([message], guess, *reversed(shares))
        assert one == other
        accepted += one
    # 30 of 256 polynomials are irreducible, and one hash of 256 is right.
    expected = 3000 * 30 / 256 / 256
    assert abs(accepted - expected) < 5 * np.sqrt(expected)
    assert accepted / 3000 < forgery_probability(8 * len(message), n)
