"""The canonical columns of a galaxy catalogue and their units, stated once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


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

#: What the published galaxy graphs need; velocity is read only where it is asked for.
GALAXY_COLUMNS = (
    "position",
    "stellar_mass",
    "stellar_radius",
    "stellar_metallicity",
    "vmax",
    "star_particles",
)
