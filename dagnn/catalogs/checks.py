"""Headers and values that contradict what was expected: other units, or a part of the box."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import COLUMNS, Columns, Selection
from dagnn.catalogs.suites import Suite, known_suites, same_redshift
from dagnn.errors import MismatchError, MissingFieldError
from dagnn.records import FloatArray

Header = Mapping[str, Any]

HUBBLE = 0.6711
"""Of every CAMELS simulation."""
SMALLEST_BOX = 1000.0
"""In ckpc/h: no simulation of many galaxies is smaller."""
FEWEST, FEWEST_SPREAD = 5, 30
"""Galaxies below which a median, or a spread, means nothing."""
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


def wrap(positions: NDArray[Any], box_size: float) -> FloatArray:
    """Return positions ``[n, 3]`` in [0, box_size), as float64.

    Single precision rounds a position just below the box length up to it, and
    the remainder of a tiny negative number is the box length itself; a periodic
    tree refuses both.

    Example:
        >>> wrap(np.array([25000.0, -1e-20, -1.0, 25001.0]), 25000.0)
        array([0.0000e+00, 0.0000e+00, 2.4999e+04, 1.0000e+00])
    """
    wrapped = np.mod(positions.astype(np.float64), box_size)
    return np.where(wrapped >= box_size, 0.0, wrapped)


def redshift_in(header: Header) -> float | None:
    """Return the redshift that a header states, by itself or through the scale factor."""
    if "Redshift" in header:
        return float(header["Redshift"])
    return 1 / float(header["Time"]) - 1 if header.get("Time") else None


def hubble_of(header: Header) -> float:
    """Return h as a header states it, or that of CAMELS."""
    return float(header.get("HubbleParam") or HUBBLE)


def box_and_redshift(
    path: Path, header: Header, suite: Suite, box_size: float | None, redshift: float | None
) -> tuple[float, float, list[str]]:
    """Return box length in ckpc/h and redshift, and what is odd about them.

    Args:
        path: of the file, for messages.
        header: its header.
        suite: its suite.
        box_size: expected box length; None takes that of the header.
        redshift: expected redshift; None takes that of the header.

    Raises:
        MissingFieldError: the header states none, and none is expected.
        MismatchError: the header states another box or redshift than is expected.
    """
    box = _stated("BoxSize", header.get("BoxSize"), box_size, path, header)
    if not (np.isfinite(box) and box > 0):
        raise MismatchError(f"The header of {path} states a BoxSize of {box:g} ckpc/h.")
    if box_size is not None and abs(box / box_size - 1) > 1e-3:
        raise MismatchError(
            f"Header/BoxSize of {path} is {box:g} where {box_size:g} ckpc/h was expected. "
            f"{_unit_of_box(box, box_size, header)}"
            "Choose the volume that the file belongs to (L25n256 is 25000, L50n512 is 50000)."
        )
    if box < SMALLEST_BOX:
        raise MismatchError(
            f"Header/BoxSize of {path} is {box:g}; {SMALLEST_BOX:g} ckpc/h or more was "
            "expected. Is it in Mpc/h? Convert header and positions to comoving kpc/h."
        )
    z = _stated("Redshift", redshift_in(header), redshift, path, header)
    if redshift is not None and not same_redshift(z, redshift):
        raise MismatchError(
            f"Header/Redshift of {path} is {z:.3f} where {redshift:.3f} was "
            "expected. Snapshot numbers mean different redshifts in the old and the new "
            "numbering; ask for the redshift that you want."
        )
    odd = []
    of_volume = any(abs(box / known - 1) <= 1e-3 for known in suite.volumes.values())
    if box_size is None and not of_volume and suite.short_name in known_suites():
        hint = _unit_of_box(box, suite.volumes[suite.default_volume], header)
        volumes = ", ".join(f"{name} {known:g}" for name, known in suite.volumes.items())
        text = f"is {box:g} ckpc/h, which no volume of {suite.name} has ({volumes}). {hint}"
        odd.append(f"Header/BoxSize of {path} {text}".rstrip())
    # No error: some codes store the time in their own units under that name.
    time = float(header.get("Time") or 0)
    if "Redshift" in header and time > 0 and not same_redshift(1 / time - 1, z):
        odd.append(
            f"Header/Time of {path} is {time:g}, which is the scale factor of z = "
            f"{1 / time - 1:.3g}, where Header/Redshift is {z:.3g}; Redshift is used. Check "
            "which snapshot the file is of."
        )
    return box, z, odd


def _stated(
    kind: str, found: float | None, expected: float | None, path: Path, header: Header
) -> float:
    """Return a header's value, or the expected one where the header is silent."""
    value = expected if found is None else found
    if value is None:
        raise MissingFieldError(
            f"The header of {path} states no {kind}. It holds: "
            f"{', '.join(header) or 'nothing'}. Give the {kind} explicitly."
        )
    return float(value)


