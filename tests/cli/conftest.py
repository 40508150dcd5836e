import sys
from pathlib import Path

import pytest

from bitket.cli import main

STUDY = str(Path(__file__).parents[1] / "studies" / "estimating_pi.py")


@pytest.fixture
def bitket(monkeypatch, capsys):
    """Call the command line in this process: ``bitket("list")`` gives (status, standard output, standard error)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bitket", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return call
