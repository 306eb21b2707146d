"""One number that makes class probabilities honest, fitted where labels may be read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from dagnn.records import ClassPredictions, FloatArray, IntArray

SMALLEST_PROBABILITY = 1e-300
RANGE = (0.05, 20.0)


def softened(probability: FloatArray, temperature: float) -> FloatArray:
    """Return ``p_k^{1/T} / Σ p^{1/T}``, as if scores had been divided by ``T``.

    Args:
        probability: ``[n, K]``.
        temperature: ``T``; above 1 it makes predictions less decided.

    Example:
        >>> softened(np.array([[0.9, 0.1]]), 2.0)
        array([[0.75, 0.25]])
    """
    logs = np.log(np.maximum(probability, SMALLEST_PROBABILITY)) / temperature
    shares = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def log_loss(truth: IntArray, probability: FloatArray) -> float:
    """Return the mean negative log probability of the true class, in nats."""
    chosen = probability[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(chosen, SMALLEST_PROBABILITY)).mean())


@dataclass(frozen=True)
class Temperature:
    """A temperature for the probabilities of one network.

    It changes no decision, only how sure the network says it is.

    Attributes:
        value: ``T``.

    References:
        Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """

    value: float

    @classmethod
    def fit(cls, predictions: Sequence[ClassPredictions]) -> "Temperature":
        """Fit the temperature with the lowest log loss.

        Args:
            predictions: of the **validation items of sources**, all of one network.

        Raises:
            ValueError: predictions of anything else, or without a known label.
        """
        for each in predictions:
            if (each.role, each.split) != ("source", "valid"):
                raise ValueError(
                    f"A temperature is fitted on validation items of a source only, got the "
                    f"{each.split} items of {each.suite} ({each.role})."
                )
        known = [(each.truth >= 0) & (each.truth < len(each.classes)) for each in predictions]
        if not sum(mask.sum() for mask in known):
            raise ValueError("A temperature needs validation items with a known class.")
        pairs = list(zip(predictions, known, strict=True))
        truth = np.concatenate([each.truth[mask] for each, mask in pairs])
        probability = np.concatenate([each.probability[mask] for each, mask in pairs])
        found = minimize_scalar(
            lambda log: log_loss(truth, softened(probability, math.exp(log))),
            bounds=[math.log(end) for end in RANGE],
            method="bounded",
        )
        return cls(math.exp(float(found.x)))

    def to_dict(self) -> dict[str, float]:
        """Return plain values to be stored."""
        return {"temperature": self.value}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Temperature":
        """Read what :meth:`to_dict` returned."""
        value = float(stored["temperature"])
        if not 0 < value < math.inf:
            raise ValueError(f"a temperature is positive and finite, got {value:g}")
        return cls(value)

    def sentences(self) -> list[str]:
        """Say what was done to the probabilities."""
        return [
            f"Probabilities are those of scores divided by a temperature of {self.value:.2f}, "
            "fitted on the source's validation items."
        ]

    def apply(self, predictions: ClassPredictions) -> ClassPredictions:
        """Return the same predictions with softened probabilities."""
        return replace(predictions, probability=softened(predictions.probability, self.value))
