"""The README as a newcomer meets it: every block runs as printed, in a copy of ``examples/``, and prints what stands beside it.

``python tests/test_readme.py`` writes the outputs anew. In an output, ``...`` stands for what differs from run to run.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_RUN = {
    "make reproduce": "reruns every paper",
    "make test": "runs this test",
    "bitket reproduce --jobs 2": "reruns every paper; tests/cli/test_reproduce.py runs a few",
}
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```\n(?:\n?```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
# What differs from run to run: names of run folders, and seconds.
_VARYING = ((r"-\d{8}-\d{6}(-\d+)?", "-..."), (r"[\d.]+ s; report: (\S*/)\d{8}-\d{6}-\w+", r"... s; report: \1..."))
_CHECKER, _FLAGS = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A block of the README: its steps (one for Python, one a command) and what each prints."""

    kind: str
    steps: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def parse(cls, kind: str, text: str, printed: str | None) -> "Block":
        if kind == "python":
            return cls(kind, (text,), (printed or "",))
        steps = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
        pairs = [step.partition("\n") for step in steps]
        return cls(kind, tuple(re.split(r"\s{2,}#", p[0])[0] for p in pairs), tuple(p[2] for p in pairs))


def blocks() -> list[Block]:
    return [Block.parse(*match) for match in _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))]


def outputs(block: Block) -> list[str]:
    """What the steps of a block print, one after the other, in a new copy of the examples."""
    out, wide = [], {**os.environ, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        folder = shutil.copytree(ROOT / "examples", Path(scratch) / "examples")
        stack.enter_context(contextlib.chdir(folder))
        for step in block.steps:
            text = io.StringIO()
            if step in NOT_RUN:
                out.append("")
                continue
            with contextlib.redirect_stdout(text):
                if block.kind == "python":
                    exec(compile(step, "README.md", "exec"), {"__name__": "__main__"})
                else:
                    words = shlex.split(step)
                    assert words[0] == "bitket", step
                    run = [sys.executable, "-m", "bitket", *words[1:]]  # a process of its own, as a reader's
                    done = subprocess.run(run, stdout=subprocess.PIPE, env=wide, encoding="utf-8", check=False)
                    assert done.returncode == 0, step
                    text.write(done.stdout)
            out.append(text.getvalue())
    return out


BLOCKS = blocks()


@pytest.mark.parametrize("block", BLOCKS, ids=[b.steps[0].strip().splitlines()[-1][:40] for b in BLOCKS])
def test_a_block_prints_what_stands_beside_it(block):
    for step, wanted, got in zip(block.steps, block.outputs, outputs(block), strict=True):
        assert step in NOT_RUN or wanted, f"{step}: its output is not shown"
        example = doctest.Example(step, wanted)
        assert _CHECKER.check_output(wanted, got, _FLAGS), _CHECKER.output_difference(example, got, _FLAGS)


def rewrite() -> None:
    """The README with every output made anew."""

    def anew(match: re.Match[str]) -> str:
        kind, text, printed = match.groups()
        block = Block.parse(kind, text, printed)
        got = [re.sub(r"[ \t]+$", "", made, flags=re.MULTILINE).rstrip("\n") for made in outputs(block)]
        for pattern, dots in _VARYING:
            got = [re.sub(pattern, dots, made) for made in got]
        if kind == "python":
            return f"```python\n{text}```\n\n```text\n{got[0]}\n```\n"
        commands = [step.partition("\n")[0] for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
        body = "\n".join(f"$ {c}\n{made}" if made else f"$ {c}" for c, made in zip(commands, got, strict=True))
        return f"```console\n{body}\n```\n"

    path = ROOT / "README.md"
    path.write_text(_BLOCK.sub(anew, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "120")
    rewrite()
