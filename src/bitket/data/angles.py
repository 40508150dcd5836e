"""Features as angles: principal components, scaled to a range, all fitted on the training part alone."""

from __future__ import annotations

import math
from typing import Any

from bitket.errors import InvalidInput

__all__ = ["angle_pipeline"]


def angle_pipeline(
    n_components: int | None = None, low: float = 0.0, high: float = math.pi, *, standardise: bool = True
) -> Any:
    """A scikit-learn pipeline that takes features ``[N, d]`` to angles ``[N, n_components]``.

    Standard scaling, principal components, then a linear map of each component's range in the training data onto ``[low, high]``.
    Values of other data that fall outside are clipped to it.

    Parameters
    ----------
    n_components
        Number of principal components; None keeps the features.
    low, high
        Range of angles, in radians.
    standardise
        Scale each feature to mean 0 and variance 1 before the components are taken.

    Examples
    --------
    >>> from bitket.data import load
    >>> angle_pipeline(2).fit_transform(load("iris").X).shape
    (150, 2)
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if n_components is not None and n_components < 1:
        raise InvalidInput(f"{n_components} components: at least 1 is needed")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidInput(f"angles from {low} to {high}: finite numbers, the lower one first, are needed")
    steps: list[tuple[str, Any]] = [("standardise", StandardScaler())] if standardise else []
    if n_components is not None:
        steps.append(("components", PCA(n_components, svd_solver="full")))
    steps.append(("scale", MinMaxScaler((low, high), clip=True)))
    return Pipeline(steps)
