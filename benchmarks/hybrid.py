"""Training steps of hybrid models: the quantum layer beside PennyLane's ``TorchLayer`` of the same circuit on the same batch and weights,
and its share of a whole step of its model (forward, backward, Adam), in single precision.

Peers: ``default.qubit`` with backprop and batches broadcast, ``lightning.qubit`` with adjoint gradients. A case is a function in `CASES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks._timing import interleaved
from bitket.quantum.learning.denoising import DenoiserSettings, DenoisingAutoencoder
from bitket.quantum.learning.images import HQNNParallel, HQNNQuanv
from bitket.quantum.learning.interleaved import InterleavedModule, NormalisedFeatures

PEERS = {"default.qubit": "backprop", "lightning.qubit": "adjoint"}


@dataclass(frozen=True)
class Case:
    """A hybrid model, and its quantum part in PennyLane.

    Attributes
    ----------
    model
        From inputs ``[B, ...]`` to logits.
    quantum
        The layer within it that holds the circuits.
    inputs
        A batch.
    classes
        Number of logits; None for a model whose outputs are to be its inputs.
    peer
        From a PennyLane device's name and a gradient method to a module that maps what ``quantum`` maps, with its weights.
    one_by_one
        Whether the first peer is also given the samples one at a time.
    """

    model: torch.nn.Module
    quantum: torch.nn.Module
    inputs: torch.Tensor
    classes: int | None
    peer: Callable[[str, str], torch.nn.Module]
    one_by_one: bool = False


def parallel() -> Case:
    """HQNN-Parallel: 4 circuits of 5 qubits, 3 repetitions, batch 64."""
    generator = torch.Generator().manual_seed(0)
    model = HQNNParallel(generator=generator)

    def peer(device: str, method: str) -> torch.nn.Module:
        import pennylane as qml

        class Side(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()

                @qml.qnode(qml.device(device, wires=5), interface="torch", diff_method=method)
                def circuit(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
                    qml.AngleEmbedding(inputs, range(5), rotation="X")
                    qml.StronglyEntanglingLayers(weights, range(5), ranges=(1, 1, 1))
                    return [qml.expval(qml.PauliY(q)) for q in range(5)]

                self.layers = torch.nn.ModuleList(qml.qnn.TorchLayer(circuit, {"weights": (3, 5, 3)}) for _ in range(4))
                for layer, weights in zip(self.layers, model.quantum.layer.weights.detach(), strict=True):
                    layer.qnode_weights["weights"].data = weights.reshape(3, 5, 3).clone()

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                parts = [layer(x[:, 5 * j : 5 * j + 5]) for j, layer in enumerate(self.layers)]
                return torch.cat(parts, dim=1)

        return Side()

    return Case(model, model.quantum, torch.rand(64, 1, 28, 28, generator=generator), 10, peer)


def quanvolution() -> Case:
    """HQNN-Quanv: one circuit of 4 qubits over 49 patches of each image, batch 4, as in its training."""
    generator = torch.Generator().manual_seed(0)
    model = HQNNQuanv(generator=generator)

    def peer(device: str, method: str) -> torch.nn.Module:
        import pennylane as qml

        @qml.qnode(qml.device(device, wires=4), interface="torch", diff_method=method)
        def circuit(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
            qml.AngleEmbedding(inputs, range(4), rotation="X")
            for k in range(4):
                for q in range(4):
                    qml.RY(weights[k, q], q)
                for q in range(4):
                    qml.CNOT([q, (q + 1) % 4])
            return [qml.expval(qml.PauliZ(q)) for q in range(4)]

        class Slide(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = qml.qnn.TorchLayer(circuit, {"weights": (4, 4)})
                self.layer.qnode_weights["weights"].data = model.quantum.layer.weights.detach().reshape(4, 4).clone()

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                patches = math.pi * torch.nn.functional.unfold(x, 2, stride=2).transpose(1, 2)
                return self.layer(patches.reshape(-1, 4)).reshape(len(x), 7, 7, 4).permute(0, 3, 1, 2)

        return Slide()

    return Case(model, model.quantum, torch.rand(4, 1, 28, 28, generator=generator), 10, peer)


def interleaved_images() -> Case:
    """Interleaved classifier: 10 qubits, 256 features and 260 trained angles in 260 gates, batch 100."""
    generator = torch.Generator().manual_seed(0)
    module = InterleavedModule(generator=generator)
    gates = [(i.name.upper(), i.qubits) for i in module.layer.circuit]

    def peer(device: str, method: str) -> torch.nn.Module:
        import pennylane as qml

        @qml.qnode(qml.device(device, wires=10), interface="torch", diff_method=method)
        def circuit(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
            angle = 0
            for name, qubits in gates:
                if name == "CX":
                    qml.CNOT(qubits)
                else:
                    getattr(qml, name)(inputs[..., angle] + weights[angle], qubits)
                    angle += 1
            return [qml.expval(qml.PauliZ(4))]

        layer = qml.qnn.TorchLayer(circuit, {"weights": (260,)})
        layer.qnode_weights["weights"].data = module.layer.weights.detach().clone()
        return layer

    model = torch.nn.Sequential(NormalisedFeatures(), module)
    return Case(model, module.layer, torch.rand(100, 16, 16, generator=generator), 2, peer)


def latent_qaoa() -> Case:
    """Denoising autoencoder: 8 qubits, 3 QAOA layers on a ring with 6 shared angles, batch 64."""
    generator = torch.Generator().manual_seed(0)
    model = DenoisingAutoencoder.made(DenoiserSettings(28, 8, "qaoa", 3), generator)

    def peer(device: str, method: str) -> torch.nn.Module:
        import pennylane as qml

        @qml.qnode(qml.device(device, wires=8), interface="torch", diff_method=method)
        def circuit(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
            for q in range(8):
                qml.Hadamard(q)
            qml.AngleEmbedding(math.pi * torch.tanh(inputs), range(8), rotation="Y")
            for k in range(3):
                for q in range(8):
                    qml.IsingZZ(2 * weights[2 * k], [q, (q + 1) % 8])
                for q in range(8):
                    qml.RX(2 * weights[2 * k + 1], q)
            return [qml.expval(qml.PauliZ(q)) for q in range(8)]

        layer = qml.qnn.TorchLayer(circuit, {"weights": (6,)})
        layer.qnode_weights["weights"].data = model.latent.weights.detach().clone()
        return layer

    return Case(model, model.latent, torch.rand(64, 1, 28, 28, generator=generator), None, peer, one_by_one=True)


def transfer() -> Case:
    """Transfer trained from end to end: an encoder 784-256-64, 5 components, the cascade's 32 probabilities, dense layers, batch 128."""
    from bitket.quantum.learning.autoencoder import Autoencoder
    from bitket.quantum.learning.feature_map import FeatureLayer, cascade_feature_map
    from bitket.quantum.learning.transfer import dense_head

    generator = torch.Generator().manual_seed(0)
    layer = FeatureLayer(cascade_feature_map(5))
    encoder = Autoencoder((784, 256, 64), generator=generator).encoder
    model = torch.nn.Sequential(encoder, torch.nn.Linear(64, 5), layer, *dense_head(layer.outputs, 10))

    def peer(device: str, method: str) -> torch.nn.Module:
        import pennylane as qml

        @qml.qnode(qml.device(device, wires=5), interface="torch", diff_method=method)
        def circuit(inputs: torch.Tensor) -> Any:
            qml.AngleEmbedding(inputs, range(5), rotation="Y")
            qml.Hadamard(0)
            for q in range(4):
                qml.CNOT([q, q + 1])
            if (
                method == "adjoint"
            ):  # it takes expectation values alone: of all words of Z, whose transform the probabilities are
                words = [[q for q in range(5) if k >> q & 1] for k in range(1, 32)]
                return [
                    qml.expval(qml.prod(*map(qml.PauliZ, word)) if len(word) > 1 else qml.PauliZ(*word))
                    for word in words
                ]
            return qml.probs(wires=range(4, -1, -1))

        layer = qml.qnn.TorchLayer(circuit, {})
        if method != "adjoint":
            return layer
        signs = torch.tensor([[(-1.0) ** (j & k).bit_count() for k in range(32)] for j in range(32)])

        class Transformed(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.nn.functional.pad(layer(x).to(x.dtype), (1, 0), value=1.0) @ signs / 32

        return Transformed()

    return Case(model, layer, torch.rand(128, 784, generator=generator), 10, peer)


class _OneByOne(torch.nn.Module):
    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.layer(sample) for sample in x])


