"""The written-out gradient against torch's own, for dense inputs and for those given by their entries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.learning.perceptron import Entries, Perceptron


def by_torch(widths: list[int], own: Perceptron) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for k, (a, b) in enumerate(itertools.pairwise(widths)):
        linear = torch.nn.Linear(a, b)
        linear.weight.data, linear.bias.data = own.weights[k].T.clone(), own.biases[k].clone()
        layers += [linear, torch.nn.LeakyReLU()]
    return torch.nn.Sequential(*layers[:-1])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 6), st.booleans(), st.integers(0, 999))
def test_outputs_and_gradients(widths: list[int], batch: int, sparse: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network, gradient = Perceptron(widths), Perceptron(widths)
    network.initialise(torch.Generator().manual_seed(seed))
    dense = (rng.normal(size=(batch, widths[0])) * (rng.random((batch, widths[0])) < 0.5)).astype(np.float32)
    upstream = torch.from_numpy(rng.normal(size=(batch, widths[-1])).astype(np.float32))
    inputs: torch.Tensor | Entries = torch.from_numpy(dense)
    if sparse:
        order = np.argsort(dense == 0, axis=1, kind="stable").astype(np.int32)  # those that are not zero first
        inputs = Entries.padded(order, np.take_along_axis(dense, order, 1), widths[0])
    twin = by_torch(widths, network)
    expected = twin(torch.from_numpy(dense))
    layers = network.layers(inputs)
    np.testing.assert_allclose(layers[-1], expected.detach(), atol=1e-5)
    network.pull_back(inputs, layers, upstream, gradient)
    expected.backward(upstream)
    for k, linear in enumerate(m for m in twin if isinstance(m, torch.nn.Linear)):
        np.testing.assert_allclose(gradient.weights[k], linear.weight.grad.T, atol=1e-5)
        np.testing.assert_allclose(gradient.biases[k], linear.bias.grad, atol=1e-5)
    if isinstance(inputs, Entries):
        for start, stop in ((0, 1), (batch // 2, None)):
            np.testing.assert_allclose(network(inputs[start:stop]), layers[-1][start:stop], atol=1e-5)


def test_parameters_are_uniform_within_their_bound() -> None:
    network = Perceptron([400, 30, 2])
    network.initialise(torch.Generator().manual_seed(0))
    for weight, bias, inputs in zip(network.weights, network.biases, (400, 30), strict=True):
        bound = inputs**-0.5
        assert float(weight.abs().max()) <= bound
        assert float(bias.abs().max()) <= bound
    assert float(network.weights[0].std()) == pytest.approx(400**-0.5 / 3**0.5, rel=0.02)
