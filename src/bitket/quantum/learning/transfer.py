"""Transfer: a frozen encoder's code, reduced to a few components, measured in a quantum feature map, and a network that learns from that
(after Sarkar 2025, arXiv:2408.03351).

    samples -> encoder (trained without labels, or the user's) -> principal components -> angles -> circuit -> dense layers -> class

Everything up to the angles is learnt from the training part alone. The same network without the circuit, on the angles, is the control
that tells what the circuit does apart from what the reduction does.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from bitket.data.estimators import generator_of
from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantum.circuits import Circuit
from bitket.quantum.learning.autoencoder import Autoencoder
from bitket.quantum.learning.feature_map import CIRCUITS, FeatureLayer, Readout
from bitket.quantum.learning.module_classifier import InputScaling, ModuleClassifier

__all__ = ["CutAt", "DenseClassifier", "TransferPipeline", "dense_head"]

Array = NDArray[np.float64]
_STEPS = 1000  # of an autoencoder's training, at least


class _Reached(Exception):
    def __init__(self, output: torch.Tensor) -> None:
        super().__init__()
        self.output = output


class CutAt(torch.nn.Module):
    """A network up to one of its layers: gives that layer's output, flat, and computes no further.

    Parameters
    ----------
    module, layer
        Any module, and the path of the layer in it (``features.3``).

    Raises
    ------
    InvalidInput
        There is no such layer; when called, the module's forward does not come by it.

    Examples
    --------
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 10))
    >>> CutAt(net, "1")(torch.zeros(4, 1, 8, 8)).shape
    torch.Size([4, 72])
    """

    def __init__(self, module: torch.nn.Module, layer: str) -> None:
        super().__init__()
        if not layer or layer not in dict(module.named_modules()):
            names = [name for name, _ in module.named_modules() if name]
            raise InvalidInput(f"layer '{layer}': the module has no such layer; it has {', '.join(names) or 'none'}")
        self.module, self.layer = module, layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From the module's inputs to ``[B, features]``."""

        def stop(layer: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
            raise _Reached(output)

        handle = self.module.get_submodule(self.layer).register_forward_hook(stop)
        try:
            self.module(x)
        except _Reached as reached:
            return reached.output.flatten(1)
        finally:
            handle.remove()
        raise InvalidInput(f"layer '{self.layer}': the module's forward does not come by it")


class _Frozen(torch.nn.Module):
    """A module that is always evaluated and never trained."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> _Frozen:
        """Stay in evaluation mode."""
        super().train(mode)
        self.inner.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y: torch.Tensor = self.inner(x)
        return y


def dense_head(
    features: int, classes: int, widths: tuple[int, ...] = (128, 64), dropout: float = 0.3
) -> torch.nn.Sequential:
    """Dense layers with batch norm, ReLU and dropout, then logits."""
    layers: list[torch.nn.Module] = []
    for width in widths:
        layers += [
            torch.nn.Linear(features, width),
            torch.nn.BatchNorm1d(width),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
        ]
        features = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(features, classes))


class DenseClassifier(ModuleClassifier):
    """`dense_head` on standardised features: the classifier at every cut of the pipeline.

    Parameters
    ----------
    widths, dropout
        Of the inner layers.
    epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype
        As of `ModuleClassifier`.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (128, 64),
        dropout: float = 0.3,
        epochs: int = 40,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        patience: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: int | np.random.Generator | None = 0,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        super().__init__(epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype)
        self.widths = widths
        self.dropout = dropout

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        head = dense_head(math.prod(shape), classes, tuple(self.widths), self.dropout)
        return torch.nn.Sequential(torch.nn.Flatten(), *head)


class TransferPipeline(ModuleClassifier):
    """Encoder, reducer, feature map and classifier as one classifier.

    Parameters
    ----------
    encoder
        None: an autoencoder of the widths ``hidden`` that the fit trains, without labels, on samples scaled to [0, 1]. Or a torch module
        from samples as the user has them to ``[B, features]``, such as a trained network in `CutAt`; a copy of it is used.
    hidden
        Inner widths of the autoencoder and, last, the length of its code.
    encoder_epochs
        Of the autoencoder; None: 20, or more where these would be fewer than 1000 steps.
    reducer
        Principal components of the code, at most; None: the whole code, with a circuit that takes as many.
    feature_map
        A name of `CIRCUITS`, a circuit, or ``"none"``: the angles themselves, the classical control. By default the paper's cascade with
        its first angle shifted, as it would fold the first component at its mean.
    readout, shots
        As of `FeatureLayer`.
    scale
        Range of the angles, onto which components are mapped from ±3 standard deviations.
    widths, dropout
        Of the classifier's inner layers.
    frozen
        False: encoder and reduction are trained on with the classifier.
    epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype
        As of `ModuleClassifier`.

    Attributes
    ----------
    components_
        Angles that the circuit takes.

    Examples
    --------
    >>> from bitket.data import load
    >>> iris = load("iris")
    >>> model = TransferPipeline(hidden=(8, 3), encoder_epochs=5, epochs=5).fit(iris.X, iris.y)
    >>> model.module_[1][0].circuit.num_qubits
    3
    """

    def __init__(
        self,
        encoder: torch.nn.Module | None = None,
        hidden: tuple[int, ...] = (256, 64),
        encoder_epochs: int | None = None,
        reducer: int | None = 5,
        feature_map: Circuit | str = "shifted",
        readout: Readout = "probabilities",
        shots: int | None = None,
        scale: tuple[float, float] = (0.0, math.pi),
        widths: tuple[int, ...] = (128, 64),
        dropout: float = 0.3,
        frozen: bool = True,
        epochs: int = 40,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        patience: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        random_state: int | np.random.Generator | None = 0,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        super().__init__(epochs, batch_size, learning_rate, patience, image_shape, random_state, device, dtype)
        self.encoder = encoder
        self.hidden = hidden
        self.encoder_epochs = encoder_epochs
        self.reducer = reducer
        self.feature_map = feature_map
        self.readout = readout
        self.shots = shots
        self.scale = scale
        self.widths = widths
        self.dropout = dropout
        self.frozen = frozen

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.shots is not None
        return tags

    def _scaling(self, x: Array) -> torch.nn.Module:
        """All up to the angles, learnt from training samples ``[t, *shape]``."""
        if self.reducer is not None and self.reducer < 1:
            raise InvalidInput(f"TransferPipeline: {self.reducer} components; at least 1, or None, is needed")
        if np.shape(self.scale) != (2,):
            raise InvalidInput(f"TransferPipeline: scale {self.scale!r}; two angles are needed")
        encoder = self._encoder(x, learn=True)
        codes = _codes(encoder, x)
        matrix = self._directions(codes)
        reduced = (codes - codes.mean(axis=0)) @ matrix.T
        return self._front(encoder, matrix, -matrix @ codes.mean(axis=0), reduced.mean(axis=0), reduced.std(axis=0))

    def restore(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Set ``module_`` from its state, built anew for ``sample_shape_`` and ``classes_``."""
        dtype, device = self._place()
        zeros, none = np.zeros((1, *self.sample_shape_)), np.zeros(self.components_)
        encoder = self._encoder(zeros, learn=False)
        matrix = np.zeros((self.components_, _codes(encoder, zeros).shape[1]))
        front = self._front(encoder, matrix, none, none, none)
        module = self._assembled(front, self.sample_shape_, torch.Generator().manual_seed(0))
        module.to(device=device, dtype=dtype).load_state_dict(dict(weights))
        self.module_ = module.eval()

    def _encoder(self, x: Array, *, learn: bool) -> torch.nn.Module:
        """From samples ``[B, *shape]`` to codes ``[B, c]``."""
        if self.encoder is not None:
            if not isinstance(self.encoder, torch.nn.Module):
                raise InvalidInput(
                    f"TransferPipeline: the encoder is a {type(self.encoder).__name__}; a torch module is needed"
                )
            return torch.nn.Sequential(copy.deepcopy(self.encoder), torch.nn.Flatten()).eval()
        rows = x.reshape(-1, 1) if x.ndim > 2 else x  # all pixels have one scale, columns of a table each their own
        unit = torch.nn.Sequential(InputScaling.to_range(rows, 0.0, 1.0), torch.nn.Flatten())
        generator = torch.Generator().manual_seed(int(generator_of(self.random_state).integers(2**63)))
        net = Autoencoder((math.prod(x.shape[1:]), *self.hidden), generator=generator)
        if learn:
            pixels = unit(torch.as_tensor(x)).float()
            batch = min(self.batch_size, len(x))
            epochs = max(20, _STEPS * batch // len(x)) if self.encoder_epochs is None else self.encoder_epochs
            net.fit(pixels, Training(epochs, batch, learning_rate=1e-3), generator=generator)
        return torch.nn.Sequential(unit.float(), net.encoder)

    def _directions(self, codes: Array) -> Array:
        """Orthonormal rows ``[components, c]``, the widest first; directions along which nothing varies are left out."""
        if self.reducer is None:
            return np.eye(codes.shape[1])
        found = PCA(min(self.reducer, *codes.shape), svd_solver="full").fit(codes)
        variance = found.explained_variance_
        return np.asarray(found.components_[: max(1, int((variance > 1e-12 * variance[0]).sum()))])

    def _front(
        self, encoder: torch.nn.Module, matrix: Array, shift: Array, mean: Array, deviation: Array
    ) -> torch.nn.Module:
        reduction = torch.nn.Linear(matrix.shape[1], matrix.shape[0])
        with torch.no_grad():
            reduction.weight.copy_(torch.as_tensor(matrix))
            reduction.bias.copy_(torch.as_tensor(shift))
        low, high = self.scale
        factor = (high - low) / (6 * np.where(deviation > 0, deviation, 1.0))
        angles = InputScaling(
            mean - ((high - low) / 2 + low) / factor, factor, low, high
        )  # the mean to the middle of the range
        self.components_ = len(matrix)
        front = torch.nn.Sequential(encoder, reduction)
        return torch.nn.Sequential(_Frozen(front) if self.frozen else front, angles)

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        n = self.components_
        if isinstance(self.feature_map, str) and self.feature_map not in (*CIRCUITS, "none"):
            raise InvalidInput(
                f"TransferPipeline: feature map '{self.feature_map}'; {', '.join(CIRCUITS)}, none or a circuit is needed"
            )
        if self.feature_map == "none":
            return torch.nn.Sequential(torch.nn.Identity(), *dense_head(n, classes, tuple(self.widths), self.dropout))
        circuit = CIRCUITS[self.feature_map](n) if isinstance(self.feature_map, str) else self.feature_map
        if len(circuit.inputs) != n:
            raise InvalidInput(f"TransferPipeline: {n} components; the circuit takes {len(circuit.inputs)} features")
        layer = FeatureLayer(circuit, self.readout, self.shots, generator=generator)
        return torch.nn.Sequential(layer, *dense_head(layer.outputs, classes, tuple(self.widths), self.dropout))


def _codes(encoder: torch.nn.Module, x: Array) -> Array:
    dtype = next((p.dtype for p in encoder.parameters()), torch.float32)
    try:
        with torch.no_grad():
            parts = [encoder(part.to(dtype)) for part in torch.as_tensor(x).split(1024)]
    except RuntimeError as error:
        raise InvalidInput(
            f"TransferPipeline: the encoder cannot take samples of shape {x.shape[1:]}: {str(error).splitlines()[0]}"
        ) from None
    if any(part.ndim != 2 for part in parts):
        raise InvalidInput(f"TransferPipeline: the encoder gives {tuple(parts[0].shape)}; [B, features] is needed")
    return np.asarray(torch.cat(parts).double().numpy())
