"""Peak memory of simulations, measured by the system in a process of its own, against what they ask for beforehand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bitket.quantum.simulation import memory, native

pytestmark = [
    pytest.mark.skipif(native.core is None, reason="the compiled core is not built"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc"),
]

QUBITS = 22
SCRIPT = """
import sys
from pathlib import Path
import torch
from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.simulation import expectation, probabilities, sample, statevector

def run(n):
    c = Circuit(n)
    for k in range(2):
        for q in range(n):
            c.ry(Parameter(f"a{k}[{q}]"), q)
        for q in range(n - 1):
            c.cx(q, q + 1)
    w = torch.linspace(0, 1, 2 * n, dtype=torch.float64)
    what = sys.argv[1]
    if what == "statevector":
        statevector(c, w)
    elif what == "probabilities":
        assert abs(float(probabilities(c, w).sum()) - 1) < 1e-9
    elif what == "sample":
        assert sample(c, 1000, w, generator=torch.Generator().manual_seed(0)).shots == 1000
    else:
        w.requires_grad_()
        value = expectation(c, PauliSum.from_sparse([("XX", [0, n - 1], 1.0), ("Z", [3], 0.5)], n), w)
        torch.autograd.grad(value, w)

def kib(name):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))

run(12)  # libraries and code
Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is there (getrusage would begin with the parent's peak)
before = kib("VmHWM")
run(int(sys.argv[2]))
print((kib("VmHWM") - before) * 1024)
"""


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        ("statevector", memory.STATE),
        ("probabilities", memory.STATE),
        ("sample", memory.STATE),
        ("adjoint", memory.ADJOINT),
    ],
)
def test_peak(what: str, asked: float) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, what, str(QUBITS)], capture_output=True, text=True, check=True)
    size = 16 << QUBITS
    # The state itself is there, so that a measurement which sees nothing does not pass.
    assert 0.9 * size < int(done.stdout) <= asked * size
