"""Distances and ranks beside ldpc, certificates by integer programs, and another library's agent in the search's environment."""

import numpy as np
import pytest

from bitket.quantum.codes import TannerEnv, dense_code, hypergraph_product, named_code, surface_code
from bitket.quantum.codes.seeds import regular_ldpc


def larger_codes():
    rng = np.random.default_rng(5)
    codes = [regular_ldpc(n, 3, 4, rng) for n in (20, 24, 28, 32) for _ in range(4)]
    return [
        *codes,
        named_code("golay"),
        named_code("bch-5-2"),
        named_code("reed_muller-2-5"),
        named_code("quadratic_residue-31"),
    ]


def test_classical_distances_are_those_of_ldpc():
    code_util = pytest.importorskip("ldpc.code_util", reason="ldpc is not installed")
    done = 0
    for code in larger_codes():
        if not code.k:
            continue
        found = code.distance()
        assert found.exact
        if code.k <= 12:
            assert code_util.compute_exact_code_distance(code.checks.astype(np.uint8)) == found.value
        else:
            estimate, _, _ = code_util.estimate_code_distance(code.checks.astype(np.uint8), timeout_seconds=0.3)
            assert found.value <= estimate
        assert code_util.compute_code_dimension(code.checks.astype(np.uint8)) == code.k
        done += 1
    assert done == 20


def minimum_by_integer_program(checks, logicals):
    """Least |x| with H x = 0 mod 2 and an odd overlap with one of the logical operators of the other kind."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    m, n = checks.shape
    best = n + 1
    for logical in logicals:
        A = np.block([[checks, -2 * np.eye(m), np.zeros((m, 1))], [logical, np.zeros(m), -2 * np.ones(1)]])
        right = np.append(np.zeros(m), 1)
        found = milp(
            np.append(np.ones(n), np.zeros(m + 1)),
            constraints=LinearConstraint(A, right, right),
            integrality=np.ones(n + m + 1),
            bounds=Bounds(0, np.append(np.ones(n), np.full(m + 1, n))),
        )
        assert found.status == 0
        best = min(best, round(found.fun))
    return best


@pytest.mark.parametrize(
    "code", [hypergraph_product(named_code("hamming-3")), surface_code(4)], ids=["58-16-3", "surface-4"]
)
def test_quantum_distances_are_those_of_integer_programs(code):
    assert code.distance_x().value == minimum_by_integer_program(code.z_checks.astype(int), code.logical_z.to_dense())
    assert code.distance_z().value == minimum_by_integer_program(code.x_checks.astype(int), code.logical_x.to_dense())


def small():
    return dense_code(8, 2, 5, np.random.default_rng(0))


def test_another_library_accepts_the_environment():
    checks = pytest.importorskip("stable_baselines3.common.env_checker", reason="stable-baselines3 is not installed")

    class Masked(TannerEnv):  # the checker draws from all actions; forbidden ones become the first allowed
        def step(self, action):
            return super().step(action if self.allowed(int(action)) else int(self.action_masks().argmax()))

    checks.check_env(Masked(small()), skip_render_check=True)


def test_another_agent_learns_in_it():
    """Returns of a masked agent rise, and it never takes a forbidden action (the environment would refuse)."""
    contrib = pytest.importorskip("sb3_contrib", reason="sb3-contrib is not installed")
    env = TannerEnv(small(), scramble=20)
    agent = contrib.MaskablePPO(
        "MlpPolicy", env, n_steps=512, batch_size=128, learning_rate=1e-3, gamma=0.95, seed=0, device="cpu"
    )
    agent.learn(512)
    first = np.mean([e["r"] for e in agent.ep_info_buffer])
    agent.learn(8192, reset_num_timesteps=False)
    assert np.mean([e["r"] for e in agent.ep_info_buffer]) > first
