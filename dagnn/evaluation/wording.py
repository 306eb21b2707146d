"""How numbers with intervals, parameters and warnings are written, everywhere alike."""

import math
from types import MappingProxyType

from dagnn.parameters import PARAMETERS
from dagnn.records import Result
from dagnn.tasks import METRICS


def _specification(metric: str, value: float) -> str:
    """Return the metric's format, with fewer decimals the larger the value."""
    given, size = METRICS[metric].format, abs(value)
    if given.endswith("%"):
        return ".0%" if size >= 1 else given
    if size >= 1e5:
        return ".1e"
    if size >= 10:
        return ".0f" if size >= 100 else ".1f"
    # The alternate form keeps trailing zeros: 1.00 and 0.90 read better below 1.27.
    return f"#{given}" if given.endswith("g") else given


def number(metric: str, value: float, bare: bool = False) -> str:
    """Write a value of a metric; ``bare`` leaves out the percent sign.

    Example:
        >>> number("relative_error", 0.0412), number("chi2", 1.0), number("r2", float("nan"))
        ('4.1%', '1.00', '–')
    """
    if math.isnan(value):
        return "–"
    written = f"{value:{_specification(metric, value)}}".replace("-", "−")
    return written.removesuffix("%") if bare else written


def with_interval(result: Result) -> str:
    """Write a value with its 95% interval.

    Example:
        >>> with_interval(Result("tng", "source", "test", "Omega_m", "r2", 0.97, 0.96, 0.98))
        '0.97 [0.96, 0.98]'
    """
    low, high = (number(result.metric, end, bare=True) for end in (result.low, result.high))
    return f"{number(result.metric, result.value)} [{low}, {high}]"


def heading(title: str, mock: bool, oracle: bool) -> str:
    """Put what a reader must not overlook before a title."""
    marks = [mark for mark, shown in (("MOCK DATA", mock), ("ORACLE", oracle)) if shown]
    return " · ".join([*marks, title])


def label(parameter: str) -> str:
    r"""Return how figures write a parameter, or its name where it is not one of ours.

    Example:
        >>> label("sigma_8"), label("halo_spin")
        ('$\\sigma_8$', 'halo_spin')
    """
    return PARAMETERS[parameter].label if parameter in PARAMETERS else parameter


_PLAIN = MappingProxyType({"Omega_m": "Ωₘ", "sigma_8": "σ₈", "Omega_b": "Ω_b", "n_s": "nₛ"})


def plain(parameter: str) -> str:
    """Return how running text writes a parameter.

    Example:
        >>> plain("Omega_m"), plain("A_SN1")
        ('Ωₘ', 'A_SN1')
    """
    return _PLAIN.get(parameter, parameter)
