"""One run of a study, seen from inside the study: randomness, steps that survive a kill, and what the report will show.

Everything that takes long is a *step*, a function whose result is stored when it is done, or a *loop*, whose state is stored now and
then: a run that was killed loads them and goes on, to the same metrics, bit for bit. What lies between them is computed again, so it
should be quick. Random generators are made from the seed and a name, never shared, so that neither order nor a kill changes a number::

    def run(config, run):
        data = run.step("data", lambda: load(config))                    # computed once, loaded after a kill
        state = {"x": x0, "random": run.generator("optimiser")}
        for k in run.loop("optimise", state, config.steps):              # goes on in the middle
            state["x"] = advance(state["x"], state["random"])
            run.log(step=k, value=loss(state["x"]))
        figure, axes = run.subplots()
        run.figure("loss", figure, caption="Loss over steps.")
        return {"final_loss": loss(state["x"])}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bitket.errors import InvalidInput
from bitket.runs import figures
from bitket.runs.files import read_json, write_json
from bitket.runs.progress import Bars
from bitket.runs.storage import load_tree, save_tree

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

__all__ = ["Run", "plain"]

T = TypeVar("T")
_SAVE_SECONDS = 10.0  # between two stored states of a loop


class Run:
    """What a study's ``run`` function is given.

    Parameters
    ----------
    folder
        The run folder; made if it is not there. One that holds a checkpoint is gone on with.
    seed
        Seed of all randomness.
    quiet
        Show no progress.

    Raises
    ------
    InvalidInput
        The folder cannot be written, or another process runs in it.
    """

    def __init__(self, folder: Path, seed: int = 0, *, quiet: bool = False) -> None:
        self.folder, self.seed = Path(folder), seed
        self._checkpoint = self.folder / "checkpoint"
        self._clock = self._checkpoint / "clock.json"
        self._lock = _locked(self._checkpoint / "lock")
        before = read_json(self._clock, "a checkpoint") if self._clock.exists() else {}
        self._seconds, self._peak = before.get("seconds", 0.0), before.get("peak_rss_bytes", 0)
        self._started = time.monotonic()
        self._bars = Bars(quiet)
        self._names: set[str] = set()
        # All that was logged, shown or noted, in order. Steps and loops store their part and give it back when they are loaded.
        self._entries: list[tuple[str, dict[str, Any]]] = []
        self._metrics = os.open(
            self.folder / "metrics.jsonl", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666
        )

    def close(self) -> None:
        """Give the folder free for another process."""
        os.close(self._metrics)
        os.close(self._lock)

    # -- randomness -------------------------------------------------------------------------------------------------
    def _entropy(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:8], "little") >> 1

    def generator(self, name: str) -> np.random.Generator:
        """A NumPy generator that depends on the seed and the name alone."""
        return np.random.default_rng(self._entropy(name))

    def torch_generator(self, name: str) -> torch.Generator:
        """A torch generator that depends on the seed and the name alone."""
        import torch

        return torch.Generator().manual_seed(self._entropy(name))

    # -- steps and loops --------------------------------------------------------------------------------------------
    def step(self, name: str, function: Callable[[], T]) -> T:
        """The result of ``function``, computed once: a resumed run loads it, with what it logged, drew and noted.

        Parameters
        ----------
        name
            Unique in the run.
        function
            Returns numbers, text, None, arrays, tensors, generators, or lists, tuples and dicts of them.

        Raises
        ------
        InvalidInput
            The name was used before, or the result cannot be stored.
        """
        path = self._path(name)
        if not path.exists():
            mark = len(self._entries)
            result = function()
            self._store(path, {"result": result, "entries": json.dumps(self._entries[mark:])})
            return load_tree(path)["result"]  # the same objects on the first and on every later run
        stored = load_tree(path)
        self._replay(stored["entries"])
        return stored["result"]

    def loop(
        self, name: str, state: MutableMapping[str, Any], total: int, *, every: int | None = None
    ) -> Iterator[int]:
        """Count from 0 to ``total - 1``, storing ``state`` now and then; a resumed run restores it and counts on.

        The body keeps everything that lives from one turn to the next in ``state``: numbers, arrays, tensors and generators, or objects
        with ``state_dict`` and ``load_state_dict`` (modules, optimisers), which are restored in place. A body may end the loop by
        ``break``. After the loop ``state`` is the final one, also where nothing was left to do.

        Parameters
        ----------
        name
            Unique among the run's steps and loops.
        state
            Set before the loop to where it begins.
        total
            Number of turns.
        every
            Store after each so many turns; without it every ten seconds. The result does not depend on it.

        Raises
        ------
        InvalidInput
            The name was used before, or the state cannot be stored.
        """
        path, mark, first = self._path(name), len(self._entries), 0
        if path.exists():
            stored = load_tree(path)
            first = stored["turns"]
            _restore(state, stored["state"], path)
            self._replay(stored["entries"])
        last = time.monotonic()
        for k in self._bars.track(range(first, total), name, done=first):
            yield k
            due = (k + 1) % every == 0 if every else time.monotonic() - last > _SAVE_SECONDS
            if due or k + 1 == total:
                entries = json.dumps(self._entries[mark:])
                self._store(path, {"turns": k + 1, "state": _snapshot(state), "entries": entries})
                last = time.monotonic()

    def progress(self, items: Iterable[T] | int, description: str) -> Iterator[T]:
        """Iterate (over ``range(items)`` for a number) with a progress bar on a terminal, silently in a pipe."""
        return self._bars.track(range(items) if isinstance(items, int) else items, description)  # type: ignore[arg-type]

    def _path(self, name: str) -> Path:
        if name in self._names:
            raise InvalidInput(f"step '{name}' is there twice: names of steps and loops must differ")
        self._names.add(name)
        safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:80]
        return self._checkpoint / f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.safetensors"

    def _store(self, path: Path, value: Any) -> None:
        save_tree(path, value)
        write_json(self._clock, {"seconds": round(self.seconds, 3), "peak_rss_bytes": self.peak_rss_bytes})

    def _replay(self, entries: str) -> None:
        for kind, entry in json.loads(entries):
            self._add(kind, entry)

    def _add(self, kind: str, entry: dict[str, Any]) -> None:
        self._entries.append((kind, entry))
        if kind == "log":
            # One write a line: a kill leaves whole lines. A resumed run begins the file anew and replays what its steps stored.
            os.write(self._metrics, (json.dumps(entry) + "\n").encode())

    # -- results ----------------------------------------------------------------------------------------------------
    def log(self, **values: Any) -> None:
        """Add a line of measurements (numbers or text by name) to metrics.jsonl; what is not finite becomes null."""
        self._add("log", {name: plain(value) for name, value in values.items()})

    @staticmethod
    def subplots(rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 4.0) -> tuple[Figure, Any]:
        """A figure in the studies' look and its axes (an array of them for more than one); sizes in inches."""
        return figures.subplots(rows, columns, width=width, height=height)

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """Store a figure as SVG and PNG; the report shows it with its caption.

        Raises
        ------
        InvalidInput
            The name is used before, or is not made of letters, digits, hyphens and underscores.
        """
        if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name, flags=re.ASCII):
            raise InvalidInput(f"figure '{name}': letters, digits, hyphens and underscores are needed")
        if any(kind == "figure" and entry["name"] == name for kind, entry in self._entries):
            raise InvalidInput(f"figure '{name}' is there twice: names of figures must differ")
        figures.write(self.folder, name, figure)
        self._add("figure", {"name": name, "caption": caption})

    def table(self, name: str, rows: Iterable[Mapping[str, Any]], caption: str) -> None:
        """A table for the report: one mapping a row, columns in the order in which they first appear."""
        plain_rows = [{key: plain(value) for key, value in row.items()} for row in rows]
        columns = list(dict.fromkeys(key for row in plain_rows for key in row))
        cells = [[row.get(column, "") for column in columns] for row in plain_rows]
        self._add("table", {"name": name, "columns": columns, "rows": cells, "caption": caption})

    def note(self, text: str) -> None:
        """A sentence that a reader of the report must know."""
        self._add("note", {"text": text})

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """What was logged (``"log"``), drawn (``"figure"``), tabulated (``"table"``) or noted (``"note"``), in order."""
        return [entry for found, entry in self._entries if found == kind]

    # -- cost -------------------------------------------------------------------------------------------------------
    @property
    def seconds(self) -> float:
        """Time spent, that of earlier processes up to what they stored last included."""
        return self._seconds + time.monotonic() - self._started

    @property
    def peak_rss_bytes(self) -> int:
        """The most memory that this process, one of its children, or an earlier process of this run has held."""
        unit = 1 if sys.platform == "darwin" else 1024
        used = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return max(self._peak, *(kept * unit for kept in used))


