"""Results do not depend on what was run before: the same bits first, again, after other questions, and in another process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.simulation import expectation, probabilities, sample, statevector

QUBITS = (2, 5, 8, 10, 11, 13)
BATCHES = (None, 2, 5)


def circuit(n: int) -> Circuit:
    c = Circuit(n)
    rng = np.random.default_rng(n)
    for k in range(3):
        for q in range(n):
            c.ry(Parameter(f"w{k * n + q}"), q).rz(float(rng.normal()), q).h(q)
        for q in range(n - 1):
            c.cx(q, q + 1)
        c.unitary(np.linalg.qr(rng.normal(size=(4, 4)))[0], [0, n - 1])
    return c


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest()


def weights(c: Circuit, batch: int | None) -> torch.Tensor:
    shape = (len(c.weights),) if batch is None else (batch, len(c.weights))
    return torch.from_numpy(np.random.default_rng(7).normal(size=shape))


def values_and_gradient(c: Circuit, batch: int | None, dtype: torch.dtype) -> str:
    n = c.num_qubits
    w = weights(c, batch).to(dtype).requires_grad_()
    values = expectation(c, [PauliSum.parse("Z" * n), PauliSum.parse("X" * n)], w, dtype=dtype)
    one = expectation(c, PauliSum.parse("ZX" + "I" * (n - 2)), w, dtype=dtype)
    (gradient,) = torch.autograd.grad(values.sum() + (one * one).sum(), w)
    return digest(values) + digest(one) + digest(gradient)


def questions(c: Circuit) -> dict[str, Callable[[], str]]:
    w = weights(c, None)
    out: dict[str, Callable[[], str]] = {
        "state": lambda: digest(torch.view_as_real(statevector(c, w))),
        "single": lambda: digest(torch.view_as_real(statevector(c, w, dtype=torch.float32))),
        "fixed": lambda: digest(torch.view_as_real(statevector(c.bind(w.tolist())))),
        "probabilities": lambda: digest(probabilities(c, w)),
        "sample": lambda: str(sorted(sample(c, 50, w, generator=np.random.default_rng(1)).items())),
    }
    for b in BATCHES:
        out[f"values {b}"] = lambda b=b: values_and_gradient(c, b, torch.float64)  # type: ignore[misc]
    out["values in single precision"] = lambda: values_and_gradient(c, None, torch.float32)
    return out


def answers(n: int) -> dict[str, str]:
    return {name: ask() for name, ask in questions(circuit(n)).items()}


@pytest.mark.parametrize("n", QUBITS)
def test_again_in_any_order_and_afresh(n: int) -> None:
    first = answers(n)
    one = questions(circuit(n))
    for _ in range(3):  # the first time is the other way round
        assert {name: one[name]() for name in reversed(one)} == first
    for name, ask in questions(circuit(n)).items():  # alone, on a circuit of its own
        alone = questions(circuit(n))[name]
        assert ask() == alone() == alone() == first[name]


def test_in_another_process() -> None:
    script = f"import runpy; m = runpy.run_path({__file__!r}); print([m['answers'](n) for n in m['QUBITS']])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == str([answers(n) for n in QUBITS])


@pytest.mark.parametrize("n", QUBITS)
def test_given_and_bound_angles_and_devices_agree(n: int) -> None:
    """Three ways to one state: bound, given, and by a device's name or object."""
    c = circuit(n)
    w = weights(c, None)
    bound = c.bind(w.tolist())
    np.testing.assert_allclose(statevector(bound).numpy(), statevector(c, w).numpy(), atol=1e-12)
    assert torch.equal(statevector(bound), statevector(bound, device=torch.device("cpu")))
