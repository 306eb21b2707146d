"""Synthetic predictions of a source and a target suite, with and without adaptation."""

import pytest
from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.table import evaluate
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
