"""Weight reduction: splitting, Hastings' steps, the search's environment, certificates from files, memories."""

import itertools
import zipfile

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array, csr_matrix

from bitket.algebra import BitMatrix
from bitket.errors import InvalidInput
from bitket.learning.ppo import PPOSettings
from bitket.quantum.codes import (
    ClassicalCode,
    CssCode,
    StabiliserCode,
    TannerEnv,
    classical_reduction,
    colour_code,
    dense_code,
    hastings_reduction,
    hypergraph_product,
    logical_error_rate,
    memory_circuit,
    named_code,
    read_code,
    reduce_weight,
    rotated_surface_code,
    surface_code,
    toric_code,
    write_code,
)
from bitket.quantum.codes.annealing import anneal, random_walk
from bitket.quantum.codes.hastings import coning, copying, gauging, thickening
from bitket.quantum.codes.policy import TannerNetwork
from bitket.quantum.codes.reduce import Search

from . import checker


def dense(n, k, d, seed=0):
    """A start with the checks that the systematic generator gives, heavier than need be."""
    return dense_code(n, k, d, np.random.default_rng(seed))


def test_splitting_keeps_k_and_never_lowers_d():
    rng, done = np.random.default_rng(0), 0
    while done < 100:
        n = int(rng.integers(5, 13))
        H = rng.integers(0, 2, (int(rng.integers(2, n)), n), dtype=np.uint8)
        if not H.any(axis=1).all():
            continue
        code = ClassicalCode(H)
        if not code.k:
            continue
        light = classical_reduction(code)
        assert light.weights.check <= 3
        assert light.weights.bit <= 3
        assert light.k == code.k
        assert light.distance().value >= code.distance().value
        done += 1


def degrees(code):
    x, z = code.x_checks, code.z_checks
    return [int(m.sum(axis=a).max()) for m in (x, z) for a in (1, 0)]


@pytest.mark.parametrize(
    "code", [hypergraph_product(named_code("hamming-3")), surface_code(5)], ids=["58-16-3", "surface"]
)
def test_hastings_steps(code):
    copied = copying(code)
    assert degrees(copied)[1] <= 3
    gauged = gauging(copied)
    assert degrees(gauged)[0] <= 3
    thick = thickening(gauged)
    assert degrees(thick)[3] <= 3
    coned = coning(thick)
    assert coned.weights.check <= 6
    assert coned.weights.bit <= 6
    assert [c.k for c in (copied, gauged, thick, coned)] == [
        code.k
    ] * 4  # CssCode itself refuses checks that do not commute
    d = code.distance().value
    for step in (copied, gauged):
        assert step.distance(trials=200, budget=10**8).value >= d
    assert coned.distance_at_least(d)
    if code.n == 41:
        assert coned.distance(trials=200, budget=10**8).value >= d
        assert hastings_reduction(code) is code
    else:
        assert hastings_reduction(code).n == coned.n


def test_a_reduction_that_loses_distance_is_refused():
    # The only Z check holds every logical Z operator: one qubit of its cone's graph is one.
    code = CssCode(np.ones((1, 8), int), np.ones((1, 8), int))
    assert (code.k, code.distance().value) == (6, 2)
    assert coning(thickening(gauging(copying(code)), 10)).distance(budget=10**8).value == 1
    with pytest.raises(InvalidInput, match="with d = 1; 2 is that of the input"):
        reduce_weight(code, 6, "hastings")


@pytest.mark.parametrize("empty", ["x", "z"])
def test_hastings_steps_without_checks_of_a_kind(empty):
    one, none = np.ones((1, 8), int), np.zeros((0, 8), int)
    code = hastings_reduction(CssCode(none, one) if empty == "x" else CssCode(one, none))
    assert code.k == 7
    assert code.weights.check <= 6


def brute_mask(H, k, ceiling):
    allowed = np.zeros(H.shape, bool)
    for c, v in itertools.product(*map(range, H.shape)):
        G = H.copy()
        G[c, v] ^= 1
        ok = G.any(axis=0).all() and G.any(axis=1).all() and G.shape[1] - checker.rank(G) == k
        grown = G[c, v] == 0 or (G.sum(axis=0)[v] <= ceiling and G.sum(axis=1)[c] <= ceiling)
        allowed[c, v] = ok and grown
    return allowed.reshape(-1)


