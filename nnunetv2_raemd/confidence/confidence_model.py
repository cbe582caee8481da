"""The probability that a predicted lesion is real, from what is known of it: a logistic regression.

Small enough to be read: five numbers a label, on features in standard units. It is kept as plain numbers, so
that applying it needs neither scikit-learn nor a pickle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion

FEATURES = ("logit of maximum probability", "logit of mean probability", "log of diameter", "continuity")
FEWEST_OF_EACH = 5
"""Real and false lesions that a regression needs; with fewer, all lesions get the share of real ones."""
_CERTAIN = 1e-4  # probabilities are kept this far from 0 and 1, whose logits are infinite


@dataclass(frozen=True)
class ConfidenceModel:
    """sigmoid(intercept + sum of coefficient x (feature - mean) / scale).

    Attributes:
        coefficients: one for each of `FEATURES`; the larger, the more the feature speaks for a real lesion.
        n_real, n_false: lesions that it was fitted on.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    n_real: int
    n_false: int

    def confidences(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n,) from features (n, len(FEATURES))."""
        standard = (features - self.means) / self.scales
        confidences: NDArray[np.float64] = 1 / (1 + np.exp(-(self.intercept + standard @ self.coefficients)))
        return confidences

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ConfidenceModel:
        """What `as_json` wrote; `KeyError`, `TypeError` or `ValueError` for anything else."""
        means, scales, coefficients = (
            tuple(map(float, content[name])) for name in ("means", "scales", "coefficients")
        )
        intercept = float(content["intercept"])
        if {len(means), len(scales), len(coefficients)} != {len(FEATURES)} or min(scales) <= 0:
            raise ValueError(f"the model needs {len(FEATURES)} means, coefficients and positive scales")
        if not np.isfinite([*means, *scales, *coefficients, intercept]).all():
            raise ValueError("the model holds numbers that are not finite")
        return cls(means, scales, coefficients, intercept, int(content["n_real"]), int(content["n_false"]))

    def as_json(self) -> dict[str, Any]:
        """For the calibration file, with the names of the features beside their numbers."""
        return {"features": list(FEATURES), **asdict(self)}


def features_of(lesion: MeasuredLesion) -> tuple[float, float, float, float]:
    """The features of a lesion that has probabilities.

    A lesion in a single slice has no neighbouring slices to be continuous with: its continuity is 0.
    """
    assert lesion.max_probability is not None and lesion.mean_probability is not None
    return (
        logit(lesion.max_probability),
        logit(lesion.mean_probability),
        math.log(lesion.equivalent_diameter_mm),
        0.0 if math.isnan(lesion.continuity) else lesion.continuity,
    )


def logit(probability: float) -> float:
    """Log odds, finite also for 0 and 1."""
    kept = min(max(probability, _CERTAIN), 1 - _CERTAIN)
    return math.log(kept / (1 - kept))


def fit_model(features: NDArray[np.float64], real: Sequence[bool]) -> ConfidenceModel:
    """Fit by scikit-learn's logistic regression (L2 penalty, C = 1, on standardised features).

    With fewer than `FEWEST_OF_EACH` real or false lesions there is nothing to tell them apart by, and the
    model is constant: (real + 1) / (all + 2), Laplace's rule of succession.

    Args:
        features: (n, len(FEATURES)).
    """
    n_real = sum(real)
    n_false = len(real) - n_real
    nothing = (0.0,) * len(FEATURES)
    if min(n_real, n_false) < FEWEST_OF_EACH:
        return ConfidenceModel(
            nothing, (1.0,) * len(FEATURES), nothing, math.log((n_real + 1) / (n_false + 1)), n_real, n_false
        )
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - takes a second to import

    means, scales = features.mean(axis=0), features.std(axis=0)
    scales[scales < 1e-9] = 1.0  # the same for all: says nothing
    fitted = LogisticRegression().fit((features - means) / scales, np.asarray(real, int))
    return ConfidenceModel(
        tuple(means.tolist()),
        tuple(scales.tolist()),
        tuple(fitted.coef_[0].tolist()),
        float(fitted.intercept_[0]),
        n_real,
        n_false,
    )
