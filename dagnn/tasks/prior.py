"""The distribution from which a suite's parameters were drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dagnn.parameters import parameter
from dagnn.records import FloatArray


@dataclass(frozen=True)
class Prior:
    """The distribution from which a suite's parameter was drawn.

    Attributes:
        low: lower end.
        high: upper end.
        log: uniform in the logarithm instead of in the parameter.

    Example:
        >>> prior = Prior.of("Omega_m")
        >>> round(prior.mean, 3), round(prior.std, 3)
        (0.3, 0.115)
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, name: str) -> "Prior":
        """Return the standard prior of a named parameter."""
        known = parameter(name)
        return cls(known.low, known.high, known.log)

    @classmethod
    def within(cls, limits: Mapping[str, Sequence[float]]) -> "dict[str, Prior]":
        """Return the prior of every named parameter between given limits."""
        return {name: cls(low, high, parameter(name).log) for name, (low, high) in limits.items()}

    def to_unit(self, values: FloatArray) -> FloatArray:
        """Map physical values to [0, 1], in which the prior is uniform.

        Example:
            >>> Prior.of("A_SN1").to_unit(np.array([0.25, 1.0, 4.0]))
            array([0. , 0.5, 1. ])
        """
        if self.log:
            return np.asarray(np.log(values / self.low) / math.log(self.high / self.low))
        return np.asarray((values - self.low) / (self.high - self.low))

    def from_unit(self, mean: FloatArray, std: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return physical mean and standard deviation of a Gaussian in units of the prior.

        Under a logarithmic prior these are the moments of a log-normal:
        ``m = exp(μ + s²/2)`` and ``σ = m √(exp(s²) − 1)``.
        """
        if not self.log:
            width = self.high - self.low
            return np.asarray(self.low + width * mean), np.asarray(width * std)
        efolds = math.log(self.high / self.low)
        square = (efolds * std) ** 2
        centre = self.low * np.exp(efolds * mean + square / 2)
        return np.asarray(centre), np.asarray(centre * np.sqrt(np.expm1(square)))

    @property
    def mean(self) -> float:
        """Expectation under the prior."""
        if not self.log:
            return (self.low + self.high) / 2
        return (self.high - self.low) / math.log(self.high / self.low)

    @property
    def std(self) -> float:
        """Standard deviation under the prior."""
        if not self.log:
            return (self.high - self.low) / math.sqrt(12)
        second = (self.high**2 - self.low**2) / (2 * math.log(self.high / self.low))
        return math.sqrt(second - self.mean**2)
