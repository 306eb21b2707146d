"""The galaxies of one box, in canonical columns and units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.records import FloatArray

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Selection:
    """Which subhaloes are galaxies.

    Attributes:
        min_star_particles: a galaxy has strictly **more** star particles than this.
        min_stellar_mass: a galaxy has at least this stellar mass in Msun/h; None sets no limit.
    """

    min_star_particles: int = 20
    min_stellar_mass: float | None = None

    def mask(self, columns: Columns) -> NDArray[np.bool_]:
        """Return which rows are galaxies, ``[n]``."""
        chosen = np.asarray(columns["star_particles"] > self.min_star_particles)
        if self.min_stellar_mass is not None:
            chosen &= columns["stellar_mass"].astype(np.float64) * 1e10 >= self.min_stellar_mass
        return chosen

    def __str__(self) -> str:
        mass = self.min_stellar_mass
        limit = "" if mass is None else f" and at least {mass:.3g} Msun/h of stars"
        return f"more than {self.min_star_particles} star particles{limit}"


@dataclass(frozen=True)
class Catalog:
    """Galaxies of one box after selection, free of NaN and infinity.

    Attributes:
        simulation: name of the simulation, such as ``LH_12``.
        suite: short name of the suite.
        path: file, or first chunk.
        box_size: box length in comoving kpc/h.
        redshift: as the header says.
        mock: whether the file says that it is not from a simulation.
        columns: canonical columns ``[n]`` or ``[n, 3]``; see :mod:`dagnn.catalogs.columns`.
            Positions lie in [0, box_size).
        n_subhalos: rows in the file before the selection.
        n_nonfinite: galaxies dropped because a column was NaN, infinite or negative.
        n_wrapped: galaxies whose stored position lay outside the box.
        warnings: what is odd without being fatal.
        header: attributes of the header.
    """

    simulation: str
    suite: str
    path: Path
    box_size: float
    redshift: float
    mock: bool
    columns: dict[str, NDArray[Any]]
    n_subhalos: int
    n_nonfinite: int = 0
    n_wrapped: int = 0
    warnings: tuple[str, ...] = ()
    header: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of galaxies."""
        return len(self.columns["position"])

    @property
    def positions(self) -> FloatArray:
        """Positions in units of the box length, ``[n, 3]`` in [0, 1)."""
        unit = self.columns["position"] / self.box_size
        # A position one rounding step below the box length must not become 1.
        return np.asarray(np.minimum(unit, np.nextafter(1.0, 0.0)))

    def __repr__(self) -> str:
        stamp = " MOCK" if self.mock else ""
        box = f"{self.box_size / 1000:g} Mpc/h"
        return (
            f"Catalog({self.suite} {self.simulation}{stamp}: {len(self)} galaxies of "
            f"{self.n_subhalos} subhaloes, z={self.redshift:.2f}, box {box})"
        )
