"""Simulation suites: where their data lie, how they are called, and how to find one by name."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ValidationError,
    field_validator,
    model_validator,
)

from dagnn.catalogs.catalog import COLUMNS, GALAXY_COLUMNS
from dagnn.errors import ConfigError, MissingDataError, UsageError, nearest
from dagnn.files import matching, resource_folder
from dagnn.parameters import PARAMETERS, canonical_name, parameter
from dagnn.yaml_files import RECORD, as_text, read_yaml

#: Relative in (1 + z). Neighbouring CAMELS snapshots differ by at least 0.019.
REDSHIFT_TOLERANCE = 0.009
#: Relative in (1 + z). Between the snapshots that old files kept lie at most about 0.05.
NEARBY = 0.03


def same_redshift(one: float, other: float) -> bool:
    """Return whether two redshifts mean the same snapshot.

    Example:
        >>> same_redshift(0.54, 0.5391), same_redshift(0.0, 0.024)
        (True, False)
    """
    return abs(one - other) <= REDSHIFT_TOLERANCE * (1 + min(one, other))


class _Strict(BaseModel):
    model_config = ConfigDict(**RECORD, extra="forbid")


class Field(_Strict):
    """Where a canonical column lies in a file.

    Attributes:
        dataset: path of the HDF5 dataset.
        column: which column of a two-dimensional dataset; None takes all of it.
        factor: what turns the stored values into the canonical unit.
    """

    dataset: str
    column: int | None = None
    factor: float = 1.0


class Prior(_Strict):
    """A parameter's prior where the suite departs from the standard one."""

    low: float
    high: float


def _canonical(priors: dict[str, Prior]) -> dict[str, Prior]:
    unknown = next((name for name in priors if canonical_name(name) != name), None)
    if unknown is not None:
        raise ValueError(f"unknown parameter {unknown!r}. {nearest(unknown, PARAMETERS)}")
    return priors


Priors = Annotated[dict[str, Prior], AfterValidator(_canonical)]
"""By canonical name of the parameter."""


class Snapshots(_Strict):
    """Snapshot numbers by redshift, in the current and in the old numbering.

    Attributes:
        redshifts: redshift of each current number.
        old: current number of each old number.
    """

    redshifts: tuple[float, ...]
    old: tuple[int, ...] = ()

    def numbers(self, redshift: float) -> tuple[int, ...]:
        """Return the numbers that may stand for a redshift, the current one first."""
        current = [n for n, z in enumerate(self.redshifts) if same_redshift(z, redshift)]
        return (*current, *(k for k, n in enumerate(self.old) if n in current))


