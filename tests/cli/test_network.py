"""``bitket network``."""

import json
import os
import re

import pytest

HEADER = "initiator,responder,start_s,end_s,memories,fidelity\n"


def test_random_requests(bitket, tmp_path):
    status, out, _ = bitket("network", "star", "--memories", 4, "--seconds", 5, "--out", tmp_path, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["routers"] == 4
    assert found["delivered"] > 0
    assert sum(row["accepted"] for row in found["routers_served"]) > 4
    folder = tmp_path / "network"
    (run,) = folder.iterdir()
    assert {p.name for p in run.iterdir()} == {
        "result.json",
        "deliveries.csv",
        *(f"{name}.{kind}" for name in ("network", "memories") for kind in ("svg", "png")),
    }
    assert len((run / "deliveries.csv").read_text().splitlines()) == 1 + found["delivered"]
    status, again, _ = bitket("network", "star", "--memories", 4, "--seconds", 5, "--out", tmp_path, "--json")
    assert json.loads(again)["delivered"] == found["delivered"]


def test_requests_and_hardware_of_ones_own(bitket, tmp_path):
    requests, hardware, topology = tmp_path / "r.csv", tmp_path / "h.json", tmp_path / "t.json"
    links = [
        {"a": "amsterdam", "b": "delft", "length_km": 50},
        {"a": "delft", "b": "hague", "length_km": 10, "classical_delay_ms": 0.2},
    ]
    nodes = [{"name": "amsterdam"}, {"name": "delft", "memories": 12}, {"name": "hague"}]
    topology.write_text(json.dumps({"nodes": nodes, "links": links}))
    requests.write_text(HEADER + "hague,amsterdam,0.5,3,4,0.6\nhague,delft,3.5,4,2,0.8\n")
    hardware.write_text(
        json.dumps(
            {
                "memory": {"raw_fidelity": 0.93, "coherence_time": 2},
                "detector": {"efficiency": 0.9},
                "formalism": "bell",
            }
        )
    )
    status, out, _ = bitket(
        "network", topology, "--requests", requests, "--hardware", hardware, "--out", tmp_path / "o", "--mode", "event"
    )
    assert status == 0
    assert "hague" in out
    (result,) = (tmp_path / "o").glob("network/*/result.json")
    found = json.loads(result.read_text())
    assert [row["path"] for row in found["requests"]] == ["hague delft amsterdam", "hague delft"]
    assert all(row["delivered"] > 10 for row in found["requests"])
    assert found["requests"][1]["mean_fidelity"] == pytest.approx(0.93)
    assert {(load["a"], load["b"]) for load in found["loads"]} == {("amsterdam", "delft"), ("delft", "hague")}


def test_a_run_that_delivers_nothing_says_why(bitket, tmp_path):
    status, out, _ = bitket("network", "topohub:topozoo/Abilene", "--seconds", 4, "--out", tmp_path)
    said = " ".join(out.split())
    assert status == 0
    assert "0 pairs delivered" in said
    assert (
        "nothing was delivered: 14 of 14 links are expected to make fewer than 10 pairs in 4 s: slowest Houston" in said
    )
    assert "441 dB" in said
    assert "what would help: repeaters so that no link is longer than" in said
    (result,) = tmp_path.glob("network/*/result.json")
    found = json.loads(result.read_text())
    assert len(found["expected"]) == 14
    assert len(found["why_nothing"]) == 2


@pytest.mark.parametrize(
    "place", ['"x": "left", "y": 3', '"Latitude": null, "Longitude": 3', '"lat": true, "lon": "x"']
)
def test_places_that_are_no_numbers_are_not_used(bitket, tmp_path, place):
    (tmp_path / "t.json").write_text(
        TWO.replace('"a", "b"', f'{{{{"name": "a", {place}}}}}, "b"', 1).format('"length_km": 3')
    )
    status, _, err = bitket("network", tmp_path / "t.json", "--seconds", 0.1, "--out", tmp_path)
    assert (status, err) == (0, "")


@pytest.mark.parametrize(
    "arguments", [("{}.json",), ("star", "--requests", "{}.csv"), ("star", "--hardware", "{}.json"), ("line", "{}.csv")]
)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_at_once(bitket, tmp_path, monkeypatch, arguments, kind):
    monkeypatch.chdir(tmp_path)
    for ending in ("json", "csv"):
        if kind == "pipe":
            os.mkfifo(f"pipe.{ending}")
        elif kind == "device":
            os.symlink("/dev/zero", f"device.{ending}")
        else:
            os.mkdir(f"folder.{ending}")
    status, _, err = bitket("network", *(a.format(kind) for a in arguments))
    assert (status, err.count("\n")) == (2, 1)
    assert kind in err


TWO = '{{"nodes": ["a", "b"], "links": [{{"a": "a", "b": "b", {}}}]}}'
DEMANDS = "source,destination,fidelity,rate\n"


def test_demands(bitket, tmp_path):
    demands = tmp_path / "d.csv"
    demands.write_text(DEMANDS + "0,2,0.75,3.125\n3,5,0.75,3.125\n0,2,0.99,1\n")
    status, out, _ = bitket(
        "network", "line", demands, "--seconds", 5, "--out", tmp_path, "--coherence", "10,5", "--json"
    )
    assert status == 0
    found = json.loads(out)
    assert found["metrics"]["throughput"] == 6.25
    assert found["kept_with_links_on_time"] is True
    assert 0 < found["throughput"] < 6.25
    assert [row["task"] for row in found["rejected"]] == ["demand 2"]
    (run,) = (tmp_path / "network").iterdir()
    assert {p.name for p in run.iterdir()} == {
        "result.json",
        "schedule.json",
        *(f"{name}.{kind}" for name in ("network", "gantt") for kind in ("svg", "png")),
    }
    assert json.loads((run / "schedule.json").read_text())["metrics"] == found["metrics"]
    status, out, _ = bitket("network", "line", demands, "--method", "pts-pb", "--budget", 0.1, "--out", tmp_path)
    assert status == 0
    assert "rejected demand 2: no protocol" in out


@pytest.mark.parametrize("rate", [1, 1e9])
def test_every_file_that_is_named_is_there(bitket, tmp_path, rate):
    demands = tmp_path / "d.csv"
    demands.write_text(DEMANDS + f"0,2,0.75,{rate}\n")
    _, out, _ = bitket("network", "line", demands, "--seconds", 5, "--out", tmp_path)
    (run,) = (tmp_path / "network").iterdir()
    named = set(re.findall(r"\w+\.(?:json|svg)", out.split(run.name)[-1]))
    assert named == {p.name for p in run.iterdir() if p.suffix != ".png"}


@pytest.mark.parametrize(
    ("arguments", "files", "message"),
    [
        (["nowhere"], {}, "presets are line, star"),
        (["star", "--seconds", "0"], {}, "is not a number above 0, up to 10000000"),
        (["star", "--seconds", "inf"], {}, "is not a number above 0, up to 10000000"),
        (["star", "--hardware", "none.json"], {}, "none.json: there is no such file"),
        (["star", "--mode", "fast"], {}, "'fast' is not one of 'batched', 'event'"),
        (["star", "--formalism", "exact"], {}, "'exact' is not one of 'fidelity', 'bell', 'density', 'ket'"),
        (["star", "--requests", "none.csv"], {}, "none.csv: there is no such file"),
        (["star", "--requests", "r.csv"], {"r.csv": HEADER}, "there are no requests in it; fields are initiator"),
        (["star", "--requests", "r.csv"], {"r.csv": "a,b\n1,2\n"}, "r.csv line 2: initiator: Field required"),
        (
            ["star", "--requests", "r.csv"],
            {"r.csv": HEADER + "0,1,x,2,1,0.5\n"},
            "r.csv line 2: start_s: Input should be a valid number",
        ),
        (
            ["star", "--requests", "r.csv"],
            {"r.csv": HEADER + "0,9,1,2,1,0.5\n"},
            "r.csv line 2: router '9': the network has",
        ),
        (
            ["star", "--requests", "r.csv"],
            {"r.csv": HEADER + "0,1,1,2,1,0.5,7\n"},
            "line 2: 7 fields, the header has 6",
        ),
        (
            ["star", "--requests", "r.csv"],
            {"r.csv": HEADER + "0,1,1,2,1.5,0.5\n"},
            "line 2: memories: Input should be a valid int",
        ),
        (["star", "--requests", "r.json"], {"r.json": '{"a": 1}'}, "a list of requests is needed"),
        (["star", "--requests", "r.csv"], {"r.csv": HEADER + "0,1,1,2,1,1.5\n"}, "above 0, at most 1"),
        (["star", "--requests", "r.csv"], {"r.csv": HEADER + "0,1,2,1,1,0.5\n"}, "the end must come after the start"),
        (["star", "--hardware", "h.json"], {"h.json": "[1]"}, "known are memories"),
        (["star", "--hardware", "h.json"], {"h.json": '{"speed": 1}'}, "'speed': known are memories"),
        (["star", "--hardware", "h.json"], {"h.json": '{"memory": {"efficiency": 2}}'}, "must lie between 0 and 1"),
        (["star", "--hardware", "h.json"], {"h.json": '{"swap_success": "high"}'}, "a number is needed"),
        (
            ["t.json"],
            {
                "t.json": '{"nodes": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}], "links": '
                '[{"a": "a", "b": "b", "length_km": 1}, {"a": "c", "b": "d", "length_km": 1}]}'
            },
            "connect",
        ),
        (["line", "none.csv"], {}, "none.csv: there is no such file"),
        (["line", "d.csv"], {"d.csv": DEMANDS}, "there are no demands in it"),
        (["line", "d.csv"], {"d.csv": DEMANDS + "0,99,0.7,1\n"}, "no node '99'"),
        (["line", "d.csv"], {"d.csv": DEMANDS + "0,1,0.7,-1\n"}, "d.csv line 2: "),
        (
            ["line", "d.csv", "--method", "best"],
            {"d.csv": DEMANDS + "0,1,0.7,1\n"},
            "'best' is not one of 'pts-np-edf', 'pts-cedf'",
        ),
        (["line", "d.csv", "--budget", "1"], {"d.csv": DEMANDS + "0,1,0.7,1\n"}, "never suspends"),
        (["line", "d.csv", "--coherence", "1"], {"d.csv": DEMANDS + "0,1,0.7,1\n"}, "two positive numbers of seconds"),
        (["line", "d.csv", "--memories", "5"], {"d.csv": DEMANDS + "0,1,0.7,1\n"}, "it belongs to a simulation"),
        (["line", "d.csv", "--mode", "event"], {"d.csv": DEMANDS + "0,1,0.7,1\n"}, "it belongs to a simulation"),
        (
            ["line", "d.csv", "--seconds", "1e9"],
            {"d.csv": DEMANDS + "0,1,0.7,1\n"},
            "is not a number above 0, up to",
        ),
        (
            ["line", "d.json"],
            {"d.json": '[{"source": "0", "destination": "1", "fidelity": true, "rate": 1}]'},
            "fidelity: ",
        ),
        (["star", "--method", "pts-cedf"], {}, "it belongs to a schedule"),
        (["star", "--budget", "1"], {}, "it belongs to a schedule"),
        (["star", "--coherence", "1,1"], {}, "it belongs to a schedule"),
        (["star", "--seconds", "1e300"], {}, "is not a number above 0, up to"),
        (["star", "--memories", "1000000000000"], {}, "is not a whole number from 1 to 1000000"),
        (["star", "--hardware", "h.json"], {"h.json": '{"memories": 1.5}'}, "a whole number"),
        (["star", "--hardware", "h.json"], {"h.json": "[" * 100_000}, "h.json: "),
        (
            ["star", "--hardware", "h.json"],
            {"h.json": '{"memory": {"error_rates": 1}}'},
            "three rates of at least 0 Hz",
        ),
        (["star", "--hardware", "h.json"], {"h.json": '{"memory": {"error_rates": [1, 2, "x"]}}'}, "three rates of"),
        (["star", "--hardware", "h.json"], {"h.json": '{"memory": {"frequency_hz": 1e-300}}'}, "between 1e-6 and 1e12"),
        (
            ["star", "--hardware", "h.json"],
            {"h.json": '{"attenuation_db_per_km": Infinity}'},
            "h.json: not JSON (Infinity is not a finite number)",
        ),
        (["star", "--hardware", "h.json"], {"h.json": '{"heralding": ["double"]}'}, "single or double"),
        (["star", "--hardware", "h.json"], {"h.json": '{"detector": {"efficiency": 0}}'}, "link 0 - 3 of 5 km: "),
        (
            ["star", "--requests", "r.csv"],
            {"r.csv": HEADER + "0,1,1,1.00000000000001,1,0.5\n"},
            "the end must come after",
        ),
        (["star", "--requests", "r.csv"], {"r.csv": HEADER + "0,1,1,1e300,1,0.5\n"}, "are the most that are simulated"),
        (
            ["star", "--requests", "r.json"],
            {
                "r.json": '[{"initiator": "0", "responder": "1", "start_s": true, "end_s": 2, "memories": 1, "fidelity": 0.5}]'
            },
            "start_s: ",
        ),
        (["star", "--requests", "r.json"], {"r.json": "[" * 100_000}, "r.json: not JSON that can be read"),
        (["t.json"], {"t.json": TWO.format('"length_km": 5, "classical_delay_ms": "x"')}, "classical_delay_ms x: "),
        (
            ["t.json"],
            {"t.json": TWO.format('"length_km": 5, "classical_delay_ms": 1e300')},
            "classical_delay_ms 1e+300: ",
        ),
        (["t.json"], {"t.json": TWO.format('"length_km": 1e308')}, "up to 1e+06"),
        (
            ["t.json"],
            {"t.json": TWO.replace('"b"]', '{{"name": "b", "memories": "x"}}]').format('"length_km": 5')},
            "x memories",
        ),
        (
            ["t.json"],
            {"t.json": TWO.replace('"b"]', '{{"name": "b", "memories": 1.5}}]').format('"length_km": 5')},
            "1.5 memories",
        ),
        (["t.json"], {"t.json": '{"nodes": [{"name": "a"}, {"name": "b"}], "links": []}'}, "network without links"),
        (["t.json"], {"t.json": '{"nodes": [{"name": "a"}], "links": [{"a": "a", "b": "z", "length_km": 1}]}'}, "z"),
        (
            ["t.json"],
            {"t.json": '{"nodes": [{"name": "a"}, {"name": "b"}], "links": [{"a": "a", "b": "b", "length_km": -1}]}'},
            "-1",
        ),
    ],
)
def test_wrong_input_ends_with_one_line(bitket, tmp_path, monkeypatch, arguments, files, message):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    status, _, err = bitket("network", *arguments)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
