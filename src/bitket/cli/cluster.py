"""Studies on a Ray cluster, each one a task: a lost worker is tried again, then reported, and never takes the others with it."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bitket.cli.jobs import Job, failure_of
from bitket.errors import InvalidInput, MissingExtra
from bitket.runs.files import write_bytes

__all__ = ["on_cluster"]

RETRIES = 2  # of a task whose worker or node was lost


def on_cluster(address: str, todo: list[Job]) -> Iterator[dict[str, Any]]:
    """Run studies on the cluster, bring their run folders back and give their outcomes as they come.

    Parameters
    ----------
    address
        Of the cluster (``ray://host:10001``, ``auto``), or ``local`` to start one on this machine.

    Raises
    ------
    MissingExtra
        Ray is not installed.
    InvalidInput
        The cluster does not answer.
    """
    # Ray prints what befalls its workers; standard output belongs to the caller's result.
    with contextlib.redirect_stdout(sys.stderr):
        ray = _connected(address)
        try:
            task = ray.remote(max_retries=RETRIES)(_run_there)
            futures = {}
            for job in todo:
                source = Path(job.name).read_bytes() if job.name.endswith(".py") else None
                futures[task.remote(job, source)] = job
                yield {"started": job.key}
            while futures:
                (done,), _ = ray.wait(list(futures), num_returns=1)
                job = futures.pop(done)
                try:
                    status, files = ray.get(done)
                except ray.exceptions.RayError as error:
                    reason = str(error).strip().splitlines()[0]
                    yield job.outcome(f"lost on the cluster, {RETRIES} more attempts included: {reason}")
                    continue
                for name, data in files.items():
                    write_bytes(job.folder / name, data)
                yield job.outcome(failure_of(status, files["output.txt"]))
        finally:
            ray.shutdown()


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtra("running on a cluster needs Ray: pip install 'bitket[cluster]'") from None
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address == "local" else None)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise InvalidInput(f"Ray cluster {address}: {str(error).splitlines()[0]}") from None
    return ray


def _run_there(job: Job, source: bytes | None) -> tuple[int, dict[str, bytes]]:
    """On a worker: run the study in a process of its own; its exit status and the files of its run folder."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "runs"
        if source is not None:  # a study from a user's own file: the worker may not see that file
            job = dataclasses.replace(job, name=Path(job.name).name)
            (Path(temporary) / job.name).write_bytes(source)
        done = subprocess.run(
            job.command(out),
            cwd=temporary,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        root = out / job.key / job.folder.name
        kept = [path for path in root.rglob("*") if path.is_file() and "checkpoint" not in path.parts]
        files = {str(path.relative_to(root)): path.read_bytes() for path in kept}
        return done.returncode, files | {"output.txt": done.stdout}