def test_environment_mask_distance_and_rewards():
    rng = np.random.default_rng(1)
    for n, k, d in ((7, 3, 3), (9, 2, 5), (12, 3, 6)):
        env = TannerEnv(dense(n, k, d), ceiling=6, horizon=10**9, look_ahead=True)
        _, info = env.reset(seed=0)
        start, total, bonus = env.potential + env.distance / env.first_distance, 0.0, 0.0
        for step in range(60):
            H = env.checks
            assert (info["action_mask"] == brute_mask(H, k, 6)).all()
            assert env.distance == checker.least(H, [], n)
            action = int(rng.choice(np.flatnonzero(info["action_mask"])))
            expected = env.after.flat[action], env.potential + env.potential_changes().flat[action]
            observation, reward, _, _, info = env.step(action)
            assert env.distance == expected[0]
            assert abs(env.potential - expected[1]) < 1e-12
            total, bonus = total + reward, bonus + env.bonus * info["success"]
            edges, after = observation[:-1].reshape(2, *H.shape)
            assert (edges == env.checks).all()
            assert np.allclose(after * env.target_distance, env.after)
            end = env.potential + env.distance / env.first_distance
            assert abs(total - bonus - (end - start)) < 1e-9, step
        with pytest.raises(InvalidInput, match="must stay"):
            env.step(int(np.flatnonzero(~info["action_mask"])[0]))
        env.toggle(action)
        state = (env.matrix.copy(), env.distance, env.potential, env.action_masks())
        env.toggle(int(rng.choice(np.flatnonzero(state[3]))))
        env.untoggle()
        assert (env.matrix == state[0]).all()
        assert (env.action_masks() == state[3]).all()
        assert (env.distance, env.potential) == state[1:3]


def test_policy_respects_no_order_and_no_size():
    env = TannerEnv(dense(12, 3, 6), look_ahead=True, scramble=30)
    rng, weights = np.random.default_rng(0), torch.Generator().manual_seed(0)
    policy, critic = (TannerNetwork(env.rows, env.n, env.targets, weights, value=value) for value in (False, True))
    state = env.reset(seed=1)[0]
    rows, columns = rng.permutation(env.rows), rng.permutation(env.n)
    edges, after = state[:-1].reshape(2, env.rows, env.n)
    moved = np.concatenate([m[rows][:, columns].reshape(-1) for m in (edges, after)] + [state[-1:]])
    with torch.no_grad():
        plain, other = (policy(torch.from_numpy(s)[None])[0].numpy().reshape(edges.shape) for s in (state, moved))
        values = [critic(torch.from_numpy(s)).item() for s in (state, moved)]
    assert np.ptp(plain) > 0
    assert np.allclose(plain[rows][:, columns], other, atol=1e-6)
    assert abs(values[0] - values[1]) < 1e-5
    larger = TannerNetwork(20, 25, (3, 3), weights, value=False)
    larger.load_state_dict(policy.state_dict())
    assert larger(torch.rand(4, 3, 2 * 500 + 1)).shape == (4, 3, 500)


