"""The tables that scikit-learn carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from bitket.data.rows import Table

__all__ = ["breast_cancer", "digits", "iris", "wine"]


def _table(bunch: Any) -> Table:
    return Table(
        np.asarray(bunch.data, dtype=float),
        np.asarray(bunch.target, dtype=np.int64),
        tuple(str(name) for name in bunch.feature_names),
        tuple(str(name) for name in bunch.target_names),
    )


def breast_cancer() -> Table:
    """Breast Cancer Wisconsin (Diagnostic): 569 rows, 30 features, malignant (0) or benign (1)."""
    from sklearn.datasets import load_breast_cancer

    return _table(load_breast_cancer())


def digits() -> Table:
    """Handwritten digits: 1797 rows, 64 pixels (row by row) from 0 to 16."""
    from sklearn.datasets import load_digits

    return _table(load_digits())


def iris() -> Table:
    """Fisher's irises: 150 rows, 4 features, 3 classes."""
    from sklearn.datasets import load_iris

    return _table(load_iris())


def wine() -> Table:
    """Wine recognition: 178 rows, 13 features, 3 classes."""
    from sklearn.datasets import load_wine

    return _table(load_wine())
