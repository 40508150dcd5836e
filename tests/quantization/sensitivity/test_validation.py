import math

import numpy as np
import pytest
import torch
from torch import nn

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme, levels
from bitket.quantization.sensitivity.perturbation import perturbation, weighted
from bitket.quantization.sensitivity.validation import mean_loss, validate
from bitket.quantization.vision.simulation import simulate

MSE = nn.functional.mse_loss


@pytest.fixture(scope="module")
def problem():
    """A regression whose loss is exactly quadratic in each layer's weights, at its minimum."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5, bias=False), nn.Linear(5, 4, bias=False)).double()
    x = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    return model, [(x[:30], model(x[:30]).detach()), (x[30:], model(x[30:]).detach())]


def test_perturbations_are_brute_force_over_all_levels():
    generator = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Linear(9, 4))
    with torch.no_grad():
        model[0].weight.normal_(generator=generator)
    scheme = Scheme.parse("int3-c0")
    w = model[0].weight.detach()
    scale = w.abs().amax(1, keepdim=True) / 3
    grid = (levels(scheme).float() * scale[:, :, None]).reshape(4, 1, -1)
    expected = float((grid - w[:, :, None]).abs().amin(-1).square().sum())
    assert perturbation(model, {"0": {"three": scheme}})["0"]["three"] == pytest.approx(expected, rel=1e-5)


def test_the_table_is_held_against_true_losses(problem):
    model, data = problem
    schemes = {n: {b: Scheme(b) for b in (2, 3, 4, 6)} for n in ("0", "1")}

    def quantised(assignment):
        return simulate(model, {g: schemes[g][c] for g, c in assignment.items()})

    moved = perturbation(model, schemes)
    found = validate(weighted({"0": 1.0, "1": 1.0}, moved), quantised, MSE, data)
    assert len(found.true) == len(found.rows()) == 8
    assert found.rank_correlation > 0.8
    low, high = found.interval()
    assert low <= found.rank_correlation <= high
    worst = validate(weighted({"0": -1.0, "1": -1.0}, moved), quantised, MSE, data)
    assert worst.rank_correlation == pytest.approx(-found.rank_correlation)
    assert mean_loss(model, MSE, data) == 0
    made = simulate(model, {"0": Scheme(2), "1": Scheme(4)})
    three = [{"0": 2, "1": 4}, {"0": 2}, {"1": 4}]
    several = validate(moved, quantised, MSE, data, three)
    assert several.true[0] == pytest.approx(mean_loss(made, MSE, data))
    assert several.predicted[0] == pytest.approx(several.predicted[1] + several.predicted[2])
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    found.plot(axes)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), found.predicted)


def test_what_cannot_be_validated_is_refused(problem):
    model, data = problem
    harm = {"0": {4: 1.0}}
    with pytest.raises(InvalidInput, match="1 assignments; at least 3"):
        validate(harm, lambda a: model, MSE, data)
    with pytest.raises(InvalidInput, match="no group '0' with choice 2"):
        validate(harm, lambda a: model, MSE, data, [{"0": 4}, {"0": 2}, {}])
    with pytest.raises(InvalidInput, match="data are empty"):
        mean_loss(model, MSE, [])
    with pytest.raises(InvalidInput, match="layer '1' has no sensitivity"):
        weighted({"0": 1.0}, {"0": {4: 1.0}, "1": {4: 1.0}})
    with pytest.raises(InvalidInput, match="no layer 'x' with a weight"):
        perturbation(model, {"x": {}})
    broken = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        broken[0].weight[0, 0] = math.inf
    with pytest.raises(InvalidInput, match="layer '0' has weights that are not finite"):
        perturbation(broken, {"0": {4: Scheme(4)}})