def plain(value: Any) -> Any:
    """A number or text as JSON can hold it: scalars of NumPy and torch as Python's, None for what is not finite."""
    if hasattr(value, "item"):
        with contextlib.suppress(ValueError, RuntimeError):  # an array of more than one number is refused below
            value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InvalidInput(f"a {type(value).__name__} cannot be logged or tabulated; numbers and text can")


def _locked(path: Path) -> int:
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InvalidInput(f"cannot write {path.parent.parent}: {error.strerror or error}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise InvalidInput(f"{path.parent.parent}: another process is running here") from None
    return lock


def _snapshot(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.state_dict() if hasattr(value, "state_dict") else value for name, value in state.items()}


def _restore(state: MutableMapping[str, Any], stored: Mapping[str, Any], path: Path) -> None:
    missing = [name for name in state if name not in stored]
    if missing:
        raise InvalidInput(f"{path}: it has no '{missing[0]}'; the study has changed since this run began")
    for name, value in stored.items():
        now: Any = state.get(name)
        if hasattr(now, "load_state_dict"):
            now.load_state_dict(value)
        elif isinstance(now, np.random.Generator):
            now.bit_generator.state = value.bit_generator.state
        elif hasattr(now, "set_state"):
            now.set_state(value.get_state())
        else:
            state[name] = value