class Suite(_Strict):
    """What must be known of a suite to find and read its catalogues.

    Attributes:
        name: full name.
        short_name: what a user types and tables print.
        aliases: other names a user may type.
        spellings: how folders and files spell it.
        volumes: box length of each volume, in comoving kpc/h.
        default_volume: the volume that paths without a volume stand for.
        sets: simulations per set, as published.
        fields: where each canonical column lies.
        catalog_roots: folders below the data root that may hold catalogues.
        catalog_patterns: paths of catalogues below a root.
        table_roots: folders below the data root that may hold parameter tables.
        table_patterns: paths of parameter tables below a root.
        snapshots: numbers by redshift.
        priors: departures from the standard priors, by canonical parameter name.
        set_ranges: ranges of sets that leave the prior on purpose, by set and parameter name.
        wrong_headers: sets whose headers are known to state another cosmology than was run.
        plausible: lowest and highest median over the galaxies of a box, by canonical column,
            where the suite departs from those in :mod:`dagnn.catalogs.catalog`.
    """

    name: str
    short_name: str
    aliases: tuple[str, ...] = ()
    spellings: tuple[str, ...]
    volumes: dict[str, float]
    default_volume: str
    sets: dict[str, int]
    fields: dict[str, Field]
    catalog_roots: tuple[str, ...] = ("",)
    catalog_patterns: tuple[str, ...]
    table_roots: tuple[str, ...] = ("",)
    table_patterns: tuple[str, ...]
    snapshots: Snapshots
    priors: Priors = {}
    set_ranges: dict[str, Priors] = {}
    wrong_headers: tuple[str, ...] = ()
    plausible: dict[str, tuple[float, float]] = {}

    @field_validator("fields")
    @classmethod
    def _fields_are_canonical(cls, fields: dict[str, Field]) -> dict[str, Field]:
        unknown = next((name for name in fields if name not in COLUMNS), None)
        if unknown is not None:
            raise ValueError(f"unknown column {unknown!r}. {nearest(unknown, COLUMNS)}")
        absent = [name for name in GALAXY_COLUMNS if name not in fields]
        if absent:
            raise ValueError(f"no HDF5 field is given for {', '.join(absent)}")
        return fields

    @field_validator("plausible")
    @classmethod
    def _plausible_ranges(
        cls, ranges: dict[str, tuple[float, float]]
    ) -> dict[str, tuple[float, float]]:
        for name, (low, high) in ranges.items():
            checked = [column for column in COLUMNS if column != "position"]
            if name not in checked:
                raise ValueError(f"no range for the column {name!r}. {nearest(name, checked)}")
            if not low < high:
                raise ValueError(f"the range of {name} is empty: [{low:g}, {high:g}]")
        return ranges

    @model_validator(mode="after")
    def _default_volume_is_listed(self) -> Self:
        if self.default_volume not in self.volumes:
            raise ValueError(f"default_volume {self.default_volume!r} is not among the volumes")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that means this suite."""
        return (self.name, self.short_name, *self.aliases, *self.spellings)

    def box_size(self, volume: str) -> float:
        """Return the box length of a volume in comoving kpc/h.

        Raises:
            UsageError: the suite has no such volume.
        """
        if volume not in self.volumes:
            raise UsageError(
                f"{self.name} has no volume {volume!r}. {nearest(volume, self.volumes)}"
            )
        return self.volumes[volume]

    def snapshot_numbers(self, redshift: float) -> tuple[int, ...]:
        """Return candidate snapshot numbers of a redshift, the current one first.

        Raises:
            UsageError: the suite keeps no snapshot there; the message names the nearest.

        Example:
            >>> from dagnn.catalogs.suites import find_suite
            >>> find_suite("tng").snapshot_numbers(0.54)
            (72, 24)
        """
        numbers = self.snapshots.numbers(redshift)
        if not numbers:
            close = sorted(self.snapshots.redshifts, key=lambda z: abs(z - redshift))[:3]
            raise UsageError(
                f"{self.name} has no snapshot at redshift {redshift:g}. "
                f"The nearest are {', '.join(f'{z:.2f}' for z in sorted(close))}."
            )
        return numbers

    def old_snapshot_numbers(self, redshift: float) -> tuple[int, ...]:
        """Return the old snapshot numbers of a redshift, for files that count in the old way.

        Fewer snapshots were kept in the old way, so a redshift without one stands for those
        nearby, for example z = 1 for 1.05.

        Returns:
            One number where it is that of the redshift; else those nearby, the nearest first.

        Raises:
            UsageError: the suite keeps no snapshot there, or none with an old number.

        Example:
            >>> from dagnn.catalogs.suites import find_suite
            >>> find_suite("tng").old_snapshot_numbers(0.0)
            (33,)
            >>> find_suite("tng").old_snapshot_numbers(1.0)
            (18, 19)
        """
        current = {number: old for old, number in enumerate(self.snapshots.old)}
        exact = [current[n] for n in self.snapshots.numbers(redshift)[:1] if n in current]
        if exact:
            return tuple(exact)
        apart = {old: abs(self.old_redshift(old) - redshift) for old in current.values()}
        near = sorted((d, old) for old, d in apart.items() if d <= NEARBY * (1 + redshift))
        if not near:
            self.snapshot_numbers(redshift)
            raise UsageError(f"Redshift {redshift:g} has no snapshot in the old numbering.")
        return tuple(old for _, old in near)

    def old_redshift(self, number: int) -> float:
        """Return the redshift of an old snapshot number."""
        return self.snapshots.redshifts[self.snapshots.old[number]]

    def prior(self, name: str) -> tuple[float, float]:
        """Return the lower and the upper end of a parameter's prior in this suite."""
        standard = parameter(name)
        own = self.priors.get(standard.name)
        return (own.low, own.high) if own else (standard.low, standard.high)

    def value_range(self, name: str, set: str) -> tuple[float, float]:  # noqa: A002
        """Return the range of a parameter in a set: its prior, or wider where that is known.

        Example:
            >>> from dagnn.catalogs.suites import find_suite
            >>> find_suite("tng").value_range("A_SN1", "EX")
            (0.0, 100.0)
        """
        own = self.set_ranges.get(set, {}).get(parameter(name).name)
        return (own.low, own.high) if own else self.prior(name)

    def plausible_range(self, column: str) -> tuple[float, float]:
        """Return the lowest and the highest plausible median of a column in a box."""
        return self.plausible.get(column, COLUMNS[column].plausible)

    def __repr__(self) -> str:
        volumes = ", ".join(self.volumes)
        return f"Suite({self.short_name}: {self.name}; {', '.join(self.sets)}; {volumes})"

    __str__ = __repr__


