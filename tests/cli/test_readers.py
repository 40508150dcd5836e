"""Every parameter that names a file to read: what is missing, a folder, a device, a pipe, empty, or no text is one line that names it."""

import json
import os
from pathlib import Path

import pytest
from tests.cli.walk import verbs

from bitket.files import require_file, require_folder

WRITTEN = {  # what else is a path
    ("denoise", "model"), ("denoise", "out"),
    ("classify", "out"), ("classify", "figure"), ("predict", "out"),
    ("run", "out"), ("reproduce", "out"), ("simulate", "figure"), ("groundstate", "out"), ("generate train", "out"),
    ("generate sample", "out"), ("sentence", "figure"), ("sentence", "circuit"), ("network", "out"), ("keys", "folder"),
    ("sign", "output"), ("codes product", "out"), ("codes bicycle", "out"), ("codes reduce", "out"), ("codes reduce", "seed_out"),
    ("federate", "figure"), ("quantize", "out"), ("quantize", "figure"),
}  # fmt: skip
# Texts that may name a file: the call without them, and the ending that makes them a file.
NAMED = {
    "show": (["show"], ".py"),
    "cite": (["cite"], ".py"),
    "run": (["run"], ".py"),
    "reproduce": (["reproduce"], ".py"),
    "groundstate xyz": (["groundstate"], ".xyz"),
    "groundstate json": (["groundstate"], ".json"),
    "network json": (["network"], ".json"),
    "network yaml": (["network"], ".yaml"),
    "network graphml": (["network"], ".graphml"),
    "quantize program": (["quantize"], ".pt2"),
    "quantize data": (["quantize", "net.pt2", "--calibration"], ".npz"),
    "simulate device": (["simulate", "bell.qasm", "--device"], ".json"),
    "simulate noise": (["simulate", "bell.qasm", "--noise"], ".json"),
}
ENDINGS = {
    ("simulate", "file"): ".qasm", ("sentence", "lexicon"): ".json", ("network", "demands"): ".csv", ("network", "requests"): ".json",
    ("network", "hardware"): ".json", ("codes info", "file"): ".npz", ("codes product", "first"): ".alist",
    ("codes product", "second"): ".mtx", ("codes reduce", "file"): ".npz", ("federate", "data"): ".csv",
}  # fmt: skip


def readers():
    """Verb, parameter, and a call of the verb up to the file's name, which comes last."""
    for verb, command in verbs().items():
        for p in command.params:
            look = p.type_descriptor.parameter_info.parser
            if look in (require_file, require_folder):
                yield verb, p, look is require_folder


READERS = list(readers())


def line_for(calls, verb, parameter, name):
    """The quick call of the verb with this parameter's file instead."""
    line = [a.replace("{n}", "") for a in calls[verb]]
    if parameter.param_type_name == "option":
        given = next((o for o in parameter.opts if o in line), None)
        if given:
            line[line.index(given) + 1] = name
            return line
        return [*line, parameter.opts[-1], name]
    if (verb, parameter.name) == ("network", "demands"):
        return ["network", "line", name]
    place = [p.name for p in verbs()[verb].params if p.param_type_name == "argument"].index(parameter.name)
    at = len(verb.split()) + place
    return [*line[:at], name, *line[at + 1 :]]


def refused(bitket, line, name):
    before = sorted(Path().rglob("*"))
    status, out, err = bitket(*line)
    assert (status, out, err.count("\n")) == (2, "", 1), (line, err)
    assert err.startswith("bitket: "), err
    assert name in err, (line, err)
    assert sorted(Path().rglob("*")) == before, line
    return err


def test_every_path_is_read_or_written():
    paths = {(verb, p.name) for verb, c in verbs().items() for p in c.params if p.type_descriptor.annotation is Path}
    assert paths == WRITTEN | {(verb, p.name) for verb, p, _ in READERS}
    assert set(ENDINGS) <= paths


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("index", range(len(READERS)), ids=[f"{v} {p.name}" for v, p, _ in READERS])
def test_what_is_no_file_or_folder(bitket, calls, index):
    verb, p, folder = READERS[index]
    ending = ENDINGS.get((verb, p.name), "")
    os.mkfifo(f"pipe{ending}")
    Path(f"dir{ending}").mkdir()
    what = "folder" if folder else "file"
    assert f"there is no such {what}" in refused(bitket, line_for(calls, verb, p, f"none{ending}"), f"none{ending}")
    for name in (f"pipe{ending}", "/dev/zero", f"none{ending}/x", "bell.qasm" if folder else f"dir{ending}"):
        refused(bitket, line_for(calls, verb, p, name), name)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("index", range(len(READERS)), ids=[f"{v} {p.name}" for v, p, _ in READERS])
