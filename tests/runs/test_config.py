from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.runs.config import as_json, checked, differences, from_json, with_settings


@dataclass(frozen=True)
class Config:
    shots: Annotated[int, Ge(1)] = 100
    rate: Annotated[float, Ge(0), Le(1)] = 0.5
    mode: Literal["fast", "exact"] = "fast"
    depths: tuple[int, ...] = (1, 2)
    limit: float | None = None
    noisy: bool = False
    label: str = "a b"
    pairs: tuple[tuple[str, float], ...] = ()

    def __post_init__(self):
        if self.limit is not None and self.limit < self.rate:
            raise InvalidInput(f"setting limit={self.limit}: at least the rate ({self.rate}) is needed")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("shots", "7", 7),
        ("rate", "1e-3", 0.001),
        ("mode", "exact", "exact"),
        ("depths", "3,4", (3, 4)),
        ("depths", "3", (3,)),
        ("depths", "", ()),
        ("depths", "[5, 6]", (5, 6)),
        ("limit", "2", 2.0),
        ("limit", "None", None),
        ("noisy", "yes", True),
        ("label", "none", "none"),
        ("pairs", '[["a", 1]]', (("a", 1.0),)),
    ],
)
def test_settings_are_read_by_their_types(name, text, value):
    found = getattr(with_settings(Config(), {name: text}), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shot": "1"}, "setting 'shot' is unknown; did you mean 'shots'?"),
        ({"xyz": "1"}, "setting 'xyz' is unknown; there are shots, rate, mode"),
        ({"shots": "0"}, "setting shots=0: input should be greater than or equal to 1"),
        ({"shots": "2.5"}, "setting shots=2.5: input should be a valid integer"),
        ({"rate": "nan"}, "setting rate=nan: input should be a finite number"),
        ({"rate": "2"}, "setting rate=2: input should be less than or equal to 1"),
        ({"mode": "slow"}, "setting mode=slow: input should be 'fast' or 'exact'"),
        ({"depths": "1,b"}, "setting depths=1,b: input should be a valid integer"),
        ({"depths": "[1"}, r"setting depths=\[1: input should be a valid tuple"),
        ({"noisy": "perhaps"}, "setting noisy=perhaps: input should be a valid boolean"),
        ({"limit": "0.1"}, "setting limit=0.1: at least the rate"),
    ],
)
def test_wrong_settings_end_with_one_line(settings, message):
    with pytest.raises(InvalidInput, match=message) as error:
        with_settings(Config(), settings)
    assert "\n" not in str(error.value)


CONFIGS = st.builds(
    Config,
    shots=st.integers(1, 10**12),
    rate=st.floats(0, 1),
    mode=st.sampled_from(["fast", "exact"]),
    depths=st.lists(st.integers(), max_size=3).map(tuple),
    limit=st.none() | st.floats(1, 1e300),
    noisy=st.booleans(),
    label=st.text(),
    pairs=st.lists(st.tuples(st.text(), st.floats(-1e9, 1e9)), max_size=2).map(tuple),
)


@given(CONFIGS)
def test_configurations_survive_json(config):
    assert from_json(Config, as_json(config)) == config == checked(config)


@given(CONFIGS, CONFIGS)
def test_differences_are_the_settings_that_lead_from_one_to_the_other(a, b):
    assert with_settings(b, differences(a, b)) == a


def test_another_versions_configuration_is_refused():
    stored = as_json(Config())
    with pytest.raises(InvalidInput, match=r"the study's settings have changed since \(old\)"):
        from_json(Config, stored | {"old": 1})


def test_values_given_in_python_are_checked_too():
    with pytest.raises(InvalidInput, match="setting shots=0: input should be greater"):
        checked(Config(shots=0))
