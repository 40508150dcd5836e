"""Federated averaging against plain torch, partitions, and the map to amplitudes."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from tests.quantum.learning.federated.scenes import dealt

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated import AmplitudeScale, FederatedAveraging, by_dirichlet, by_label, evenly
from bitket.quantum.learning.federated.averaging import averaged
from bitket.quantum.learning.federated.tables import split_rows


def test_averaging_is_that_of_plain_torch():
    """torch.nn.Linear, SGD and cross-entropy on each client with the same order of samples, parameters averaged by size."""
    draw = np.random.default_rng(0)
    clients = [(draw.normal(size=(n, 5)), draw.integers(0, 3, n)) for n in (17, 40, 8)]
    settings_ = FederatedAveraging(epochs=2, batch=8, lr=0.3)
    ours = settings_.run(clients, 3, 7, [np.random.default_rng(k) for k in range(3)])

    generators = [np.random.default_rng(k) for k in range(3)]
    model = torch.nn.Linear(5, 3, dtype=torch.float64)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    now = {k: v.clone() for k, v in model.state_dict().items()}
    for _ in range(7):
        trained = []
        for (x, y), generator in zip(clients, generators, strict=True):
            model.load_state_dict(now)
            descent = torch.optim.SGD(model.parameters(), 0.3)
            for _ in range(2):
                order = generator.permutation(len(x))
                for start in range(0, len(x), 8):
                    rows = order[start : start + 8]
                    descent.zero_grad()
                    torch.nn.functional.cross_entropy(model(torch.tensor(x[rows])), torch.tensor(y[rows])).backward()
                    descent.step()
            trained.append({k: v.clone() for k, v in model.state_dict().items()})
        total = sum(len(y) for _, y in clients)
        now = {k: sum(len(y) / total * t[k] for (_, y), t in zip(clients, trained, strict=True)) for k in now}
    assert np.abs(ours.weights[:, :-1] - now["weight"].numpy()).max() < 1e-12
    assert np.abs(ours.weights[:, -1] - now["bias"].numpy()).max() < 1e-12
    assert ours.sent_bytes == 2 * 7 * 3 * 3 * 6 * 8


def test_average_of_weights():
    assert averaged([np.zeros(2), np.ones(2)], [1, 3]).tolist() == [0.75, 0.75]
    with pytest.raises(InvalidInput, match="positive numbers"):
        FederatedAveraging(batch=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 2**32 - 1), st.data())
def test_partitions_deal_every_row_once(rows, classes, seed, data):
    clients = data.draw(st.integers(1, rows))
    alpha = data.draw(st.sampled_from([0.01, 0.5, 100.0]))
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, rows)
    for parts in (
        evenly(rows, clients, draw),
        by_dirichlet(labels, clients, alpha, draw),
        by_label(labels, clients, draw),
    ):
        assert len(parts) == clients
        assert min(map(len, parts)) >= 1
        assert sorted(np.concatenate(parts).tolist()) == list(range(rows))


def test_partitions_are_as_one_sided_as_asked():
    draw = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 250)

    def purity(parts):
        return np.mean([np.bincount(labels[p], minlength=4).max() / len(p) for p in parts])

    assert purity(evenly(1000, 10, draw)) < 0.4
    assert purity(by_dirichlet(labels, 10, 100.0, draw)) < 0.4
    assert purity(by_dirichlet(labels, 10, 0.05, draw)) > 0.8
    assert purity(by_label(labels, 8, draw)) == 1.0
    for call in (lambda: evenly(3, 4, draw), lambda: evenly(3, 0, draw)):
        with pytest.raises(InvalidInput, match="at least one row each and one client"):
            call()
    with pytest.raises(InvalidInput, match="alpha nan"):
        by_dirichlet(labels, 3, float("nan"), draw)


def test_amplitudes_of_features():
    draw = np.random.default_rng(2)
    x = draw.normal(size=(50, 6)) * [1, 10, 100, 1, 1, 1] + 5
    scale = AmplitudeScale.fit(x, 2)
    states = scale.states(x)
    assert states.shape == (50, 4)
    assert np.abs(np.linalg.norm(states, axis=1) - 1).max() < 1e-12
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    z = PCA(3, svd_solver="full").fit_transform(StandardScaler().fit_transform(x))
    assert np.abs(np.abs(states[:, :3] / states[:, 3:]) - np.abs(z) / scale.constant).max() < 1e-9
    assert scale.constant == pytest.approx(np.sqrt((z**2).sum(1).mean()) / 2)
    few = AmplitudeScale.fit(x[:, :2], 3)
    assert np.abs(few.states(x[:, :2])[:, 3:]).max() == 0
    with pytest.raises(InvalidInput, match="6 features are needed"):
        scale.states(x[:, :5])
    with pytest.raises(InvalidInput, match="two different ones at least"):
        AmplitudeScale.fit(np.ones((5, 2)), 2)
    with pytest.raises(InvalidInput, match="too far"):
        scale.states(np.full((1, 6), 1e300))


def test_rows_kept_for_a_test():
    y = np.repeat([0, 1, 2], [50, 20, 1])
    kept, test = split_rows(y, 0.3, np.random.default_rng(0))
    assert np.bincount(y[test], minlength=3).tolist() == [15, 6, 0]
    assert sorted([*kept, *test]) == list(range(71))
    with pytest.raises(InvalidInput, match="too few to keep some for a test"):
        split_rows(np.array([0, 1]), 0.3, np.random.default_rng(0))


def test_baselines_see_the_clients_rows_alone():
    table = dealt(clients=3)
    assert not set(table.learned) & set(table.test)
    _, accuracy = table.averaging(30)
    assert accuracy > 0.9
    assert table.central_accuracy() > 0.93