SUITE_FILES = (".yaml", ".yml")
"""What the path of a suite of one's own ends in."""


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingDataError(f"There is no suite file {path}.")
    return read_yaml(path)


def _with_inherited(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fill keys that a suite leaves open from the file named under ``inherits``."""
    own = dict(content)
    parent = as_text(own.pop("inherits", None))
    if parent is None:
        return own
    places = [place / f"{parent}.yaml" for place in (folder, resource_folder("catalogs"))]
    path = next((place for place in places if place.is_file()), places[0])
    return {**_with_inherited(_read_yaml(path), path.parent), **own}


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"unknown key {key!r}. {nearest(key, (*Suite.model_fields, 'inherits'))}"
        else:
            yield f"{key}: {problem['msg']}" if key else problem["msg"]


def load_suite_file(path: str | Path) -> Suite:
    """Read a suite from a YAML file, the package's own or a user's.

    Args:
        path: the file. Its key ``inherits`` may name a file beside it or one of
            the package's, without the suffix; ``inherits: _camels`` is a good start.

    Raises:
        MissingDataError: the file does not exist.
        ConfigError: it does not describe a suite; every problem is named.
    """
    path = Path(path)
    content = _with_inherited(_read_yaml(path), path.parent)
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        listed = "\n  ".join(_problems(error))
        raise ConfigError(f"{path} does not describe a suite:\n  {listed}") from error


@lru_cache(maxsize=1)
def known_suites() -> Mapping[str, Suite]:
    """Return the suites that the package describes, by short name."""
    files = matching(resource_folder("catalogs"), "[!_]*.yaml")
    suites = (load_suite_file(file) for file in files)
    return MappingProxyType({suite.short_name: suite for suite in suites})


def generic_suite(name: str = "unknown") -> Suite:
    """Return what all CAMELS suites share, for files that do not say where they come from."""
    shared = _read_yaml(resource_folder("catalogs") / "_camels.yaml")
    return Suite.model_validate({**shared, "name": name, "short_name": name, "spellings": (name,)})


def _fold(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def find_suite(name: str | Path | Suite) -> Suite:
    """Return the suite that a user named; case, hyphens and underscores do not matter.

    Args:
        name: a name or alias, or the path of a suite's own YAML file.

    Raises:
        UsageError: no suite has this name; the message lists the known and the nearest.

    Example:
        >>> find_suite("illustris_tng").short_name, find_suite("SWIFT-Eagle").short_name
        ('tng', 'eagle')
    """
    if isinstance(name, Suite):
        return name
    if Path(name).suffix in SUITE_FILES:
        return load_suite_file(name)
    for suite in known_suites().values():
        if _fold(str(name)) in map(_fold, suite.names):
            return suite
    raise UsageError(
        f"Unknown suite {str(name)!r}. {nearest(str(name), known_suites())} "
        "A suite of your own is a YAML file: give its path."
    )


def guess_suite(path: str | Path) -> Suite | None:
    """Return the suite that a path names, looking at the file name first, or None.

    Example:
        >>> guess_suite("IllustrisTNG/LH_0/groups_090.hdf5").short_name
        'tng'
    """
    for part in reversed(Path(path).parts):
        for suite, spelled in _spellings():
            if spelled.search(part):
                return suite
    return None


@lru_cache(maxsize=1)
def _spellings() -> tuple[tuple[Suite, re.Pattern[str]], ...]:
    """Return every known suite with what finds one of its names in a part of a path."""
    found = []
    for suite in known_suites().values():
        spelled = "|".join(map(re.escape, suite.names))
        pattern = re.compile(rf"(?<![a-z0-9])({spelled})(?![a-z0-9])", flags=re.IGNORECASE)
        found.append((suite, pattern))
    return tuple(found)
