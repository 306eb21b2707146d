"""Synthetic predictions that are calibrated by construction."""

import numpy as np

from dagnn.records import Predictions
from dagnn.tasks.prior import Prior

PRIORS = {"Omega_m": Prior.of("Omega_m"), "sigma_8": Prior.of("sigma_8")}


def synthetic(
    suite="tng",
    role="source",
    *,
    items=60,
    scale=0.02,
    shift=0.0,
    model="model",
    parameters=("Omega_m",),
    seed=0,
    known=True,
):
    """Draw truths from the prior and calibrated Gaussian predictions around them."""
    generator = np.random.default_rng(seed)
    low = np.array([PRIORS[name].low for name in parameters])
    truth = low + 0.4 * generator.random((items, len(parameters)))
    std = scale * generator.uniform(0.7, 1.3, truth.shape)
    mean = truth + shift + std * generator.normal(size=truth.shape)
    latent = np.concatenate([truth, truth**2, generator.normal(size=(items, 3))], axis=1)
    return Predictions(
        suite=suite,
        role=role,
        split="test",
        ids=tuple(f"LH_{number}" for number in range(items)),
        parameters=parameters,
        truth=truth if known else np.full_like(truth, np.nan),
        mean=mean,
        std=std,
        latent=latent + 5 * shift,
        model=model,
    )
