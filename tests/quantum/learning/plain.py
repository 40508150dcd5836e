"""Small module classifiers for tests of what all of them share."""

import math

import torch

from bitket.quantum.learning.module_classifier import ImageClassifier, ModuleClassifier


class Plain(ModuleClassifier):
    def _build(self, shape, classes, generator):
        hidden = torch.nn.Linear(math.prod(shape), 8)
        return torch.nn.Sequential(torch.nn.Flatten(), hidden, torch.nn.Tanh(), torch.nn.Linear(8, classes))


class Convolution(ImageClassifier):
    def _build(self, shape, classes, generator):
        c, h, w = shape
        return torch.nn.Sequential(
            torch.nn.Conv2d(c, 4, 2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(4 * (h - 1) * (w - 1), classes),
        )