def test_a_search_goes_on_where_it_was_stored():
    settings = PPOSettings(steps=64, epochs=2, batch=64)
    whole, first, second = (Search(dense(8, 2, 5), 6, None, 3, settings, environments=2) for _ in range(3))
    for _ in range(3):
        whole.update()
    first.update()
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        second.update()
    assert whole.reports == second.reports
    assert whole.history == second.history
    for a, b in zip(whole.agent.policy.parameters(), second.agent.policy.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("look_ahead", [False, True])
def test_annealing_reaches_codes_of_low_degree(look_ahead):
    env = TannerEnv(dense(16, 4, 7), look_ahead=look_ahead)
    seen = []
    done = anneal(env, 400_000, np.random.default_rng(0), visit=lambda step: seen.append(step) or env.success)
    assert env.success
    assert done == seen[-1]
    assert checker.least(env.checks, [], 16) >= env.target_distance
    assert env.checks.sum(axis=0).max() <= 3
    assert env.checks.sum(axis=1).max() <= 3
    assert len(seen) == done if look_ahead else len(seen) < done  # no move is rejected


def test_sparse_checks_are_as_good_as_dense_ones():
    dense_form = toric_code(3)
    code = CssCode(coo_array(dense_form.x_checks), csr_matrix(dense_form.z_checks))
    assert (code.x == dense_form.x, code.z == dense_form.z) == (True, True)
    assert (code.weights, code.k, code.distance().value) == (dense_form.weights, 2, 3)
    for bad, words in (
        (coo_array(2 * dense_form.x_checks), "it holds 2"),
        (coo_array(np.zeros((1, 18), int)), "row 0 is empty"),
        (coo_array(np.eye(18, dtype=int)[:1]), "X check 0 and Z check 0 share an odd number"),
    ):
        with pytest.raises(InvalidInput, match=words):
            CssCode(bad, dense_form.z_checks)


def test_k_stays_along_random_legal_steps():
    env = TannerEnv(dense(16, 4, 7), horizon=500)
    seen = []

    def visit(done):
        seen.append(done)
        if done % 100 == 0:
            assert 16 - BitMatrix.from_dense(env.checks).rank() == 4
        assert env.rank == 12
        assert env.bit_degrees.min() >= 1
        return False

    random_walk(env, 10_000, np.random.default_rng(0), visit)
    assert len(seen) == 10_000


def test_environment_passes_gymnasium_checker():
    from gymnasium.utils.env_checker import check_env

    class Masked(TannerEnv):  # the checker draws from all actions; forbidden ones become the first allowed
        def step(self, action):
            return super().step(action if self.allowed(int(action)) else int(self.action_masks().argmax()))

    check_env(Masked(dense(8, 2, 4)), skip_render_check=True)


@pytest.mark.parametrize("method", ["annealing", "classical", "ppo"])
def test_reduced_codes_are_verified_from_their_files(method, tmp_path):
    code = dense(8, 2, 5)
    found = reduce_weight(code, 6, method, budget=60_000, seed=1)
    write_code(tmp_path / "found.npz", found.code)
    write_code(tmp_path / "found.alist", found.code)
    with np.load(tmp_path / "found.npz", allow_pickle=False) as arrays:
        hx, hz = arrays["hx"], arrays["hz"]
    assert checker.rank(hx) + checker.rank(hz) + 4 == hx.shape[1]
    got = checker.css(hx, hz, most=4 if method == "classical" else 5)
    want = found.certificate.to_dict()
    assert (got["n"], got["k"], got["weight"], got["degree"]) == (
        want["n"],
        4,
        want["check_weight"],
        want["qubit_degree"],
    )
    assert want["check_weight"] <= 6
    assert want["d"] >= 5
    assert want["exact"]
    if method != "classical":
        assert min(got["dx"], got["dz"]) == want["d"] == 5
    else:
        assert got["dx"] is None
        assert got["dz"] is None
    for name in ("found.x.alist", "found.z.alist"):
        again = read_code(tmp_path / name)
        assert (again.x_checks == hx).all()
        assert (again.z_checks == hz).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: reduce_weight(ClassicalCode([[1, 0], [0, 1]])), "k = 0"),
        (lambda: reduce_weight(dense(8, 2, 5), 3), "at least 4"),
        (lambda: reduce_weight(dense(8, 3, 4), 4, "annealing", budget=500), "no code of weight 4"),
        (lambda: reduce_weight(dense(8, 2, 5), 6, "luck"), "there are"),
        (lambda: reduce_weight(dense(8, 2, 5), 5, "classical"), "3 and 3"),
        (lambda: reduce_weight(surface_code(3).stabiliser() and rotated_surface_code(3), 6, "ppo"), "classical factor"),
        (lambda: hastings_reduction(colour_code(5), 5), "reaches 6"),
        (lambda: TannerEnv(dense(8, 2, 5), 1, 3), "at least 2"),
        (lambda: TannerEnv(named_code("bch-5-2"), look_ahead=True), "16 at most"),
        (lambda: TannerEnv(dense(8, 2, 5)).after, "look_ahead"),
        (lambda: memory_circuit(surface_code(3), 0), "one round"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_files(tmp_path):
    code = named_code("golay")
    for name in ("a.npz", "a.alist", "a.mtx"):
        write_code(tmp_path / name, code)
        assert (read_code(tmp_path / name).checks == code.checks).all()
    quantum = colour_code(5)
    for name in ("q.npz", "q.alist", "q.mtx"):
        paths = write_code(tmp_path / name, quantum)
        assert (read_code(paths[-1]).z_checks == quantum.z_checks).all()
    five = StabiliserCode.from_paulis(["XZZXI", "IXZZX", "XIXZZ", "ZXIXZ"])
    write_code(tmp_path / "five.npz", five)
    assert (read_code(tmp_path / "five.npz").checks == five.checks).all()
    text = (tmp_path / "a.alist").read_text()
    for name, data in {
        "no.alist": text[: len(text) // 2],
        "number.alist": text.replace("23", "24", 1),
        "word.alist": "hello",
        "bad.mtx": "%%MatrixMarket matrix nothing",
        "other.npz": "no zip",
        "a.pdf": "1",
    }.items():
        (tmp_path / name).write_text(data)
        with pytest.raises(InvalidInput, match=name):
            read_code(tmp_path / name)
    half = "%%MatrixMarket matrix coordinate real general\n1 4 4\n" + "".join(f"1 {v} 0.5\n" for v in (1, 2, 3, 4))
    (tmp_path / "half.x.mtx").write_text(half)
    (tmp_path / "half.z.mtx").write_text(half.replace("0.5", "1"))
    with pytest.raises(InvalidInput, match=r"half\.x\.mtx: it holds 0\.5"):
        read_code(tmp_path / "half.x.mtx")
    np.savez(tmp_path / "wrong.npz", g=code.checks, e=code.checks)
    np.savez(tmp_path / "pickled.npz", h=np.array([object()]))
    np.savez(tmp_path / "clash.npz", hx=[[1, 1, 0]], hz=[[0, 1, 1]])
    for name in ("wrong.npz", "pickled.npz", "clash.npz", "missing.npz"):
        with pytest.raises(InvalidInput, match=name):
            read_code(tmp_path / name)


def test_alist_without_padding_and_with_bits_in_no_check(tmp_path):
    H = np.array([[1, 0, 0, 1, 0], [0, 0, 0, 1, 0]])
    heads = ["5 2", "2 2", "1 0 0 2 0", "2 1"]
    (tmp_path / "bare.alist").write_text("\n".join([*heads, "1", "", "", "1 2", "", "1 4", "4"]) + "\n")
    write_code(tmp_path / "padded.alist", ClassicalCode(H))
    for name in ("bare.alist", "padded.alist"):
        assert (read_code(tmp_path / name).checks == H).all()
    heads[3] = "1 2"
    (tmp_path / "rows.alist").write_text("\n".join([*heads, "1", "", "", "1 2", ""]) + "\n")
    with pytest.raises(InvalidInput, match="line 4"):
        read_code(tmp_path / "rows.alist")


def test_every_name_that_is_written_is_read_again(tmp_path):
    write_code(tmp_path / "kept.x.npz", colour_code(3))
    assert read_code(tmp_path / "kept.x.npz").n == 7
    with pytest.raises(InvalidInput, match="parts of a CSS code"):
        write_code(tmp_path / "kept.x.alist", named_code("hamming-3"))
    bare = CssCode(np.zeros((0, 4), int), [[1, 1, 0, 0]])
    assert read_code(write_code(tmp_path / "bare.mtx", bare)[0]).k == bare.k == 3
    with pytest.raises(InvalidInput, match="at least one check"):
        write_code(tmp_path / "bare.alist", bare)
    assert not list(tmp_path.glob("bare*.alist"))


def test_damaged_archives(tmp_path):
    np.savez_compressed(tmp_path / "whole.npz", h=np.random.default_rng(0).integers(0, 2, (40, 90)))
    data = bytearray((tmp_path / "whole.npz").read_bytes())
    data[80:200] = bytes(b ^ 0x5A for b in data[80:200])
    (tmp_path / "stream.npz").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "header.npz", "w") as file:
        file.writestr("h.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': garbage")
    for name in ("stream.npz", "header.npz"):
        with pytest.raises(InvalidInput, match="not a readable npz") as caught:
            read_code(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_memories():
    stim = pytest.importorskip("stim")
    for code, d in ((colour_code(3), None), (rotated_surface_code(3), 3), (surface_code(3), 3), (toric_code(3), 3)):
        quiet = stim.Circuit(memory_circuit(code, 3)).compile_detector_sampler(seed=0)
        detectors, observables = quiet.sample(32, separate_observables=True)
        assert not detectors.any()
        assert not observables.any()
        noisy = stim.Circuit(memory_circuit(code, 3, 0.001))
        assert noisy.num_observables == code.k
        if d:
            assert len(noisy.shortest_graphlike_error(ignore_ungraphlike_errors=True)) <= d
    small, large = (logical_error_rate(rotated_surface_code(d), 0.002, d, 20_000, decoder="matching") for d in (3, 7))
    assert large.rate + 3 * large.standard_error < small.rate
    exact, bp = (logical_error_rate(rotated_surface_code(3), 0.01, 3, 2000, decoder=d) for d in ("matching", "bp-osd"))
    assert abs(exact.rate - bp.rate) < 5 * (exact.standard_error + bp.standard_error)
    again = logical_error_rate(rotated_surface_code(3), 0.01, 3, 2000, decoder="matching")
    assert again == exact
