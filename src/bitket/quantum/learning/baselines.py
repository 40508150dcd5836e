"""Classical classifiers that quantum ones are judged by: scikit-learn's, after standard scaling of each feature."""

from __future__ import annotations

from typing import Any

__all__ = ["logistic", "svm"]


def svm(C: float = 1.0) -> Any:
    """Support vector machine with a Gaussian kernel of width "scale" (1 / (d Var x))."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=C))


def logistic(C: float = 1.0) -> Any:
    """Logistic regression with an L2 penalty of 1/C."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
