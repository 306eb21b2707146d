"""Cross-checks of what a catalogue says with what was expected of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.chunks import RawCatalog
from dagnn.catalogs.suite import same_redshift
from dagnn.errors import MismatchError, MissingFieldError
from dagnn.records import FloatArray


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
            f"Header/BoxSize of {raw.files[0]} is {box:g} ckpc/h where {expected:g} was expected. "
            "Choose the volume that the file belongs to (L25n256 is 25000, L50n512 is 50000)."
        )
    return box


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


def check_positions(raw: RawCatalog, positions: NDArray[Any], box_size: float) -> None:
    """Refuse positions in other units than the box, which would wrap into nonsense."""
    low, high = float(positions.min()), float(positions.max())
    too_wide = low < -0.5 * box_size or high > 1.5 * box_size
    too_narrow = len(positions) >= 10 and float(np.ptp(positions, axis=0).max()) < 0.01 * box_size
    if too_wide or too_narrow:
        raise MismatchError(
            f"Positions in {raw.files[0]} run from {low:g} to {high:g} where the box is "
            f"{box_size:g} ckpc/h. Are they in other units? Set `factor` in the suite's YAML."
        )
