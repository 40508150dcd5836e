import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

PI = Path(__file__).parents[1] / "studies" / "estimating_pi.py"
ROW = {"study", "folder", "title", "claims", "seconds", "error"}


@pytest.fixture
def files(tmp_path):
    """Studies that end well, fail, and are killed."""
    text = PI.read_text()
    run = "def run(config: Config, run: Run) -> Mapping[str, float]:\n"
    bodies = {
        "good": "",
        "bad": "    raise ValueError('the floor gave way')\n",
        "killed": "    import os; os.kill(os.getpid(), 9)\n",
        "slow": "    time.sleep(60)\n",
    }
    for name, body in bodies.items():
        changed = text.replace('key="estimating-pi"', f'key="{name}"').replace(run, run + body)
        (tmp_path / f"{name}.py").write_text(changed)
    return {name: str(tmp_path / f"{name}.py") for name in bodies}


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_failed_or_killed_study_never_loses_the_others(bitket, tmp_path, files, jobs):
    out = tmp_path / "runs"
    names = [files[name] for name in ("bad", "killed", "good")]
    status, text, err = bitket("reproduce", *names, "--jobs", jobs, "--out", out, "--json")
    assert (status, err) == (1, "")
    rows = {row["study"]: row for row in json.loads(text)}
    assert list(rows) == ["bad", "good", "killed"]
    assert all(set(row) == ROW for row in rows.values())
    assert rows["bad"]["error"] == "ValueError: the floor gave way"
    assert rows["killed"]["error"] == "killed by signal 9"
    assert rows["good"]["error"] == ""
    assert rows["good"]["claims"] == {"reproduced": 1, "not reproduced": 1, "not tested at this scale": 1}
    page = (out / "index.html").read_text()
    link = os.path.relpath(rows["good"]["folder"], out) + "/report.html"
    assert f'href="{link}"' in page
    assert (out / link).exists()
    assert "the floor gave way" in page
    assert "Traceback" in (Path(rows["bad"]["folder"]) / "output.txt").read_text()


def test_the_scoreboard_adds_up(bitket, tmp_path, files):
    status, text, err = bitket("reproduce", files["good"], "--out", tmp_path / "runs")
    assert status == 0
    assert err.startswith("good: 1 reproduced, 1 not reproduced, 1 not tested at this scale (")
    lines = [line.split() for line in text.splitlines()]
    assert ["good", "1", "1", "1"] in [line[:4] for line in lines]
    assert ["all", "1", "1", "1"] in [line[:4] for line in lines]
    status, text, err = bitket("reproduce", files["bad"], "--out", tmp_path / "runs")
    assert status == 1
    assert err.startswith("bad: failed: ValueError: the floor gave way (see ")


def test_resume_goes_on_with_runs_of_the_same_scale_and_seed(bitket, tmp_path, files):
    out = tmp_path / "runs"
    first = json.loads(bitket("reproduce", files["good"], "--out", out, "--seed", 2, "--json")[1])[0]
    again = json.loads(bitket("reproduce", files["good"], "--out", out, "--seed", 2, "--json", "--resume")[1])[0]
    assert again == first
    other = json.loads(bitket("reproduce", files["good"], "--out", out, "--seed", 3, "--json", "--resume")[1])[0]
    assert other["folder"] != first["folder"]
    (Path(other["folder"]) / "result.json").unlink()  # as if it had been stopped at the end
    last = json.loads(bitket("reproduce", files["good"], "--out", out, "--seed", 3, "--json", "--resume")[1])[0]
    assert last["folder"] == other["folder"]
    assert last["claims"] == other["claims"]


