"""Values that no such catalogue can hold: other units, or a part of the box."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import Selection
from dagnn.catalogs.checks import HUBBLE
from dagnn.catalogs.chunks import RawCatalog
from dagnn.catalogs.columns import COLUMNS
from dagnn.catalogs.suite import Suite
from dagnn.records import FloatArray

FEWEST, FEWEST_SPREAD = 5, 30
"""Galaxies below which a median, or a spread, says nothing."""
CLUSTERED = 4
"""Galaxies that count as one independent position. In 3,100 samples of real Astrid SB7 boxes
(2 to 7,200 galaxies, cuts up to 1e11 Msun/h) no chance is then below 1e-3."""
CHANCE = -6.0
"""log10 of the chance below which positions do not fill their box."""
FULL = 0.995
"""A span that is whole in any case: values may be rounded."""
BEYOND = 1.02
"""Spans above this do not come from galaxies that drifted out of the box."""
DRIFT = 1e-3
"""How far outside a galaxy may lie, in units of the box: codes wrap particles now and then."""
FEW_OUTSIDE, SHARE_OUTSIDE = 3, 0.01
SHARE_HOLES = 1 / 3
"""Share of galaxies with a value that is not finite above which a box is no sample of them."""
POINT = 2e-3
"""Extent, in units of the box, that three galaxies exceed: 50 ckpc/h of the smallest box."""


def log_chance(n: int, spans: FloatArray) -> float:
    r"""Return the log10 of the chance that ``n`` clustered galaxies span so little of a box.

    Of :math:`m` independent uniform positions in [0, 1], the range is at most :math:`s` with
    the chance :math:`m s^{m-1} - (m-1) s^m`; :data:`CLUSTERED` galaxies count as one position.

    Args:
        n: number of galaxies.
        spans: on each axis, in units of the box ``[3]``.

    Returns:
        That of the three axes together.

    Example:
        >>> round(log_chance(700, np.array([0.98, 0.99, 0.97])), 1)
        -2.7
        >>> log_chance(700, np.array([0.67, 0.66, 0.67])) < -80
        True
    """
    m, s = max(n / CLUSTERED, 1.0), np.clip(spans, 1e-9, 1.0)
    log10 = np.minimum((m - 1) * np.log10(s) + np.log10(m - (m - 1) * s), 0.0)
    return float(np.where(spans >= FULL, 0.0, log10).sum())


def implausible(
    raw: RawCatalog, suite: Suite, selection: Selection, box_size: float, redshift: float
) -> tuple[str, ...]:
    """Say what of a box's galaxies cannot be, with the likely unit and what to do.

    The galaxies are those of the standard selection and of the given one, so that a strict
    selection moves no median.

    Args:
        raw: every subhalo, in canonical units if the suite's YAML is right.
        suite: its plausible ranges.
        selection: which subhaloes are wanted.
        box_size: box length in ckpc/h.
        redshift: of the box.

    Returns:
        One sentence per column; none where all is well.
    """
    if not raw.rows:
        return ()
    fewest = min(selection.min_star_particles, Selection().min_star_particles)
    chosen = Selection(fewest).mask(raw.columns)
    if not chosen.any():
        return ()
    hubble = float(raw.header.get("HubbleParam") or HUBBLE)
    galaxies = {name: _finite(values[chosen]) for name, values in raw.columns.items()}
    damaged = [_holes(name, len(values), chosen.sum()) for name, values in galaxies.items()]
    stored = galaxies.pop("position") / box_size
    damaged.append(_repeated(stored))
    strange = [_positions(stored, box_size, redshift, hubble)]
    strange += [_column(name, values, suite) for name, values in galaxies.items()]
    told = [f"{trouble} {_FETCH}" for trouble in damaged if trouble]
    told += [f"{trouble} {_CONVERT}" for trouble in strange if trouble]
    return tuple(f"{raw.files[0]}: {text}" for text in told)


_FETCH = "Make or fetch the file again; if it stays so, leave this box out."
_CONVERT = (
    "Convert the values, or correct the suite's YAML: a column's `factor` under `fields`, its "
    "range under `plausible`."
)


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return np.asarray(values[finite])


def _holes(name: str, finite: int, n: int) -> str:
    """Say if so many values are not finite that the galaxies left are no sample of the box."""
    if n < FEWEST_SPREAD or n - finite <= SHARE_HOLES * n:
        return ""
    return f"{name} is NaN or infinite in {n - finite} of {n} galaxies."


def _repeated(stored: FloatArray) -> str:
    """Say if galaxies lie at exactly the same position, as where a file was joined to itself."""
    repeated = len(stored) - len(np.unique(stored, axis=0))
    if repeated < FEW_OUTSIDE or repeated <= SHARE_OUTSIDE * len(stored):
        return ""
    return (
        f"{repeated} of {len(stored)} galaxies lie at exactly the position of another: rows are "
        "repeated, or their positions were not written."
    )


def _positions(stored: FloatArray, box_size: float, redshift: float, hubble: float) -> str:
    """Say what is wrong with positions in units of the box ``[n, 3]``; nothing if they fill it."""
    if not len(stored):
        return ""
    spans = np.ptp(stored, axis=0)
    outside = int(((stored < -DRIFT) | (stored > 1 + DRIFT)).any(axis=1).sum())
    many = outside >= FEW_OUTSIDE and outside > SHARE_OUTSIDE * len(stored)
    if spans.max() > BEYOND or (many and spans.max() > 1):
        told = f"{outside} of {len(stored)} galaxies lie outside it"
    elif log_chance(len(stored), spans) < CHANCE or _is_a_point(len(stored), spans):
        told = f"{len(stored)} galaxies would fill it"
    else:
        return ""
    likely = _unit_of_length(spans, box_size, redshift, hubble)
    return (
        f"positions in other units, or of a part of the box: they span {_listed(spans)} of the box "
        f"of {box_size:g} ckpc/h on its axes, and {told}. They look like {likely}; comoving kpc/h "
        "of a whole, periodic box were expected."
    )


def _is_a_point(n: int, spans: FloatArray) -> bool:
    """Tell whether even a few galaxies lie closer together than those of one halo."""
    return n >= FEW_OUTSIDE and bool(spans.max() < POINT)


def _listed(spans: FloatArray) -> str:
    return ", ".join(f"{span:.3g}" for span in spans)


def _unit_of_length(spans: FloatArray, box_size: float, redshift: float, hubble: float) -> str:
    """Name the unit, if a usual one explains the spans."""
    physical = 1 / (1 + redshift)
    units = {
        1e-3: "Mpc/h",
        1e3: "pc/h",
        1 / box_size: "units of the box",
        1 / hubble: "kpc without h",
        1e-3 / hubble: "Mpc without h",
        hubble: "comoving kpc/h multiplied by h",
    }
    if redshift > 0.1:
        units |= {physical: "physical kpc/h", physical / hubble: "physical kpc"}
    largest = max(spans.max(), np.finfo(float).tiny)
    near = {abs(np.log(largest / ratio)): unit for ratio, unit in units.items()}
    best = min(near)
    if best < 0.06:
        return near[best]
    part = spans.max() < 1 and spans.min() < 0.9 * spans.max()
    return "a part of a box" if part else "another unit, or a part of a box"


def _column(name: str, values: NDArray[Any], suite: Suite) -> str:
    """Say what is wrong with a column; nothing where its median is plausible."""
    column, expected = COLUMNS[name], COLUMNS[name].unit
    sizes = np.linalg.norm(values, axis=1) if column.vector else values
    if len(sizes) < FEWEST:
        return ""
    negative = int((sizes < 0).sum())
    if negative > SHARE_OUTSIDE * len(sizes):
        return (
            f"{name} is negative in {negative} of {len(sizes)} galaxies (a logarithm?); "
            f"{expected} was expected."
        )
    least, median, most = np.quantile(sizes, [0.05, 0.5, 0.95]).tolist()
    low, high = suite.plausible_range(name)
    if not low <= median <= high:
        likely = _unit_of(median, column.mistaken, low, high)
        return (
            f"{name} has a median of {median:.3g}{likely}; {low:g} to {high:g} {expected} was "
            "expected."
        )
    # A column that is constant is a placeholder.
    if len(sizes) >= FEWEST_SPREAD and least < most < column.spread * least and median > 1:
        return (
            f"{name} lies between {least:.3g} and {most:.3g} in nine of ten galaxies (a "
            f"logarithm?); {expected} was expected."
        )
    return ""


def _unit_of(median: float, mistaken: Mapping[float, str], low: float, high: float) -> str:
    """Name the units that would explain a median."""
    fits = [unit for factor, unit in mistaken.items() if low <= median / factor <= high]
    return f" (in {' or '.join(fits)}?)" if fits else ""


def pooled_trouble(positions: Sequence[FloatArray]) -> str:
    """Say what is wrong with the positions of many boxes in units of the box, taken together.

    A factor near one moves no single box far enough.
    """
    n = sum(map(len, positions))
    low = np.min([each.min(axis=0) for each in positions], axis=0)
    high = np.max([each.max(axis=0) for each in positions], axis=0)
    if log_chance(n, high - low) >= CHANCE:
        return ""
    return f"{n} galaxies of {len(positions)} boxes together span only {_listed(high - low)} of it"
