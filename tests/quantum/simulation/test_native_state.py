"""The compiled core on one state against the torch twin, for every kind of operation."""

import numpy as np
import pytest
import torch

from bitket.quantum.circuits import Circuit, Parameter
from bitket.quantum.circuits.random import random_circuit
from bitket.quantum.noise import NoiseModel
from bitket.quantum.simulation import native, twin
from bitket.quantum.simulation.density import doubled
from bitket.quantum.simulation.planner import can_run, run_native
from bitket.quantum.simulation.program import lower

pytestmark = pytest.mark.skipif(native.core is None, reason="the compiled core was not built")


def random_state(n: int, dtype: torch.dtype, generator: torch.Generator, batch: tuple[int, ...] = ()) -> torch.Tensor:
    state = torch.randn(*batch, 1 << n, dtype=dtype, generator=generator)
    return state / state.abs().square().sum(-1, keepdim=True).sqrt()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13, 15, 16])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_equals_the_twin(n, dtype):
    rng, generator = np.random.default_rng(n), torch.Generator().manual_seed(n)
    c = random_circuit(n, 12, rng)
    for q in range(n):
        c.crx(Parameter("a"), q, (q + 1) % n) if n > 1 else c.rx(Parameter("a"), q)
        c.rzz(Parameter("b") * q, q, (q + 1) % n) if n > 1 else c.ry(Parameter("b"), q)
    program = lower(c)
    assert can_run(program)
    angles = program.angles(torch.tensor([0.4, -1.1], dtype=torch.float64), None)
    state = random_state(n, dtype, generator)
    expected = twin.evolve(program, state.clone(), angles)
    got = run_native(program, state.clone(), angles)
    torch.testing.assert_close(got, expected, atol=2e-5 if dtype == torch.complex64 else 1e-12, rtol=0)


def test_works_in_place_and_over_batches():
    program = lower(Circuit(4).h(0).cx(0, 3).rx(Parameter("x"), 2))
    angles = program.angles(torch.tensor([[0.1], [0.2], [0.3]], dtype=torch.float64), None)
    state = random_state(4, torch.complex128, torch.Generator().manual_seed(0), (3,))
    expected = twin.evolve(program, state.clone(), angles)
    got = run_native(program, state, angles)
    assert got.data_ptr() == state.data_ptr()
    torch.testing.assert_close(got, expected, atol=1e-13, rtol=0)


def test_takes_superoperators_which_are_not_unitary():
    c = random_circuit(3, 5, np.random.default_rng(2), names=["rx", "ry", "cx", "h"], max_controls=0)
    program = doubled(lower(c, NoiseModel.depolarizing(0.1, 0.2)))
    state = twin.zero_state(6, (), torch.complex128, torch.device("cpu"))
    angles = torch.zeros(0, dtype=torch.float64)
    torch.testing.assert_close(
        run_native(program, state.clone(), angles), twin.evolve(program, state, angles), atol=1e-13, rtol=0
    )
