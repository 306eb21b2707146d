"""Synthetic predictions of a source and a target suite, with and without adaptation."""

import pytest
from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.measure import evaluate
from dagnn.records import EpochRecord


@pytest.fixture(scope="session")
def predictions():
    return [
        synthetic("tng", "source", scale=0.015, model="source-only", seed=1),
        synthetic("simba", "target", scale=0.05, shift=0.08, model="source-only", seed=2),
        synthetic("tng", "source", scale=0.018, seed=1),
        synthetic("simba", "target", scale=0.02, seed=2),
    ]


@pytest.fixture(scope="session")
def results(predictions):
    return evaluate(predictions, PRIORS, n_bootstrap=200)


@pytest.fixture(scope="session")
def history():
    return [
        EpochRecord(
            epoch=epoch,
            step=10 * epoch,
            learning_rate=1e-3 / epoch,
            seconds=2.5,
            train={"total": 1.0 / epoch, "task": 0.8 / epoch, "mmd": 0.2 / epoch**3},
            valid={"source_error": 0.4 / epoch},
            best=epoch in (1, 7),
        )
        for epoch in range(1, 10)
    ]


@pytest.fixture(scope="session")
def crowded(predictions):
    """Results of every predictor there is, on source and target."""
    shifts = {"galaxy-count": 0.04, "ridge": 0.03, "ridge-aligned": 0.012, "oracle": 0.0}
    scales = {"galaxy-count": 0.07, "ridge": 0.05, "ridge-aligned": 0.03, "oracle": 0.012}
    others = [
        synthetic(suite, role, model=model, scale=scales[model], shift=shift, seed=seed)
        for model, shift in shifts.items()
        for suite, role, seed in (("tng", "source", 1), ("simba", "target", 2))
    ]
    return evaluate([*predictions, *others], PRIORS, n_bootstrap=200)
