"""What anyone could say without looking at the data."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dagnn.evaluation.metrics import Prior
from dagnn.records import Predictions

PRIOR_MEAN = "prior-mean"
"""Name of the baseline that predicts mean and standard deviation of the prior."""


def prior_mean(predictions: Predictions, prior: Mapping[str, Prior]) -> Predictions:
    """Predict the prior's mean and standard deviation for the same items.

    Args:
        predictions: the items and their truth.
        prior: prior of every parameter in ``predictions``.

    Returns:
        Predictions of the model ``prior-mean``, without latents.
    """
    items = len(predictions.ids)
    known = [prior[name] for name in predictions.parameters]
    return replace(
        predictions,
        mean=np.tile([p.mean for p in known], (items, 1)),
        std=np.tile([p.std for p in known], (items, 1)),
        latent=np.zeros((items, 0)),
        model=PRIOR_MEAN,
    )
