"""The wavenumbers that inputs stand for: a network must meet them where it was trained on them."""

from collections.abc import Mapping, Sequence

import numpy as np

from dagnn.errors import MismatchError
from dagnn.records import Dataset

Grid = Mapping[str, Sequence[float]]
"""Redshift by redshift, the wavenumber [h/Mpc] of every feature; empty where it is unknown."""

# Files of text are rounded; another unit or range of k differs by far more.
_TOLERANCE = 0.01


def grid_of(dataset: Dataset) -> Grid:
    """Return the wavenumbers of a dataset's features; empty where inputs have none."""
    found: Grid = getattr(dataset, "grid", {})
    return found


def grid_notes(dataset: Dataset, grid: Grid, what: str, other: str) -> list[str]:
    """Compare the wavenumbers of a dataset with a grid; return what to note where one is unknown.

    Args:
        dataset: inputs of any kind; those that have no wavenumbers pass.
        grid: wavenumbers that they should be at.
        what: how messages call the inputs.
        other: whose the grid is.

    Raises:
        MismatchError: they differ.
    """
    own = grid_of(dataset)
    require_same_grid(own, grid, what, other)
    if not hasattr(dataset, "grid") or (own and grid):
        return []
    return [
        f"The wavenumbers of {other if own else what} are not known, so that {what} and {other} "
        "could not be compared in them (k_values.txt beside a file gives them)."
    ]


def require_same_grid(ours: Grid, theirs: Grid, what: str, other: str) -> None:
    """Refuse inputs at other wavenumbers; unknown ones pass.

    Args:
        ours: wavenumbers of some inputs.
        theirs: those that they should have.
        what: how messages call the inputs.
        other: how messages call those that they are compared with.

    Raises:
        MismatchError: number, range or spacing of the wavenumbers differ.
    """
    for (name, here), there in zip(ours.items(), theirs.values(), strict=False):
        if len(here) == len(there) and np.allclose(here, there, rtol=_TOLERANCE, atol=0):
            continue
        raise MismatchError(
            f"{what}, {name}: features at {_described(here)}; {other}: at {_described(there)}. The "
            "network reads every feature as one wavenumber, so both must be the same. Check the "
            "unit of k_values.txt (h/Mpc) and the largest wavenumber (data.kmax chooses among "
            "files of several)."
        )


def _described(wavenumbers: Sequence[float]) -> str:
    return (
        f"{len(wavenumbers)} wavenumbers from {wavenumbers[0]:.4g} to {wavenumbers[-1]:.4g} h/Mpc"
    )
