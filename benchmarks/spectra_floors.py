"""An independent regression on the same splits: a Gaussian process of scikit-learn."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from dagnn.records import FloatArray, Predictions
from dagnn.run.calibrate import Surrogate
from dagnn.run.prepared import Prepared, SuiteData
from dagnn.trust.error_bars import excess, fit_variance


def gaussian_process(
    prepared: Prepared, source: str, target: str, surrogates: list[Surrogate]
) -> dict[str, Predictions]:
    """Predict the target's test items by Gaussian processes.

    Args:
        prepared: the suites.
        source: short name of the labelled suite.
        target: short name of the other one.
        surrogates: made of the source, to calibrate the error bars as those of networks are.

    Returns:
        Without adaptation, with every feature standardised by the training items of its own
        suite, the same with calibrated error bars, and trained on the target's labels.
    """
    suites = {suite.name: suite for suite in prepared.suites}
    ours, theirs = _columns(suites[source], "train"), _columns(suites[target], "train")
    test = suites[target]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = _fit(ours[0], _unit(prepared, ours[1]))
        oracle = _fit(theirs[0], _unit(prepared, theirs[1]))
    aligned = _predict(prepared, fitted, test, theirs[0])
    scale = fit_variance([_predict(prepared, fitted, suites[source], ours[0], "valid")])
    moved = [suite for each in surrogates for suite in each.prepared.of_role("target")]
    held_out = [
        _predict(prepared, fitted, suite, _columns(suite, "train")[0], "valid") for suite in moved
    ]
    count = len(suites[source].parts()["valid"])
    excesses = [excess([scale.apply(each, labelled=True)], count) for each in held_out]
    return {
        "Gaussian process, no adaptation": _predict(prepared, fitted, test, ours[0]),
        "Gaussian process, aligned": aligned,
        "Gaussian process, aligned, calibrated": scale.inflated(excesses).apply(
            aligned, labelled=False
        ),
        "Gaussian process, ORACLE": _predict(prepared, oracle, test, theirs[0]),
    }


def _columns(suite: SuiteData, part: str) -> tuple[FloatArray, FloatArray]:
    rows, dataset = suite.parts()[part], suite.loaded.dataset
    x = np.stack([value[rows].double().numpy() for value in dataset.summaries().values()], 1)
    return x, dataset.y[rows].double().numpy()[:, 0]


def _unit(prepared: Prepared, truth: FloatArray) -> FloatArray:
    low, high = prepared.scaling.low[0], prepared.scaling.high[0]
    return (truth - low) / (high - low)


def _fit(x: FloatArray, y: FloatArray) -> GaussianProcessRegressor:
    kernel = ConstantKernel(1.0) * RBF(5.0) + WhiteKernel(0.1)
    standard = (x - x.mean(0)) / x.std(0)
    return GaussianProcessRegressor(kernel, normalize_y=True).fit(standard, y)


def _predict(
    prepared: Prepared,
    fitted: GaussianProcessRegressor,
    suite: SuiteData,
    like: FloatArray,
    part: str = "test",
) -> Predictions:
    x, truth = _columns(suite, part)
    mean, std = fitted.predict((x - like.mean(0)) / like.std(0), return_std=True)
    low, high = prepared.scaling.low[0], prepared.scaling.high[0]
    rows = suite.parts()[part].tolist()
    return Predictions(
        suite=suite.name,
        role=suite.role,
        split=part,
        ids=tuple(suite.loaded.dataset.ids[row] for row in rows),
        parameters=prepared.scaling.names[:1],
        truth=truth[:, None],
        mean=(low + (high - low) * mean)[:, None],
        std=((high - low) * std)[:, None],
        latent=np.zeros((len(rows), 0)),
        model="gaussian-process",
    )