def _unit_of_box(box: float, expected: float, header: Header) -> str:
    """Name the unit that would explain a box length, if a usual one does."""
    hubble = hubble_of(header)
    units = {
        1e-3: "Mpc/h",
        1e-3 / hubble: "Mpc without h",
        1 / hubble: "kpc without h",
        1 / expected: "units of the box",
    }
    found = [unit for ratio, unit in units.items() if abs(box / expected / ratio - 1) < 0.01]
    if not found:
        return ""
    return f"Is it in {found[0]}? Convert header and positions to comoving kpc/h. "


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
    columns: Columns,
    suite: Suite,
    selection: Selection,
    box_size: float,
    redshift: float,
    hubble: float = HUBBLE,
) -> list[str]:
    """Return what of a box's galaxies cannot be, with the likely unit and what to do.

    The galaxies are those of the standard selection and of the given one, so that a strict
    selection moves no median.

    Args:
        columns: of every subhalo, in canonical units if the suite's YAML is right.
        suite: its plausible ranges.
        selection: which subhaloes are galaxies.
        box_size: box length in ckpc/h.
        redshift: of the box.
        hubble: h of the box.

    Returns:
        One sentence per column; none where all is well.
    """
    fewest = min(selection.min_star_particles, Selection().min_star_particles)
    chosen = Selection(fewest).mask(columns) if columns else np.zeros(0, dtype=bool)
    if not chosen.any():
        return []
    galaxies = {name: _finite(values[chosen]) for name, values in columns.items()}
    stored = galaxies["position"] / box_size
    damaged = list(_damaged(galaxies, stored, int(chosen.sum())))
    del galaxies["position"]
    odd = [_positions(stored, box_size, redshift, hubble)]
    odd += [_column(name, values, suite) for name, values in galaxies.items()]
    return [f"{text} {_FETCH}" for text in damaged] + [f"{text} {_CONVERT}" for text in odd if text]


_FETCH = "Make or fetch the file again; if it stays so, leave this box out."
_CONVERT = (
    "Convert the values, or correct the suite's YAML: a column's `factor` under `fields`, its "
    "range under `plausible`."
)


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return np.asarray(values[finite])


def _damaged(galaxies: Columns, stored: FloatArray, n: int) -> Iterator[str]:
    """Yield columns with too many gaps for a sample of the box, and repeated positions."""
    for name, values in galaxies.items():
        lost = n - len(values)
        if n >= FEWEST_SPREAD and lost > SHARE_HOLES * n:
            yield f"{name} is NaN or infinite in {lost} of {n} galaxies."
    repeated = len(stored) - len(np.unique(stored, axis=0))
    if repeated >= FEW_OUTSIDE and repeated > SHARE_OUTSIDE * len(stored):
        yield (
            f"{repeated} of {len(stored)} galaxies lie at exactly the position of another: rows "
            "are repeated, or their positions were not written."
        )


def _positions(stored: FloatArray, box_size: float, redshift: float, hubble: float) -> str:
    """Return what is wrong with positions in units of the box ``[n, 3]``, if anything is."""
    if not len(stored):
        return ""
    spans = np.ptp(stored, axis=0)
    outside = int(((stored < -DRIFT) | (stored > 1 + DRIFT)).any(axis=1).sum())
    many = outside >= FEW_OUTSIDE and outside > SHARE_OUTSIDE * len(stored)
    if spans.max() > BEYOND or (many and spans.max() > 1):
        found = f"{outside} of {len(stored)} galaxies lie outside it"
    elif log_chance(len(stored), spans) < CHANCE or (
        # Even a few galaxies that lie closer together than those of one halo.
        len(stored) >= FEW_OUTSIDE and spans.max() < POINT
    ):
        found = f"{len(stored)} galaxies would fill it"
    else:
        return ""
    likely = _unit_of_length(spans, box_size, redshift, hubble)
    return (
        f"positions in other units, or of a part of the box: they span {_listed(spans)} of the box "
        f"of {box_size:g} ckpc/h on its axes, and {found}. They look like {likely}; comoving kpc/h "
        "of a whole, periodic box were expected."
    )


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
    """Return what is wrong with a column; nothing where its median is plausible."""
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
        fits = [unit for factor, unit in column.mistaken.items() if low <= median / factor <= high]
        likely = f" (in {' or '.join(fits)}?)" if fits else ""
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


def pooled_trouble(positions: Sequence[FloatArray]) -> str:
    """Return what is wrong with the positions of many boxes together, in units of the box.

    A factor near one moves no single box far enough.
    """
    n = sum(map(len, positions))
    low = np.min([each.min(axis=0) for each in positions], axis=0)
    high = np.max([each.max(axis=0) for each in positions], axis=0)
    if log_chance(n, high - low) >= CHANCE:
        return ""
    return f"{n} galaxies of {len(positions)} boxes together span only {_listed(high - low)} of it"
