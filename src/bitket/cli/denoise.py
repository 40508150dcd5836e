"""``bitket denoise``: pictures in, cleaner ones out; and a denoiser trained on a folder of clean ones, beside its classical twins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitket.cli import options
from bitket.cli.console import console
from bitket.cli.folders import require_writable
from bitket.cli.options import Json, Latent, choice, number
from bitket.errors import InvalidInput
from bitket.files import require_file

if TYPE_CHECKING:
    import numpy as np

    from bitket.quantum.learning.corruption import Corruption

__all__ = ["register"]

_SMALLEST = 12  # pixels of a picture's side: the window of SSIM is 11
_WHOLE = 32  # pixels up to which pictures of one size are tiles themselves
_FEW = 20  # pictures below which each gives a part that is not learnt from
_TILES, _HELD_TILES = 4000, 500
_JUDGED, _CROP = 12, 128  # pictures that are compared, and the part of them


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(denoise)


def denoise(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A denoiser; with --train the file to write it to.")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE...", help="Pictures to denoise, or folders of them, of any size."),
    ] = None,
    train: Annotated[
        Path | None, options.folder("FOLDER", "--train", help="Train MODEL on the clean pictures of this folder.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="KIND:NUMBER",
            help="With --train: gaussian:0.1 (the default), salt-and-pepper:0.1, speckle:0.3 or poisson:20.",
        ),
    ] = None,
    latent: Annotated[
        Latent | None, choice(Latent, "KIND", help="With --train: the model's middle, qaoa unless it is given")
    ] = None,
    epochs: Annotated[
        int | None, number("epochs", help="With --train: most passes over the pictures, 40 unless it is given.")
    ] = None,
    seed: Annotated[
        int | None, number("seed", help="With --train: seed of all randomness, 0 unless it is given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the denoised pictures, named denoised unless it is given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Denoise pictures, by a model trained on your own. Example: bitket denoise digits.model noisy.png --train clean --noise gaussian:0.3"""
    for name, value in (("--noise", noise), ("--latent", latent), ("--epochs", epochs), ("--seed", seed)):
        if value is not None and train is None:
            raise InvalidInput(f"{name}: it needs --train")
    if out is not None and not images:
        raise InvalidInput("--out: it needs pictures to denoise")
    targets = _targets(images or [], out or Path("denoised"))
    found: dict[str, Any] = {"model": str(model)}
    if train is not None:
        require_writable(model)
        found |= _train(model, train, noise or "gaussian:0.1", latent or "qaoa", epochs or 40, seed or 0)
    elif not targets:
        raise InvalidInput("pictures to denoise are needed, or --train FOLDER")
    if targets:
        found["denoised"] = _denoise(require_file(model), targets)
    if as_json:
        print(json.dumps(found))
    else:
        _print(found)


def _targets(images: list[Path], out: Path) -> dict[Path, Path]:
    """The pictures to read, by the file to write."""
    from bitket.data.pictures import find_pictures

    targets: dict[Path, Path] = {}
    for image in images:
        for path in find_pictures(image) if image.is_dir() else [require_file(image)]:
            target = out / f"{path.stem}.png"
            if target in targets:
                raise InvalidInput(f"{path} and {targets[target]}: both would be written to {target}")
            if target.exists() and target.samefile(path):
                raise InvalidInput(f"{path}: it would be overwritten; give another --out")
            targets[target] = path
    for target in targets:
        require_writable(target)
    return targets


def _denoise(model: Path, targets: dict[Path, Path]) -> list[str]:
    import numpy as np

    from bitket.data.pictures import png, read_picture
    from bitket.quantum.learning.denoising import DenoisingAutoencoder
    from bitket.runs.files import write_bytes
    from bitket.runs.progress import Bars

    made, results = DenoisingAutoencoder.load(model), []
    for target, path in Bars().track(list(targets.items()), "denoising"):
        pixels = read_picture(path)
        layers = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)  # colours one by one
        clean = made.denoise(layers)
        write_bytes(target, png(clean[0] if pixels.ndim == 2 else np.moveaxis(clean, 0, -1)))
        results.append(str(target))
    return results


def _train(model: Path, folder: Path, noise: str, latent: str, epochs: int, seed: int) -> dict[str, Any]:
    import numpy as np
    import torch

    from bitket.learning import Training
    from bitket.quantum.learning.corruption import corruption
    from bitket.quantum.learning.denoising import DenoiserSettings, DenoisingAutoencoder, tiles
    from bitket.runs.progress import Bars

    spoil = corruption(noise)
    pictures = _pictures(folder)
    side = _whole_side(pictures)
    whole = side is not None
    learnt, held = _split(pictures, whole, np.random.default_rng([seed, 0]))
    side = side or 8
    rng = np.random.default_rng([seed, 1])
    clean, kept = (
        np.stack(part) if whole else tiles(part, side, count, rng)
        for part, count in ((learnt, _TILES), (held, _HELD_TILES))
    )
    kinds = list(dict.fromkeys((latent, "identity", "dense")))
    bar = iter(Bars().track(range(epochs * len(kinds)), "training"))
    models, results = {}, {}
    for kind in kinds:
        made = DenoisingAutoencoder.made(DenoiserSettings(side, latent=kind), torch.Generator().manual_seed(seed))
        results[kind] = made.fit(
            clean,
            spoil,
            validation=kept,
            generator=torch.Generator().manual_seed(seed),
            training=Training(epochs, batch_size=64, learning_rate=1e-2, decay="cosine", patience=10),
            callback=lambda *_: next(bar, None) is None,
        )
        models[kind] = made
    for _ in bar:  # what early stopping saved
        pass
    table = _compared(models, spoil, [_middle(p) for p in held[:_JUDGED]], clean, seed)
    about = {"noise": str(spoil), "pictures": len(pictures), "seed": seed}
    models[latent].save(model, about)
    return about | {
        "tiles": len(clean),
        "side": side,
        "latent": latent,
        "epochs": results[latent].epochs,
        "best_epoch": results[latent].best_epoch,
        "stop_reason": results[latent].stop_reason,
        "judged": min(len(held), _JUDGED),
        "denoisers": table,
    }


