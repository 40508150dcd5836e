"""Studies on a Ray cluster: each one a task; a lost worker is tried again, then reported, and never takes the others with it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bitket.errors import InvalidInput, MissingExtra
from bitket.runs.files import write_bytes

__all__ = ["run_on_ray"]


def run_on_ray(
    address: str,
    keys: list[str],
    scale: str,
    seed: int,
    out: Path,
    outcome: Callable[[str, int, str, str], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Run studies on the cluster and bring their run folders back into ``out``.

    Raises
    ------
    MissingExtra
        Ray is not installed.
    InvalidInput
        The cluster does not answer.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("running on a cluster needs Ray: pip install 'bitket[cluster]'") from None
    try:
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InvalidInput(f"Ray cluster {address}: {str(error).splitlines()[0]}") from None

    @ray.remote(max_retries=2)
    def task(key: str) -> tuple[int, str, str, dict[str, bytes]]:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "bitket",
                "run",
                key,
                "--scale",
                scale,
                "--seed",
                str(seed),
                "--out",
                folder,
                "--json",
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            root = Path(folder)
            kept = {
                str(p.relative_to(root)): p.read_bytes()
                for p in root.rglob("*")
                if p.is_file() and "checkpoint" not in p.parts
            }
            return done.returncode, done.stdout, done.stderr, kept

    rows = []
    for key, future in [(k, task.remote(k)) for k in keys]:
        try:
            status, stdout, stderr, kept = ray.get(future)
        except ray.exceptions.RayError as error:
            rows.append(outcome(key, 1, "", str(error).strip().splitlines()[0]))
            continue
        for name, data in kept.items():
            write_bytes(out / name, data)
        rows.append(outcome(key, status, stdout, stderr))
    return rows
