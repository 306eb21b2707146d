"""Cross-checks of what a catalogue says with what was expected of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.chunks import RawCatalog
from dagnn.catalogs.suite import Suite, same_redshift
from dagnn.errors import MismatchError, MissingFieldError
from dagnn.records import FloatArray

HUBBLE = 0.6711
"""Of every CAMELS simulation."""
SMALLEST_BOX = 1000.0
"""In ckpc/h: no simulation of many galaxies is smaller."""


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


def redshift_in(header: dict[str, Any]) -> float | None:
    """Return the redshift that a header states, by itself or through the scale factor."""
    if "Redshift" in header:
        return float(header["Redshift"])
    return 1 / float(header["Time"]) - 1 if header.get("Time") else None


def _stated(kind: str, found: float | None, expected: float | None, raw: RawCatalog) -> float:
    """Return a header's value, or the expected one where the header is silent."""
    value = expected if found is None else found
    if value is None:
        raise MissingFieldError(
            f"The header of {raw.files[0]} states no {kind}. It holds: "
            f"{', '.join(raw.header) or 'nothing'}. Give the {kind} explicitly."
        )
    return float(value)


def box_size_of(raw: RawCatalog, expected: float | None) -> float:
    """Return the box length in ckpc/h.

    Raises:
        MismatchError: the header states another box than was expected.
    """
    stored = raw.header.get("BoxSize")
    box = _stated("BoxSize", stored, expected, raw)
    if not (np.isfinite(box) and box > 0):
        raise MismatchError(f"The header of {raw.files[0]} states a BoxSize of {box:g} ckpc/h.")
    if expected is not None and abs(box / expected - 1) > 1e-3:
        raise MismatchError(
            f"Header/BoxSize of {raw.files[0]} is {box:g} where {expected:g} ckpc/h was expected. "
            f"{_unit_of_box(box, expected, raw)}"
            "Choose the volume that the file belongs to (L25n256 is 25000, L50n512 is 50000)."
        )
    if box < SMALLEST_BOX:
        raise MismatchError(
            f"Header/BoxSize of {raw.files[0]} is {box:g}; {SMALLEST_BOX:g} ckpc/h or more was "
            "expected. Is it in Mpc/h? Convert header and positions to comoving kpc/h."
        )
    return box


def odd_box(raw: RawCatalog, suite: Suite, box: float) -> tuple[str, ...]:
    """Warn of a box length that no volume of a suite has."""
    if any(abs(box / known - 1) <= 1e-3 for known in suite.volumes.values()):
        return ()
    hint = _unit_of_box(box, suite.volumes[suite.default_volume], raw)
    volumes = ", ".join(f"{name} {known:g}" for name, known in suite.volumes.items())
    return (
        f"Header/BoxSize of {raw.files[0]} is {box:g} ckpc/h, which no volume of {suite.name} has "
        f"({volumes}). {hint}".rstrip(),
    )


def _unit_of_box(box: float, expected: float, raw: RawCatalog) -> str:
    """Name the unit that would explain a box length, if a usual one does."""
    hubble = float(raw.header.get("HubbleParam") or HUBBLE)
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


def redshift_of(raw: RawCatalog, expected: float | None) -> float:
    """Return the redshift.

    Raises:
        MismatchError: the header states another redshift than was expected.
    """
    redshift = _stated("Redshift", redshift_in(raw.header), expected, raw)
    if expected is not None and not same_redshift(redshift, expected):
        raise MismatchError(
            f"Header/Redshift of {raw.files[0]} is {redshift:.3f} where {expected:.3f} was "
            "expected. Snapshot numbers mean different redshifts in the old and the new "
            "numbering; ask for the redshift that you want."
        )
    return redshift


def odd_time(raw: RawCatalog, redshift: float) -> tuple[str, ...]:
    """Warn where the scale factor of a header contradicts its redshift.

    It is no error: some codes store the time in their own units under that name.
    """
    time = float(raw.header.get("Time") or 0)
    if "Redshift" not in raw.header or time <= 0 or same_redshift(1 / time - 1, redshift):
        return ()
    return (
        f"Header/Time of {raw.files[0]} is {time:g}, which is the scale factor of z = "
        f"{1 / time - 1:.3g}, where Header/Redshift is {redshift:.3g}; Redshift is used. Check "
        "which snapshot the file is of.",
    )
