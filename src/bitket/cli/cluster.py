"""Studies on a Ray cluster, each one a task: a lost worker is tried again, then reported, and never takes the others with it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from bitket.cli.jobs import Job, failure_of
from bitket.errors import InvalidInput, MissingExtra
from bitket.runs.files import write_bytes

__all__ = ["on_cluster", "reach"]

RETRIES = 2  # of a task whose worker or node was lost
PATIENCE = 5.0  # seconds for a cluster to answer
_GREETING = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
)  # of gRPC, on which Ray stands: HTTP/2 (RFC 9113, 3.4)


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


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtra("running on a cluster needs Ray: pip install 'bitket[cluster]'") from None
    return ray


def _connected(address: str) -> Any:
    ray = _ray()
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address == "local" else None)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise InvalidInput(f"Ray cluster {address}: {str(error).splitlines()[0]}") from None
    return ray


def reach(address: str) -> None:
    """Find out within seconds whether a cluster answers; Ray itself tries for minutes.

    Raises
    ------
    MissingExtra
        Ray is not installed.
    InvalidInput
        The address is none, or no Ray server answers there.
    """
    _ray()
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or "auto"
    if address in ("local", "auto"):  # no address to try: Ray looks on this machine, and says at once if there is none
        return
    scheme, _, place = address.rpartition("://")
    host, colon, port = place.rpartition(":")
    if scheme not in ("", "ray") or not colon or not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise InvalidInput(f"--ray {address}: 'ray://HOST:PORT', 'HOST:PORT', 'auto' or 'local' is needed")
    try:
        with closing(_opened(host.strip("[]"), int(port))) as answer:
            answer.sendall(_GREETING)
            if not answer.recv(1):
                raise ConnectionError("it does not speak as Ray does")
    except (OSError, UnicodeError) as error:
        reason = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"cannot reach {place} ({reason.lower()})") from None


def _opened(host: str, port: int) -> socket.socket:
    """A connection, by any of the host's addresses; the name is looked up in a thread, since that cannot be told to end."""
    found: Queue[Any] = Queue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.put(error)

    end = time.monotonic() + PATIENCE
    threading.Thread(target=look_up, daemon=True).start()
    try:
        addresses = found.get(timeout=PATIENCE)
    except Empty:
        raise TimeoutError from None
    last: Exception = TimeoutError()
    if isinstance(addresses, Exception):
        raise addresses
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(max(0.1, end - time.monotonic()))
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last


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
