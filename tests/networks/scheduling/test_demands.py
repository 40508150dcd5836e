import json

import numpy as np
import pytest

from bitket.errors import InvalidInput
from bitket.networks.scheduling import (
    Demand,
    QuantumNetwork,
    find_protocol,
    offered_rates,
    random_demands,
    read_demands,
)

ROWS = [Demand("a", "b", 0.8, 2.0), Demand("b", "c", 0.75, 0.5)]


def written(folder, text, name="d.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_csv_and_json(tmp_path):
    table = "source,destination,fidelity,rate\na,b,0.8,2\n\nb, c ,0.75,0.5\n"
    assert read_demands(written(tmp_path, table)) == ROWS
    rows = [vars(demand) for demand in ROWS]
    assert read_demands(written(tmp_path, json.dumps(rows), "d.json")) == ROWS
    assert read_demands(written(tmp_path, json.dumps({"demands": rows}), "e.json")) == ROWS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "source,destination,fidelity\na,b,0.8\n",
            r"d\.csv line 2: rate: Field required; fields are source, destination",
        ),
        ("source,destination,fidelity,rate,x\na,b,0.8,1,2\n", r"line 2: x: Extra"),
        ("source,destination,fidelity,rate\na,b,high,1\n", r"line 2: fidelity: Input should be a valid number"),
        ("source,destination,fidelity,rate\na,b,0.8\n", r"line 2: 3 fields, the header has 4"),
        ("source,destination,fidelity,rate\na,b,0.8,0\n", r"line 2: .*its rate is 0.0 Hz; it must be positive"),
        ("source,destination,fidelity,rate\na,b,0.8,-1\n", r"its rate is -1.0 Hz"),
        ("source,destination,fidelity,rate\na,b,0.8,nan\n", r"its rate is nan Hz"),
        ("source,destination,fidelity,rate\na,b,0.4,1\n", r"its fidelity is 0.4; it must lie above 0.5"),
        ("source,destination,fidelity,rate\na,b,1.4,1\n", r"its fidelity is 1.4"),
        ("source,destination,fidelity,rate\na,a,0.8,1\n", r"source and destination must differ"),
        ("source,destination,fidelity,rate\n", r"there are no demands"),
        ("", r"there are no demands"),
    ],
)
def test_wrong_files(tmp_path, text, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        read_demands(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "d.csv" in str(caught.value)


def test_wrong_kinds_of_files(tmp_path):
    for path in (written(tmp_path, "", "d.txt"), tmp_path / "none.csv", written(tmp_path, "{", "d.json")):
        with pytest.raises(InvalidInput, match=path.name):
            read_demands(path)
    with pytest.raises(InvalidInput, match="a list of demands is needed"):
        read_demands(written(tmp_path, "3", "e.json"))


@pytest.mark.parametrize(
    ("preset", "load", "fidelity"), [("line", 20.0, 0.6), ("h", 0.5, 0.75), ("symmetric", 60.0, 0.55)]
)
def test_random_demands(preset, load, fidelity):
    network = QuantumNetwork.preset(preset)
    demands = random_demands(network, load, fidelity, np.random.default_rng(3))
    assert demands == random_demands(network, load, fidelity, np.random.default_rng(3))
    assert demands != random_demands(network, load, fidelity, np.random.default_rng(4)) or load < 1
    rates = offered_rates(network.slot)
    assert load - rates[-1] < sum(d.rate for d in demands) <= load
    for d in demands:
        assert d.rate in rates
        assert {d.source, d.destination} <= set(network.ends)
        assert find_protocol(network, network.path(d.source, d.destination), fidelity, rates[-1]).rate >= d.rate


def test_random_demands_that_cannot_be():
    network, rng = QuantumNetwork.preset("star"), np.random.default_rng(0)
    for call, message in [
        (lambda: random_demands(network, 5.0, 0.97, rng), "no two ends of the network can get pairs of fidelity 0.97"),
        (lambda: random_demands(network, 0.1, 0.6, rng), "at least the lowest offered rate"),
        (lambda: random_demands(network, 5.0, 0.5, rng), "above 0.5"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            call()
