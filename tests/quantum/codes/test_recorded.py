"""The recorded codes, from their matrices alone, by a checker that shares no code with the library; searches of several minutes."""

from pathlib import Path

import numpy as np
import pytest

from bitket.quantum.codes import dense_code
from bitket.quantum.codes.reduce import Search

from . import checker

FOLDER = Path(__file__).parents[3] / "results" / "codes"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("8-2-5-weight-6", (100, 4, 5)),
        pytest.param("12-3-6-weight-6", (225, 9, 6), marks=pytest.mark.slow),
    ],
)
def test_recorded_codes(name, parameters):
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        found = checker.css(arrays["hx"], arrays["hz"], most=parameters[2])
    assert (found["n"], found["k"], found["dx"], found["dz"]) == (*parameters, parameters[2])
    assert found["weight"] <= 6
    assert found["degree"] <= 6


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("parameters", [(12, 3, 6), (16, 4, 8)])
def test_ppo_reaches_degree_three(parameters):
    reached = 0
    for seed in range(3):
        search = Search(dense_code(*parameters, np.random.default_rng(seed), 200_000), 6, None, seed)
        while search.evaluations < 150_000 and not search.success:
            search.update()
        reached += search.success
    assert reached >= 2
