"""The examples of the README run as they stand."""

import doctest
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_examples_run():
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 15
    assert result.failed == 0
