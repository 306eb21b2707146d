"""The canonical columns of a galaxy catalogue and their units, stated once."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes:
        name: canonical name.
        unit: unit of every value, whatever the file stores.
        meaning: one line for people.
        vector: whether a row holds three components.
    """

    name: str
    unit: str
    meaning: str
    vector: bool = False


_ALL = (
    Column("position", "ckpc/h", "comoving position in the box, float64", vector=True),
    Column("velocity", "km/s", "peculiar velocity", vector=True),
    Column("stellar_mass", "1e10 Msun/h", "mass of bound stars"),
    Column("stellar_radius", "ckpc/h", "radius that holds half of the stellar mass"),
    Column("stellar_metallicity", "mass fraction", "metals in stars"),
    Column("vmax", "km/s", "maximum of the circular velocity"),
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