def _pictures(folder: Path) -> list[np.ndarray]:
    from bitket.data.pictures import find_pictures, read_picture

    found = []
    for path in find_pictures(folder):
        pixels = read_picture(path, colour=False)
        if min(pixels.shape) < _SMALLEST:
            raise InvalidInput(
                f"{path}: {pixels.shape[0]} x {pixels.shape[1]} pixels; training needs {_SMALLEST} x {_SMALLEST} or more"
            )
        found.append(pixels)
    return found


def _whole_side(pictures: list[np.ndarray]) -> int | None:
    """The side of small square pictures of one size, which are tiles themselves."""
    height, width = pictures[0].shape
    same = all(p.shape == (height, width) for p in pictures)
    return height if same and height == width <= _WHOLE and height % 4 == 0 else None


def _split(
    pictures: list[np.ndarray], whole: bool, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What is learnt from, and what is not: a tenth of the pictures; of few larger ones the right quarter of each."""
    if not whole and len(pictures) < _FEW:
        cuts = [3 * p.shape[1] // 4 for p in pictures]
        held = [p[:, c:] for p, c in zip(pictures, cuts, strict=True) if p.shape[1] - c >= _SMALLEST]
        if held:
            return [p[:, :c] if p.shape[1] - c >= _SMALLEST else p for p, c in zip(pictures, cuts, strict=True)], held
    if len(pictures) == 1:
        height, width = pictures[0].shape
        raise InvalidInput(f"a single picture of {height} x {width} pixels: more, or a wider one, are needed")
    order = rng.permutation(len(pictures))
    count = max(1, len(pictures) // 10)
    return [pictures[k] for k in order[count:]], [pictures[k] for k in order[:count]]


def _middle(picture: np.ndarray) -> np.ndarray:
    top, left = (max(0, (n - _CROP) // 2) for n in picture.shape)
    return picture[top : top + _CROP, left : left + _CROP]


def _compared(
    models: dict[str, Any], spoil: Corruption, pictures: list[np.ndarray], clean: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """SSIM and PSNR of every denoiser on pictures that none has seen, and how far the first model is ahead of each."""
    import numpy as np
    import torch

    from bitket.quantum.learning.image_quality import psnr, ssim
    from bitket.quantum.learning.yardsticks import yardsticks

    generator = torch.Generator().manual_seed(seed + 1)
    noisy = [spoil(torch.from_numpy(np.ascontiguousarray(p)), generator).numpy() for p in pictures]
    denoisers: dict[str, Any] = {name: made.denoise for name, made in models.items()} | {"(noisy)": lambda x: x}
    denoisers |= yardsticks(spoil, clean[:20], generator)
    rows: list[dict[str, Any]] = []
    first: Any = None
    for name, f in denoisers.items():
        made = [f(x) for x in noisy]
        similar = np.array([float(ssim(a, b)) for a, b in zip(made, pictures, strict=True)])
        decibels = np.array([float(psnr(a, b)) for a, b in zip(made, pictures, strict=True)])
        first = similar if first is None else first
        behind = first - similar
        error = float(behind.std(ddof=1) / np.sqrt(len(behind))) if len(behind) > 1 else None
        row = {"denoiser": name, "ssim": float(similar.mean()), "psnr_db": _finite(float(decibels.mean()))}
        if name in models:
            row["parameters"] = sum(p.numel() for p in models[name].parameters())
        rows.append(row | {"behind": float(behind.mean()), "behind_error": error})
    return rows


def _finite(value: float) -> float | None:
    import math

    return value if math.isfinite(value) else None


def _print(found: dict[str, Any]) -> None:
    screen = console()
    if "denoisers" in found:
        from rich.table import Table

        screen.print(
            f"{found['model']}: trained on {found['tiles']} tiles of {found['side']} x {found['side']} pixels of {found['pictures']} pictures, "
            f"noise {found['noise']}; best after {found['best_epoch']} of {found['epochs']} epochs ({found['stop_reason']})",
            markup=False,
        )
        table = Table(
            "denoiser",
            "parameters",
            "SSIM",
            "PSNR, dB",
            f"{found['latent']} is ahead by, SSIM",
            box=None,
            pad_edge=False,
        )
        for k, row in enumerate(found["denoisers"]):
            error = "" if row["behind_error"] is None else f" ± {row['behind_error']:.4f}"
            decibels = "inf" if row["psnr_db"] is None else f"{row['psnr_db']:.2f}"
            ahead = "" if k == 0 else f"{row['behind']:+.4f}{error}"
            table.add_row(row["denoiser"], str(row.get("parameters", "")), f"{row['ssim']:.4f}", decibels, ahead)
        screen.print(table)
        screen.print(
            f"on {found['judged']} pictures, or parts of pictures, that were not learnt from; one training each, "
            "± is the standard error over them"
        )
    for name in found.get("denoised", []):
        screen.print(f"written: {name}", markup=False)