def test_empty_files_and_what_is_no_text(bitket, calls, index):
    verb, p, folder = READERS[index]
    if (verb, p.name) in {("sign", "file"), ("verify", "file")}:
        return  # of any content
    ending = ENDINGS.get((verb, p.name), "")
    name = f"odd{ending}"
    if folder:
        Path(name).mkdir()
        refused(bitket, line_for(calls, verb, p, name), name)
        return
    for content in (b"", b"\xff\xfe\x00odd", b"[" * 100_000):
        Path(name).write_bytes(content)
        refused(bitket, line_for(calls, verb, p, name), name)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", NAMED)
def test_texts_that_name_files(bitket, calls, case):
    line, ending = NAMED[case]
    os.mkfifo(f"pipe{ending}")
    Path(f"dir{ending}").mkdir()
    for name in (f"none{ending}", f"pipe{ending}", f"dir{ending}"):
        err = refused(bitket, [*line, name], name)
        assert name[0] != "n" or "there is no such file" in err, err
    for content in (b"", b"\xff\xfe\x00odd", b"[" * 100_000):
        Path(f"odd{ending}").write_bytes(content)
        refused(bitket, [*line, f"odd{ending}"], f"odd{ending}")


WRONG = [
    "[]", "{}", "1", "null", '"x"', "[1]", "[null]", "[[]]", '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1e999}', '{"a": ' + "9" * 400 + "}",
]  # fmt: skip
FIELDS = {
    "--hardware": ["memories", "memory", "detector", "formalism", "swap_success", "attenuation"],
    "--requests": ["requests"],
    "--lexicon": ["cat"],
    "--noise": ["rules", "readout"],
    "--device": ["name", "qubits", "gates", "num_qubits"],
    "topology": ["nodes", "links", "edges"],
    "groundstate": ["terms", "num_qubits", "ZZ"],
}
BEFORE = {
    "--hardware": ["network", "line", "--seconds", "0.1", "--hardware"],
    "--requests": ["network", "line", "--requests"],
    "--lexicon": ["sentence", "man prepares meal", "--lexicon"],
    "--noise": ["simulate", "bell.qasm", "--noise"],
    "--device": ["simulate", "bell.qasm", "--device"],
    "topology": ["network"],
    "groundstate": ["groundstate"],
}


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("shift", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 14))])
def test_run_folders_that_are_damaged(bitket, calls, shift):
    folder = Path("runs/estimating-pi/finished")
    files = {name: (folder / name).read_text() for name in ("config.json", "result.json", "report.json")}
    study = calls["show"][1]
    for name, text in files.items():
        whole = json.loads(text)
        texts = [*WRONG, text[:50], ""]
        # Each field with every kind of value at one of its turns; and the verb in turn, of which each reads all three files.
        texts += [json.dumps(whole | {field: VALUES[k % len(VALUES)]}) for k, field in enumerate([*whole] * 2, shift)]
        for k, bad in enumerate(texts):
            (folder / name).write_text(bad)
            resumed = k % 3 == 0
            status, out, err = bitket(*(["run", study, "finished", "--resume"] if resumed else ["report", folder]))
            assert status in (0, 2), (bad, err)
            assert status == 0 or (out, err.count("\n")) == ("", 1), (bad, err)
            if bad in WRONG and name != "config.json" and not resumed:
                assert status == 2, bad
        (folder / name).write_text(text)
    assert bitket("report", folder)[0] == 0


VALUES = [None, -1, 1.5, 10**30, True, "x", "", [], [1], [[]], {}, {"a": 1}, [{}], [None]]


@pytest.mark.parametrize("reader", BEFORE)
def test_json_of_wrong_types(bitket, calls, reader):
    texts = WRONG + [json.dumps({field: value}) for field in FIELDS[reader] for value in VALUES]
    for text in texts:
        Path("odd.json").write_text(text)
        status, out, err = bitket(*BEFORE[reader], "odd.json")
        if (status, err) != (0, ""):  # an empty object of hardware or of words is one
            assert (status, out, err.count("\n")) == (2, "", 1), (text, err)
            assert "odd.json" in err, (text, err)
    Path("odd.json").write_bytes(b"\xef\xbb\xbf" + b'{"memories": 4}')
    if reader == "--hardware":
        assert bitket(*BEFORE[reader], "odd.json")[0] == 0
