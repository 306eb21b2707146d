"""Canonical parameter names, their priors, and the scaling that networks see.

Priors are those of the CAMELS Latin hypercubes (Villaescusa-Navarro et al.
2021, arXiv:2010.00619, table 1); a suite's YAML may narrow or widen them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from torch import Tensor

from dagnn.errors import ConfigError, nearest


@dataclass(frozen=True)
class Parameter:
    """One simulation parameter.

    Attributes:
        name: canonical name, as used in configurations and tables.
        label: how figures write it (matplotlib mathtext).
        low: lower end of the prior.
        high: upper end of the prior.
        log: whether the prior is uniform in the logarithm.
        aliases: other spellings found in parameter tables.
    """

    name: str
    label: str
    low: float
    high: float
    log: bool = False
    aliases: tuple[str, ...] = ()


_ALL = (
    Parameter("Omega_m", r"$\Omega_\mathrm{m}$", 0.1, 0.5, aliases=("omega0", "omegam", "om")),
    Parameter("sigma_8", r"$\sigma_8$", 0.6, 1.0, aliases=("sigma8",)),
    Parameter("A_SN1", r"$A_\mathrm{SN1}$", 0.25, 4.0, log=True, aliases=("asn1",)),
    Parameter("A_AGN1", r"$A_\mathrm{AGN1}$", 0.25, 4.0, log=True, aliases=("aagn1",)),
    Parameter("A_SN2", r"$A_\mathrm{SN2}$", 0.5, 2.0, log=True, aliases=("asn2",)),
    Parameter("A_AGN2", r"$A_\mathrm{AGN2}$", 0.5, 2.0, log=True, aliases=("aagn2",)),
    Parameter("Omega_b", r"$\Omega_\mathrm{b}$", 0.029, 0.069, aliases=("omegabaryon", "omegab")),
    Parameter("h", "$h$", 0.4711, 0.8711, aliases=("hubbleparam", "hubble")),
    Parameter("n_s", r"$n_\mathrm{s}$", 0.7624, 1.1624, aliases=("ns",)),
)
PARAMETERS = MappingProxyType({parameter.name: parameter for parameter in _ALL})


def _fold(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


_BY_SPELLING = {
    _fold(spelling): parameter.name
    for parameter in _ALL
    for spelling in (parameter.name, *parameter.aliases)
}


def canonical_name(spelling: str) -> str | None:
    """Return the canonical name of a parameter, or None where it is not one of ours.

    Case, underscores and hyphens do not matter.

    Example:
        >>> canonical_name("Omega0"), canonical_name("ASN1"), canonical_name("BlackHoleFeedback")
        ('Omega_m', 'A_SN1', None)
    """
    return _BY_SPELLING.get(_fold(spelling))


def parameter(spelling: str) -> Parameter:
    """Return the parameter that a user named.

    Raises:
        ConfigError: the name is unknown; the message names the nearest one.
    """
    name = canonical_name(spelling)
    if name is None:
        raise ConfigError(f"Unknown parameter {spelling!r}. {nearest(spelling, PARAMETERS)}")
    return PARAMETERS[name]


def position_in_range(
    values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float, log: bool = False
) -> np.ndarray:
    """Return where values lie in a range: 0 at its lower end, 1 at its upper.

    Args:
        values: of one parameter, of any shape.
        low: lower end, one for all or one for each.
        high: upper end.
        log: whether the prior is uniform in the logarithm; a range that begins at zero is taken
            as linear.

    Returns:
        The same shape; minus infinity for zero and negative values of a positive parameter.

    Example:
        >>> position_in_range(np.array([0.3, 3.09, -1.0]), 0.1, 0.5)
        array([0.5  , 7.475,  -inf])
        >>> position_in_range(np.array([1.0]), 0.25, 4.0, log=True)
        array([0.5])
    """
    low, high, values = np.asarray(low), np.asarray(high), np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = (values - low) / (high - low)
        geometric = np.log(values / low) / np.log(high / low)
    place = np.where(log & (low > 0), geometric, linear)
    return np.where((low > 0) & ~(values > 0), -np.inf, place)


def is_far_outside(position: np.ndarray) -> np.ndarray:
    """Tell which positions in a range are more than half its width outside."""
    return ~(np.abs(position - 0.5) <= 1.0)


@dataclass(frozen=True)
class Scaling:
    """Linear map from physical parameters to [0, 1] over their priors.

    The published networks are trained on ``(p − low) / (high − low)`` for every
    parameter (Villanueva-Domingo & Villaescusa-Navarro 2022, arXiv:2204.13713),
    so a mean and a standard deviation travel back by the same straight line.

    Attributes:
        names: ``P`` canonical names.
        low: lower ends of the priors.
        high: upper ends of the priors.

    Example:
        >>> import torch
        >>> scaling = Scaling.of(["Omega_m"])
        >>> scaling.to_unit(torch.tensor([[0.3]]))
        tensor([[0.5000]])
        >>> scaling.std_to_physical(np.array([[0.5]]))
        array([[0.2]])
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, names: "Sequence[str] | Scaling") -> "Scaling":
        """Build the scaling of named parameters over their standard priors.

        A scaling is returned as it is.
        """
        if isinstance(names, Scaling):
            return names
        known = [parameter(name) for name in names]
        return cls(
            tuple(p.name for p in known), tuple(p.low for p in known), tuple(p.high for p in known)
        )

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Lower and upper end of the prior of every parameter."""
        ends = zip(self.low, self.high, strict=True)
        return dict(zip(self.names, ends, strict=True))

    def to_unit(self, values: Tensor) -> Tensor:
        """Scale physical values ``[..., P]`` to prior units."""
        low, high = values.new_tensor(self.low), values.new_tensor(self.high)
        return (values - low) / (high - low)

    def mean_to_physical(self, mean: np.ndarray) -> np.ndarray:
        """Return means ``[..., P]`` in physical units."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        return np.asarray(low + np.asarray(mean, dtype=np.float64) * (high - low))

    def std_to_physical(self, std: np.ndarray) -> np.ndarray:
        """Return standard deviations ``[..., P]`` in physical units."""
        spread = np.asarray(self.high) - np.asarray(self.low)
        return np.asarray(np.asarray(std, dtype=np.float64) * spread)