def test_an_interrupt_stops_all_studies(tmp_path, files):
    out = tmp_path / "runs"
    command = [
        sys.executable,
        "-m",
        "bitket",
        "reproduce",
        files["slow"],
        files["good"],
        "--jobs",
        "2",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(out.glob("slow/*/config.json")) or not list(out.glob("good/*/report.html")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1].startswith("bitket: stopped;")
    assert not list(
        out.glob("slow/*")
    )  # it had stored nothing; its process has ended, or it would still hold the folder
    assert list(out.glob("good/*/result.json"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_studies_on_a_ray_cluster_survive_a_lost_worker(bitket, tmp_path, files):
    pytest.importorskip("ray")
    text = PI.read_text().replace('key="estimating-pi"', 'key="lost"')
    run = "def run(config: Config, run: Run) -> Mapping[str, float]:\n"
    mark, always = tmp_path / "mark", tmp_path / "always"
    # The study's parent is the worker: the first attempt kills it, the second ends well.
    body = f"    import os, pathlib\n    m = pathlib.Path({str(mark)!r})\n"
    body += "    m.exists() or (m.touch(), os.kill(os.getppid(), 9), time.sleep(30))\n"
    (tmp_path / "lost.py").write_text(text.replace(run, run + body))
    body = (
        f"    import os\n    open({str(always)!r}, 'a').write('x')\n    os.kill(os.getppid(), 9)\n    time.sleep(30)\n"
    )
    (tmp_path / "gone.py").write_text(text.replace('"lost"', '"gone"').replace(run, run + body))
    names = [str(tmp_path / f"{name}.py") for name in ("lost", "gone")] + [files["good"], files["bad"]]
    out = tmp_path / "runs"
    status, text, _ = bitket("reproduce", *names, "--ray", "local", "--out", out, "--json")
    rows = {row["study"]: row for row in json.loads(text)}
    assert status == 1
    assert rows["good"]["error"] == ""
    assert rows["lost"]["error"] == ""
    assert mark.exists()
    assert rows["bad"]["error"] == "ValueError: the floor gave way"
    assert rows["gone"]["error"].startswith("lost on the cluster, 2 more attempts included")
    assert always.read_text() == "xxx"
    for name in ("good", "lost"):
        folder = Path(rows[name]["folder"])
        assert {"result.json", "report.html", "convergence.svg", "output.txt"} <= {p.name for p in folder.iterdir()}


@pytest.fixture
def nowhere(monkeypatch):
    """Addresses that do not serve as a cluster, and what is said of them."""
    pytest.importorskip("ray")
    from bitket.cli import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    look_up = cluster.socket.getaddrinfo

    def scripted(host, *rest, **options):
        if host == "slow.invalid":
            time.sleep(30)
        if host == "none.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *rest, **options)

    monkeypatch.setattr(cluster.socket, "getaddrinfo", scripted)
    with (
        socket.socket() as closed,
        socket.create_server(("127.0.0.1", 0)) as silent,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        closed.bind(("127.0.0.1", 0))  # and does not listen

        def hang_up():
            with contextlib.suppress(OSError):
                while True:
                    other.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        yield {
            f"127.0.0.1:{closed.getsockname()[1]}": "connection refused",
            f"127.0.0.1:{silent.getsockname()[1]}": "no answer",
            f"127.0.0.1:{other.getsockname()[1]}": "",
            "none.invalid:1": "name or service not known",
            "slow.invalid:1": "no answer",
        }


def test_a_cluster_that_does_not_answer_is_named_within_seconds(bitket, tmp_path, files, nowhere, monkeypatch):
    for place, reason in nowhere.items():
        for address in (place, f"ray://{place}", "auto"):
            monkeypatch.setenv("RAY_ADDRESS", place)
            start = time.monotonic()
            status, _, err = bitket("reproduce", files["good"], "--ray", address, "--out", tmp_path / "runs")
            assert (status, time.monotonic() - start < 10) == (2, True)
            assert f"bitket: cannot reach {place} ({reason}" in err
    for address in ("nonsense", "nohost", "a:b", ":1", "http://a:1", "a:0", "a:99999"):
        status, _, err = bitket("reproduce", files["good"], "--ray", address, "--out", tmp_path / "runs")
        assert (status, f"--ray {address}: 'ray://HOST:PORT'" in err) == (2, True)
    assert not (tmp_path / "runs").exists()


def test_as_many_jobs_as_cores_share_the_threads(bitket, tmp_path, files, monkeypatch):
    from bitket.cli import reproduce

    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *args, **options):
            started.append(options["env"]["OMP_NUM_THREADS"])
            super().__init__(*args, **options)

    monkeypatch.setattr(reproduce.subprocess, "Popen", Watched)
    monkeypatch.setattr(reproduce, "_cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert bitket("reproduce", files["good"], files["bad"], "--out", tmp_path / "a")[0] == 1
    assert started == ["3", "3"]
    assert bitket("reproduce", files["good"], files["bad"], "--jobs", 6, "--out", tmp_path / "b")[0] == 1
    assert started[2:] == ["3", "3"]
    assert bitket("reproduce", files["good"], files["bad"], "--jobs", 1, "--out", tmp_path / "c")[0] == 1
    assert started[4:] == ["6", "6"]
