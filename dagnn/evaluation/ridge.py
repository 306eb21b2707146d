r"""Ridge regression in closed form, its penalty chosen by generalised cross-validation."""

from dataclasses import dataclass

import numpy as np

from dagnn.records import FloatArray

PENALTIES = np.logspace(-6, 3, 37)
"""Penalties per item that are tried, for features of variance one."""
MOST_FREEDOM = 0.8
"""Fits that use a larger share of the items as degrees of freedom are not trusted to GCV."""


def quadratic(features: FloatArray) -> FloatArray:
    """Append all squares and products of features ``[n, F]``: ``[n, F + F(F+1)/2]``.

    Example:
        >>> quadratic(np.array([[2.0, 3.0]]))
        array([[2., 3., 4., 6., 9.]])
    """
    first, second = np.triu_indices(features.shape[1])
    return np.concatenate([features, features[:, first] * features[:, second]], axis=1)


@dataclass(frozen=True)
class Ridge:
    r"""A fitted ridge regression with one penalty per output.

    .. math:: \min_{w, b} \; \lVert y - b - Z w \rVert^2 + n \lambda \lVert w \rVert^2

    ``Z`` are features standardised by the training items. ``λ`` minimises the
    generalised cross-validation score ``(RSS / n) / (1 − d / n)²`` with ``d`` the
    degrees of freedom of the fit, intercept included.

    References:
        Hoerl & Kennard 1970, Technometrics 12, 55; Golub, Heath & Wahba 1979,
        Technometrics 21, 215, eq. 1.4.

    Attributes:
        centre: mean of each feature ``[F]``.
        scale: standard deviation of each feature ``[F]``; one where it does not vary.
        weight: ``[F, P]``, for standardised features.
        intercept: ``[P]``.
        penalty: the chosen ``λ`` of each output ``[P]``.
        error: square root of the score of each output ``[P]``: its expected error on new items.

    Example:
        >>> x = np.linspace(-1, 1, 50)[:, None]
        >>> fitted = Ridge.fit(x, 3 * x + 1)
        >>> fitted.predict(np.array([[2.0]])).round(3)
        array([[7.]])
    """

    centre: FloatArray
    scale: FloatArray
    weight: FloatArray
    intercept: FloatArray
    penalty: FloatArray
    error: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, outputs: FloatArray) -> "Ridge":
        """Fit outputs ``[n, P]`` to features ``[n, F]``; more features than items are fine.

        Raises:
            ValueError: fewer than three items, or numbers of items that differ.
        """
        number = len(features)
        if number < 3 or len(outputs) != number:
            raise ValueError(
                f"Ridge regression needs three items or more and as many outputs; "
                f"got features of {number} items and outputs of {len(outputs)}."
            )
        centre, spread = features.mean(0), features.std(0)
        # Rounding leaves a tiny spread to a feature that is constant.
        scale = np.where(spread > 1e-10 * (1 + np.abs(centre)), spread, 1.0)
        left, singular, right = np.linalg.svd((features - centre) / scale, full_matrices=False)
        intercept = outputs.mean(0)
        seen = left.T @ (outputs - intercept)
        scores = _scores(singular, seen, np.square(outputs - intercept).sum(0), number)
        best = scores.argmin(0)
        penalty = PENALTIES[best]
        shrunk = singular[:, None] / (singular[:, None] ** 2 + number * penalty)
        return cls(
            centre=centre,
            scale=scale,
            weight=right.T @ (shrunk * seen),
            intercept=intercept,
            penalty=penalty,
            error=np.sqrt(scores[best, np.arange(len(best))]),
        )

    def predict(self, features: FloatArray) -> FloatArray:
        """Return outputs ``[n, P]`` for features ``[n, F]``."""
        return np.asarray((features - self.centre) / self.scale @ self.weight + self.intercept)


def _scores(singular: FloatArray, seen: FloatArray, total: FloatArray, number: int) -> FloatArray:
    """Return the generalised cross-validation score of every penalty and output.

    Args:
        singular: singular values of the standardised features, ``[K]``.
        seen: outputs in the basis of left singular vectors, ``[K, P]``.
        total: sum of squares of each centred output, ``[P]``.
        number: of items ``n``.

    Returns:
        ``[penalties, P]``; infinite where the fit uses up nearly all items.
    """
    kept = singular**2 / (singular**2 + number * PENALTIES[:, None])
    residual = total - np.square(seen).sum(0) + np.square(1 - kept) @ np.square(seen)
    freedom = (1 + kept.sum(1, keepdims=True)) / number
    # The largest penalty stays allowed: some fit must be chosen.
    trusted = (freedom <= MOST_FREEDOM) | (PENALTIES.max() == PENALTIES)[:, None]
    score = np.maximum(residual, 0) / number / np.square(1 - np.minimum(freedom, 0.99))
    return np.where(trusted, score, np.inf)
