"""How much further parameters move summaries of a box, at fixed inferred parameters."""

from collections.abc import Mapping

import numpy as np

from dagnn.records import FloatArray


def influences(
    summaries: FloatArray, truth: FloatArray, further: Mapping[str, FloatArray]
) -> dict[str, float]:
    r"""Return the share of the variance of summaries that each further parameter explains.

    What the inferred parameters explain (constant, linear, quadratic) is taken off
    summaries and parameter; what is left is compared by its squared correlation,
    averaged over the summaries that vary.

    Args:
        summaries: ``[n, F]``.
        truth: inferred parameters ``[n, P]``.
        further: name → values ``[n]`` of a parameter that is not inferred.

    Returns:
        Name → mean of :math:`r^2` between 0 and 1; those that do not vary are left out.

    Example:
        >>> y, a = np.repeat([0.0, 1.0, 2.0], 2)[:, None], np.array([1.0, -1.0] * 3)
        >>> found = influences(y + a[:, None], y, {"a": a, "constant": np.ones(6)})
        >>> {name: round(share, 3) for name, share in found.items()}
        {'a': 1.0}
    """
    known = np.concatenate([np.ones((len(truth), 1)), truth, truth**2], 1)
    left = _standard(_without(summaries, known))
    found = {}
    for name, values in further.items():
        own = _standard(_without(values[:, None], known))
        if own.size and left.size:
            found[name] = float(np.mean((left * own).mean(0) ** 2))
    return found


def _without(values: FloatArray, known: FloatArray) -> FloatArray:
    """Return what a linear fit to ``known`` leaves of each column; none of what it explains."""
    fitted = known @ np.linalg.lstsq(known, values, rcond=None)[0]
    left = values - fitted
    varies = left.std(0) > 1e-6 * np.abs(values).max(0)
    return np.asarray(left[:, varies])


def _standard(values: FloatArray) -> FloatArray:
    """Scale columns to mean zero and variance one."""
    return np.asarray((values - values.mean(0)) / values.std(0))
