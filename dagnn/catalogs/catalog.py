"""The galaxies of one box, in canonical columns and units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.records import FloatArray


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes:
        name: canonical name.
        unit: unit of every value, whatever the file stores.
        meaning: one line for people.
        plausible: range of the median over the galaxies of a box, of lengths for vectors; wide
            enough for any suite, resolution and redshift, and narrower than usual mistakes.
        vector: whether a row holds three components.
        mistaken: factor over the canonical unit → unit that files may hold instead.
        spread: least ratio of the 95% to the 5% quantile; less is taken for logarithms.
    """

    name: str
    unit: str
    meaning: str
    plausible: tuple[float, float] = (0.0, float("inf"))
    vector: bool = False
    mistaken: Mapping[float, str] = field(default_factory=dict)
    spread: float = 1.0


# Medians of 512 real Astrid boxes: mass 0.02 to 0.3, radius 2.6 to 43, metallicity 4e-4 to 0.02,
# vmax 28 to 320, speed 54 to 430; masses above 1e11 Msun/h still spread by a factor of 2.4.
_SPEEDS = MappingProxyType({1e3: "m/s", 1e5: "cm/s"})
_ALL = (
    Column("position", "ckpc/h", "comoving position in the box, float64", vector=True),
    Column("velocity", "km/s", "peculiar velocity", (3.0, 3000.0), True, _SPEEDS),
    Column(
        "stellar_mass",
        "1e10 Msun/h",
        "mass of bound stars",
        (1e-4, 1e3),
        mistaken=MappingProxyType({1e10: "Msun/h or Msun", 1.989e43: "g", 1.989e40: "kg"}),
        spread=1.6,
    ),
    Column(
        "stellar_radius",
        "ckpc/h",
        "radius that holds half of the stellar mass",
        (0.3, 150.0),
        mistaken=MappingProxyType({1e-3: "Mpc/h", 1e3: "pc/h", 4e-5: "units of the box"}),
    ),
    Column(
        "stellar_metallicity",
        "mass fraction",
        "metals in stars",
        (1e-6, 0.07),
        mistaken=MappingProxyType({79.0: "solar metallicities", 100.0: "per cent"}),
    ),
    Column("vmax", "km/s", "maximum of the circular velocity", (3.0, 3000.0), mistaken=_SPEEDS),
    Column("star_particles", "count", "number of bound star particles"),
)
COLUMNS = MappingProxyType({column.name: column for column in _ALL})

#: What the published galaxy graphs need; velocity is read only on request.
GALAXY_COLUMNS = (
    "position",
    "stellar_mass",
    "stellar_radius",
    "stellar_metallicity",
    "vmax",
    "star_particles",
)


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
        columns: canonical columns ``[n]`` or ``[n, 3]``; see :mod:`dagnn.catalogs.catalog`.
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