CASES: dict[str, Callable[[], Case]] = {
    "hqnn-parallel": parallel,
    "hqnn-quanv": quanvolution,
    "interleaved": interleaved_images,
    "latent-qaoa": latent_qaoa,
    "transfer": transfer,
}


def run(quick: bool = False) -> list[dict[str, Any]]:
    """A row a case: our layer's step in milliseconds, its share of a whole step, each peer's time over ours and its greatest deviation."""
    rows = []
    for name, make in CASES.items():
        case = make()
        entering = _entering(case)
        row: dict[str, Any] = {"model": name, "batch": len(case.inputs)}
        steps = {"bitket": _step(case.quantum, entering), "model": _training_step(case)}
        reference = _outcome(case.quantum, entering)
        deviations = {}
        for device, method in PEERS.items():
            try:
                peer = case.peer(device, method)
            except ImportError:
                continue
            found = _outcome(peer, entering)
            deviations[device] = max(float((a - b).abs().max()) for a, b in zip(reference, found, strict=True))
            steps[device] = _step(peer, entering)
            if case.one_by_one and device == next(iter(PEERS)):
                single = f"{device} one by one"
                deviations[single] = deviations[device]
                steps[single] = _step(_OneByOne(peer), entering)
        times = interleaved(steps, 3 if quick else 9)
        row |= {"layer ms": 1e3 * times["bitket"], "share of step": times["bitket"] / times["model"]}
        for device, deviation in deviations.items():
            row |= {f"{device} / bitket": times[device] / times["bitket"], f"{device} deviation": deviation}
        rows.append(row)
    return rows


def _entering(case: Case) -> torch.Tensor:
    """What enters the quantum part for the case's inputs."""
    seen: list[torch.Tensor] = []
    hook = case.quantum.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    with torch.no_grad():
        case.model(case.inputs)
    hook.remove()
    return seen[0].requires_grad_()


def _outcome(layer: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values, and the gradient of the sum of their squares for the inputs."""
    y = layer(x)
    return y.detach(), torch.autograd.grad(y.square().sum(), x)[0]


def _step(layer: torch.nn.Module, x: torch.Tensor) -> Callable[[], Any]:
    """Forward and backward, for inputs and weights."""
    weights = [p for p in layer.parameters() if p.requires_grad]
    return lambda: torch.autograd.grad(layer(x).square().sum(), [x, *weights])


def _training_step(case: Case) -> Callable[[], Any]:
    optimiser = torch.optim.Adam(case.model.parameters(), lr=1e-3)
    labels = None if case.classes is None else torch.arange(len(case.inputs)) % case.classes

    def step() -> None:
        optimiser.zero_grad()
        outputs = case.model(case.inputs)
        if labels is None:
            torch.nn.functional.mse_loss(outputs, case.inputs).backward()
        else:
            torch.nn.functional.cross_entropy(outputs, labels).backward()
        optimiser.step()

    return step
