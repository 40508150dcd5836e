"""The key store: nothing is used twice, whatever is killed and whoever is quicker."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.networks.signatures.keys import Group, KeyStore, make_stores, shuffled

WORDS = np.arange(1, 401, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


@pytest.fixture
def store(tmp_path):
    out = KeyStore.create(tmp_path / "a.keys", "receiver 1", bytes(16))
    out.append(WORDS)
    return out


def test_bits_come_once(store):
    seen = []
    for bits in (64, 100, 384, 1):
        group, value = store.draw(bits)
        expected = int.from_bytes(WORDS[group.first : group.first + group.words].tobytes(), "little") & (
            (1 << bits) - 1
        )
        assert value == expected
        assert value.bit_length() <= bits
        seen += range(group.first, group.first + group.words)
        with pytest.raises(InvalidInput, match="are used"):
            store.take(group, bits)
        with pytest.raises(InvalidInput, match="are used"):
            KeyStore(store.path).check(group, bits)
    assert len(set(seen)) == len(seen) == 1 + 2 + 6 + 1
    assert store.left() == 64 * (400 - 10)
    raw = store.path.read_bytes()
    for k in seen:  # what is used is erased
        assert WORDS[k].tobytes() not in raw
    assert WORDS[len(seen) + 5].tobytes() in raw


def test_named_groups_and_segments(store):
    store.append(WORDS[::-1].copy())
    group = Group(1, 17, 3)
    store.check(group, 190)
    value = store.take(group, 190)
    assert value == int.from_bytes(WORDS[::-1][17:20].tobytes(), "little") & ((1 << 190) - 1)
    for wrong, message in (
        (Group(2, 0, 3), "no such group"),
        (Group(0, 398, 3), "no such group"),
        (Group(0, -1, 3), "no such group"),
        (Group(0, 0, 4), "not consistent"),
        (Group(1, 19, 3), "are used"),
    ):
        with pytest.raises(InvalidInput, match=message):
            store.take(wrong, 190)
    found, _ = store.draw(64 * 390)  # a run that fits into the first segment only
    assert found == Group(0, 0, 390)
    with pytest.raises(InvalidInput, match=r"26048 key bits are left, a group of 64000 is needed"):
        store.draw(64000)


def test_runs_between_used_words_are_found(store):
    for first in (0, 10, 20):
        store.take(Group(0, first, 5), 320)
    assert store.draw(320)[0] == Group(0, 5, 5)
    assert store.draw(64 * 6)[0] == Group(0, 25, 6)
    assert store.draw(64)[0] == Group(0, 15, 1)


DRAWER = """
import sys
from bitket.networks.signatures.keys import KeyStore
store = KeyStore(sys.argv[1])
while True:
    group, bits = store.draw(128)
    sys.stdout.write(f"{group.first} {bits:x}\\n")
    sys.stdout.flush()
"""


def test_processes_that_draw_at_once_or_are_killed_never_share(tmp_path):
    words = np.frombuffer(os.urandom(8 * 20000), dtype="<u8")
    store = KeyStore.create(tmp_path / "b.keys", "signer", bytes(16))
    store.append(words)
    lines = []
    for turn in range(3):
        runs = [
            subprocess.Popen([sys.executable, "-c", DRAWER, str(store.path)], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        heads = [run.stdout.readline() for run in runs]
        time.sleep(0.1 + 0.07 * turn)
        for run in runs:
            run.send_signal(signal.SIGKILL)
        for run, head in zip(runs, heads, strict=True):
            rest = run.communicate()[0]
            lines += [line for line in (head + rest).split("\n")[:-1] if line.count(" ") == 1]
    firsts = [int(line.split()[0]) for line in lines]
    assert len(firsts) > 20
    assert len(set(firsts)) == len(firsts)
    for line in lines:
        first, value = int(line.split()[0]), int(line.split()[1], 16)
        assert value == int.from_bytes(words[first : first + 2].tobytes(), "little")
    again = KeyStore(store.path)  # after the kills the file is whole, and what was handed out stays used
    for first in firsts:
        with pytest.raises(InvalidInput, match="are used"):
            again.check(Group(0, first, 2), 128)
    assert again.left() <= 64 * (20000 - 2 * len(firsts))


def test_an_append_that_was_cut_off_is_not_there(store):
    with store.path.open("ab") as file:
        file.write(bytes(16) + b"\xff" * 100)  # words are written before the segment's head
    assert KeyStore(store.path).left() == 64 * 400
    KeyStore(store.path).append(WORDS[:7])
    assert KeyStore(store.path).left() == 64 * 407
    assert KeyStore(store.path).take(Group(1, 2, 1), 64) == int(WORDS[2])


def test_files_that_are_no_key_files(store, tmp_path):
    whole = store.path.read_bytes()
    for data, message in (
        (b"", "not a key file"),
        (b"hello" * 20, "not a key file"),
        (whole[:8] + b"\x07" + whole[9:], "version 7; this program reads version 1"),
        (whole[:12] + b"\x09" + whole[13:], "unknown party"),
        (whole[:-5], "cut short or damaged"),
    ):
        path = tmp_path / "other"
        path.write_bytes(data)
        with pytest.raises(InvalidInput, match=message):
            KeyStore(path)
    with pytest.raises(InvalidInput, match="nothing: there is no such file"):
        KeyStore(tmp_path / "nothing")


def test_stores_of_three_parties(tmp_path):
    signer, one, other = make_stores(tmp_path / "keys", 1000)
    assert {oct(s.path.stat().st_mode & 0o777) for s in (signer, one, other)} == {"0o600"}
    group, bits = signer.draw(500)
    assert bits == one.take(group, 500) ^ other.take(group, 500)
    with pytest.raises(InvalidInput, match="not overwritten"):
        make_stores(tmp_path / "keys", 1000)
    assert signer.left() == 1024 - 512
    with pytest.raises(InvalidInput, match="0 key bits"):
        make_stores(tmp_path, 0)


def test_all_parties_shuffle_alike():
    one = np.frombuffer(os.urandom(80), dtype="<u8")
    other = np.frombuffer(os.urandom(80), dtype="<u8")
    assert np.array_equal(shuffled(one, 5) ^ shuffled(other, 5), shuffled(one ^ other, 5))
    assert not np.array_equal(shuffled(one, 5), one)
    assert np.bitwise_count(shuffled(one, 5)).sum() == np.bitwise_count(one).sum()
