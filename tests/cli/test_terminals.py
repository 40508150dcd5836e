"""Every verb where standard output or error is closed, has no reader, or knows no Unicode: the result arrives, or nothing is said."""

import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.walk import verbs

from bitket.cli import main


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def unread():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def called(monkeypatch, arguments, out, err):
    """Status, and what stands on the streams."""
    monkeypatch.setattr(sys, "argv", ["bitket", *arguments])
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, *(
        s.buffer.getvalue() if isinstance(s, io.TextIOWrapper) and isinstance(s.buffer, io.BytesIO) else b""
        for s in (out, err)
    )


def test_every_verb_has_a_quick_call(calls):
    assert calls.keys() == verbs().keys()


@pytest.mark.usefixtures("made")
def test_every_verb_on_every_terminal(calls, monkeypatch):
    numbers = itertools.count()
    keys = {path: path.read_bytes() for path in Path("made").iterdir()}  # they are used once
    for verb, arguments in calls.items():

        def call(out, err, arguments=arguments):
            for path, data in keys.items():
                path.write_bytes(data)
            with monkeypatch.context() as patch:
                return called(patch, [a.replace("{n}", str(next(numbers))) for a in arguments], out, err)

        status, out, err = call(stream("ascii"), stream("latin-1"))
        assert (status, b"Traceback" in err) == (0, False), (verb, err)
        assert out.decode("ascii").strip(), verb
        status, _, err = call(unread(), stream("ascii"))
        assert (status, b"Traceback" in err) == (141, False), (verb, err)
        if verb == "reproduce":
            continue  # a process of its own each time; it prints as the others do
        assert call(None, None)[0] == 0, verb
        status, out, _ = call(stream("latin-1"), unread())
        assert status == 0, verb
        assert out.decode("latin-1").strip(), verb


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C", "| cat"),
        ("PYTHONIOENCODING=latin-1", "| cat"),
        ("", ">&-"),
        ("", "2>&-"),
        ("", ">&- 2>&- <&-"),
        ("", "| head -1"),
    ],
)
def test_a_real_process(calls, before, after):
    script = f"{before} {sys.executable} -m bitket simulate bell.qasm --seed 1 {after}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    assert done.stderr == b""
    assert (done.returncode, len(done.stdout.splitlines())) == (
        0,
        0 if ">&-" in after and after != "2>&-" else 1 if "head" in after else 2,
    )
    if after == "| cat":
        assert b"########" in done.stdout


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "bitket: not enough memory\n"),
        (MemoryError("Unable to allocate 9 PiB"), "bitket: not enough memory (Unable to allocate 9 PiB)\n"),
        (
            RuntimeError("[enforce fail] you tried to allocate 8000000000 bytes. Error code 12"),
            "bitket: not enough memory (8000000000 bytes were asked for)\n",
        ),
    ],
)
def test_memory_that_runs_out_is_one_line(bitket, monkeypatch, error, line):
    def full(name):
        raise error

    monkeypatch.setattr("bitket.studies.load", full)
    assert bitket("cite", "zne-nn") == (2, "", line)
