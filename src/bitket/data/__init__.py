"""Data sets: a catalogue with licences and checksums, one door `load`, and transformers fitted on training data alone."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitket.data.angles import angle_pipeline
    from bitket.data.circuits import QasmCorpus
    from bitket.data.files import read_samples, read_table
    from bitket.data.pictures import read_images
    from bitket.data.registry import CATALOGUE, Dataset, describe, load
    from bitket.data.rows import Images, Table, Texts
    from bitket.data.text_features import TextFeatures
    from bitket.data.texts import read_reviews

__all__ = [
    "CATALOGUE",
    "Dataset",
    "Images",
    "QasmCorpus",
    "Table",
    "TextFeatures",
    "Texts",
    "angle_pipeline",
    "describe",
    "load",
    "read_images",
    "read_reviews",
    "read_samples",
    "read_table",
]

_HOMES = {
    "CATALOGUE": "registry",
    "Dataset": "registry",
    "Images": "rows",
    "QasmCorpus": "circuits",
    "Table": "rows",
    "TextFeatures": "text_features",
    "Texts": "rows",
    "angle_pipeline": "angles",
    "describe": "registry",
    "load": "registry",
    "read_images": "pictures",
    "read_reviews": "texts",
    "read_samples": "files",
    "read_table": "files",
}


def __getattr__(name: str) -> Any:
    # scikit-learn is imported only when it is used.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
