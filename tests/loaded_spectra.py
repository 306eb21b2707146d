"""Spectra of a suite, or of loose files, as the tests read them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagnn.data.requests import Loaded, Request
from dagnn.data.spectra import PowerSpectra
from dagnn.parameters import Scaling


def load_spectra(
    suite: str,
    data: Path,
    parameters: Sequence[str] = ("Omega_m",),
    bins: int | None = 20,
    spacing: str = "log",
    kmax: float | None = None,
    **requested: Any,
) -> Loaded:
    """Load the spectra of a suite; further options are those of a request."""
    request = Request(suite, data, Scaling.of(parameters), **requested)
    return PowerSpectra(bins, spacing, kmax).load(request)


def read_spectra(
    files: Sequence[Path], bins: int | None = 20, redshifts: tuple[float, ...] = (0.0,)
) -> Loaded:
    """Read loose files of spectra."""
    request = Request(scaling=Scaling.of(["Omega_m"]), redshifts=redshifts)
    return PowerSpectra(bins).read(files, request)
