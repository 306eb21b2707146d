"""Suites by name: the package's own YAML files and a user's."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from dagnn.catalogs.suite import Suite
from dagnn.errors import ConfigError, MissingDataError, UsageError, nearest
from dagnn.files import matching
from dagnn.resources import resource_folder
from dagnn.yaml_files import as_text, read_yaml

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
