"""``bitket keys``, ``sign`` and ``verify``."""

import json
import os
import secrets
import shutil

import pytest

from bitket.networks.signatures.keys import KeyStore, make_stores


def test_commands(bitket, tmp_path):
    file, folder = tmp_path / "report.pdf", tmp_path / "keys"
    file.write_bytes(secrets.token_bytes(5000))
    assert bitket("keys", folder, "--bits", "5000")[0] == 0
    out = json.loads(bitket("sign", file, "--keys", folder / "signer.keys", "--json")[1])
    assert out["key_bits_used"] == 384
    shutil.copytree(folder, tmp_path / "copy")
    check = [
        str(file),
        str(file) + ".qds",
        "--keys",
        str(folder / "receiver1.keys"),
        "--peer-keys",
        str(folder / "receiver2.keys"),
    ]
    status, out, _ = bitket("verify", *check)
    assert (status, out.startswith("valid")) == (0, True)
    status, _, err = bitket("verify", *check)
    assert status == 2
    assert "a signature can be checked once" in err
    file.write_bytes(b"other")
    keys = ["--keys", str(tmp_path / "copy" / "receiver1.keys")]
    status, _, err = bitket("verify", *check[:2], *keys, "--peer-keys", tmp_path / "copy" / "receiver1.keys")
    assert status == 2
    assert "those of both receivers are needed" in err
    status, out, _ = bitket("verify", *check[:2], *keys, "--peer-keys", tmp_path / "copy" / "receiver2.keys", "--json")
    assert (status, json.loads(out)["valid"]) == (1, False)


def test_the_receiver_says_how_short_a_hash_may_be(bitket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_stores("k", 1000)
    (tmp_path / "f").write_bytes(b"text")
    check = ["verify", "f", "f.qds", "--keys", "k/receiver1.keys", "--peer-keys", "k/receiver2.keys"]
    assert bitket("sign", "f", "--keys", "k/signer.keys", "--bits", 64)[0] == 0
    status, _, err = bitket(*check)
    assert (status, err.count("\n")) == (2, 1)
    assert "f.qds: signature: a hash of 64 bits; at least 128 are asked for" in err
    assert KeyStore("k/receiver1.keys").left() == 1024
    status, out, _ = bitket(*check, "--bits", 64)
    assert status == 0
    # 4 bytes and the one that ends them are hashed: 40 2^(1 - 64).
    assert "valid: f; with perfect keys a forgery passes with probability below 4.3e-18, if what" in " ".join(
        out.split()
    )


def test_an_empty_file(bitket, tmp_path, monkeypatch):
    """A byte is hashed of it: a forgery has probability 8 2^(1 - 128) at most, not 0."""
    monkeypatch.chdir(tmp_path)
    make_stores("k", 1000)
    (tmp_path / "f").write_bytes(b"")
    out = json.loads(bitket("sign", "f", "--keys", "k/signer.keys", "--json")[1])
    assert out["forgery_probability"] == pytest.approx(8 * 2.0**-127)
    check = ["verify", "f", "f.qds", "--keys", "k/receiver1.keys", "--peer-keys", "k/receiver2.keys", "--json"]
    assert json.loads(bitket(*check)[1])["forgery_probability"] == pytest.approx(8 * 2.0**-127)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sign", "nothing", "--keys", "k/signer.keys"], "nothing: there is no such file"),
        (["sign", "f", "--keys", "nothing"], "nothing: there is no such file"),
        (["sign", "f", "--keys", "f"], "f: not a key file"),
        (["sign", "f", "--keys", "k/signer.keys", "--bits", "3"], "a whole number from 8 to 8192"),
        (["sign", "f", "--keys", "k/signer.keys", "-o", "no/where.qds"], "no key was used"),
        (["sign", "f", "--keys", "k/signer.keys", "-o", "k"], "cannot write k: it is a folder"),
        (["sign", "f", "--keys", "k/signer.keys", "-o", "f"], "f: it is there already and is no signature"),
        (["sign", "f", "--keys", "k/signer.keys", "-o", "k/signer.keys"], "k/signer.keys: it is there already"),
        (
            ["verify", "f", "f", "--keys", "k/receiver1.keys", "--peer-keys", "k/receiver2.keys"],
            "f: signature: not a signature",
        ),
        (
            ["verify", "f", "none", "--keys", "k/receiver1.keys", "--peer-keys", "k/receiver2.keys"],
            "none: there is no such file",
        ),
        (["keys", "k"], "not overwritten"),
        (["keys", "new", "--bits", "10000000001"], "from 1 to 10000000000"),
        (
            ["sign", "f", "--keys", "k/signer.keys", "--bits", "8192"],
            "1024 key bits are left, a group of 24576 is needed",
        ),
        (["sign", "pipe", "--keys", "k/signer.keys"], "pipe: it is a device, a pipe or a socket; a file is needed"),
        (["sign", "zero", "--keys", "k/signer.keys"], "zero: it is a device, a pipe or a socket; a file is needed"),
        (["sign", "k", "--keys", "k/signer.keys"], "k: it is a folder; a file is needed"),
        (["sign", "f", "--keys", "pipe"], "pipe: it is a device, a pipe or a socket; a file is needed"),
        (["sign", "f", "--keys", "zero"], "zero: it is a device, a pipe or a socket; a file is needed"),
        (
            ["verify", "f", "pipe", "--keys", "k/receiver1.keys", "--peer-keys", "k/receiver2.keys"],
            "pipe: it is a device, a pipe or a socket; a file is needed",
        ),
        (
            ["verify", "f", "zero", "--keys", "k/receiver1.keys", "--peer-keys", "k/receiver2.keys"],
            "zero: it is a device, a pipe or a socket; a file is needed",
        ),
    ],
)
def test_wrong_commands(bitket, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    make_stores("k", 1000)
    (tmp_path / "f").write_bytes(b"text")
    os.mkfifo("pipe")
    os.symlink("/dev/zero", "zero")
    status, _, err = bitket(*arguments)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
    assert KeyStore("k/signer.keys").left() == 1024
