"""Where the catalogues and the parameter table of a suite lie under a data root."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from string import Formatter
from typing import Any

from dagnn.catalogs.reader import peek_redshift
from dagnn.catalogs.suites import Suite, same_redshift
from dagnn.errors import DataError, MissingDataError, UsageError, nearest
from dagnn.files import entries, is_clutter

Known = Mapping[str, Any]
"""Values of placeholders that are the same for all files; without ``snap`` every snapshot fits."""
#: What a pattern may hold: the first is read off the disk, the second is known before the search.
FOUND = ("sim", "i", "chunk")
KNOWN = ("suite", "volume", "set", "snap")


# LH_12, 1P_p1_n2, 1P_3_2; a copy, a backup or a padded number beside them is no simulation.
_OF_BOX = r"(?:0|[1-9]\d*|p?\d+_n?\d+)"
# An explicit template may pad its numbers.
_NUMBER = re.compile(r"\d+|p?\d+_n?\d+")


@dataclass(frozen=True)
class Match:
    """One file that fits a pattern.

    Attributes:
        path: the file.
        sim: simulation name.
        snap: snapshot number, where the search left it open.
        chunk: chunk number, or None for a whole catalogue.
        is_box: whether ``sim`` is the name of a simulation, and not of a copy or a backup
            such as ``LH_0_copy``.
    """

    path: Path
    sim: str
    snap: int | None
    chunk: int | None
    is_box: bool = True


def placeholders(pattern: str) -> frozenset[str]:
    """Return the names in braces.

    Raises:
        UsageError: a name is not one that patterns know.
    """
    try:
        names = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
    except ValueError as error:
        raise UsageError(f"The template {pattern!r} is not well formed: {error}.") from error
    for name in names:
        if name not in FOUND + KNOWN:
            raise UsageError(
                f"Unknown placeholder {{{name}}} in the template {pattern!r}. "
                f"{nearest(name, FOUND + KNOWN)}"
            )
    return frozenset(names)


def _compile(pattern: str, known: Known) -> tuple[str, re.Pattern[str]]:
    """Return the pattern as a glob and as a regular expression with named groups."""
    wild = {
        "sim": (f"{glob.escape(known['set'])}_*", rf"{re.escape(known['set'])}_[^/]+?"),
        "i": ("*", r"[^/]+?"),
        "chunk": ("*", r"\d+"),
        "snap": ("*", r"\d+"),
    }
    as_glob, as_regex, seen = "", "", set()
    for literal, name, spec, _ in Formatter().parse(pattern):
        as_glob += glob.escape(literal)
        as_regex += re.escape(literal)
        if name is None:
            continue
        if name in known:
            value = format(known[name], spec or "")
            as_glob += glob.escape(value)
            as_regex += re.escape(value)
            continue
        as_glob += wild[name][0]
        as_regex += f"(?P={name})" if name in seen else f"(?P<{name}>{wild[name][1]})"
        seen.add(name)
    return as_glob, re.compile(as_regex)


def matches(root: Path, pattern: str, known: Known) -> Iterator[Match]:
    """Yield every file below a root that fits a pattern, those of copies and backups as well.

    Args:
        root: where relative patterns begin.
        pattern: with placeholders of :data:`FOUND` and :data:`KNOWN`.
        known: values that are the same for all files.
    """
    as_glob, regex = _compile(pattern, known)
    simulation = re.compile(rf"{re.escape(known['set'])}_{_OF_BOX}")
    # Unlike Path.glob, this also takes absolute templates and `..`.
    for found in glob.iglob(as_glob, root_dir=root):  # noqa: PTH207
        match = regex.fullmatch(found)
        stray = set(Path(found).parts) - set(Path(pattern).parts)
        if match is None or any(map(is_clutter, stray)):
            continue
        groups = match.groupdict()
        number = groups.get("i")
        sim = groups.get("sim") or f"{known['set']}_{number or ''}"
        yield Match(
            path=root / found,
            sim=sim,
            snap=int(groups["snap"]) if "snap" in groups else None,
            chunk=int(groups["chunk"]) if "chunk" in groups else None,
            is_box=bool(simulation.fullmatch(sim) if number is None else _NUMBER.fullmatch(number)),
        )


@dataclass(frozen=True)
class Layout:
    """Catalogues of one suite that were found by one pattern.

    Attributes:
        pattern: the pattern, with the root below the data folder.
        snapshot: the snapshot number in it; -1 where the pattern has none.
        files: simulation → its file or its chunks, in natural order.
        strange: names beside them that are those of no simulation, such as ``LH_0_copy``.
    """

    pattern: str
    snapshot: int
    files: dict[str, tuple[Path, ...]]
    strange: tuple[str, ...] = ()


def natural_order(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Return a sorting key that counts: LH_2 before LH_10, and p1_n2 before p1_0.

    Example:
        >>> sorted(["1P_p1_1", "1P_p1_n1", "1P_p1_n2", "1P_p1_0"], key=natural_order)
        ['1P_p1_n2', '1P_p1_n1', '1P_p1_0', '1P_p1_1']
    """
    key = []
    for part in name.split("_"):
        letters = part.rstrip("0123456789")
        number = int(part[len(letters) :] or 0)
        minus = letters == "n"
        key.append((bool(letters) and not minus, -number if minus else number, letters))
    return tuple(key)


def catalog_places(suite: Suite, volume: str, template: str | None = None) -> list[str]:
    """Return the path patterns of catalogues below a data folder, in the order to try them.

    Args:
        suite: the suite.
        volume: such as ``L25n256``.
        template: an explicit pattern, the only one then.
    """
    if template is not None:
        return [template]
    return _below(suite.catalog_roots, _of_volume(suite, suite.catalog_patterns, volume))


def _of_volume(suite: Suite, patterns: Sequence[str], volume: str) -> list[str]:
    """Leave out patterns without a volume, which stand for the default one, for another."""
    default = volume == suite.default_volume
    return [pattern for pattern in patterns if default or "{volume}" in pattern]


def _below(roots: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Join every pattern with every root, pattern by pattern."""
    return [f"{root}/{pattern}".lstrip("/") for pattern in patterns for root in roots]


def find_layouts(
    suite: Suite,
    data: str | Path,
    set: str,  # noqa: A002 - what CAMELS calls it
    redshift: float,
    volume: str = "L25n256",
    template: str | None = None,
) -> list[Layout]:
    """Find the catalogues of one set at one redshift, in every layout.

    Snapshot numbers are ambiguous (33 is z = 0 in the old numbering and 2.9 in
    the current one), and a set may be stored half in one layout and half in another,
    so more than one may come back.

    Args:
        suite: the suite.
        data: data root.
        set: such as ``LH``.
        redshift: of the catalogues.
        volume: such as ``L25n256``.
        template: an explicit pattern, absolute or below the data root, with
            ``{sim}`` or ``{i}`` and, as needed, ``{suite}``, ``{set}``, ``{volume}``,
            ``{snap:03d}`` and ``{chunk}``.

    Returns:
        At least one layout, the current one first.

    Raises:
        MissingDataError: nothing is there; the message lists what was tried and what exists.
        UsageError: the set, the volume, the redshift or the template cannot be meant.
    """
    root = Path(data)
    suite.box_size(volume)
    if template is not None and len(placeholders(template) & {"sim", "i"}) != 1:
        raise UsageError(
            f"The template {template!r} needs either {{sim}} or {{i}} to tell boxes apart."
        )
    if set not in suite.sets and template is None:
        raise UsageError(f"{suite.name} has no set {set!r}. {nearest(set, suite.sets)}")
    if not root.is_dir():
        raise MissingDataError(f"The data folder {root} does not exist. Check --data.")
    places = catalog_places(suite, volume, template)
    numbers: tuple[int, ...] = (-1,)
    if any("snap" in placeholders(place) for place in places):
        numbers = suite.snapshot_numbers(redshift)
    layouts = list(_search(suite, root, set, volume, places, numbers))
    if not layouts:
        patterns = [template] if template else _of_volume(suite, suite.catalog_patterns, volume)
        snapshots = " or ".join(f"{n:03d}" for n in numbers if n >= 0) or "any"
        raise MissingDataError(
            f"No {set} catalogues of {suite.name} ({volume}) at redshift {redshift:g} (snapshot "
            f"{snapshots}) under {root}. {_tried(suite, patterns, suite.catalog_roots)}"
            f"In {root} there are: {existing(root)}. "
            "Check --data, the set and the redshift, or give a template of your own."
        )
    return layouts


def _search(
    suite: Suite,
    root: Path,
    set_name: str,
    volume: str,
    patterns: Sequence[str],
    numbers: Sequence[int],
) -> Iterator[Layout]:
    """Yield a layout for every pattern, number and spelling that has files."""
    seen: set[tuple[Path, ...]] = set()
    for pattern in patterns:
        # A pattern without {suite} would find the same files once per spelling.
        spellings = suite.spellings if "suite" in placeholders(pattern) else suite.spellings[:1]
        for number, spelling in product(numbers, spellings):
            known = {"suite": spelling, "volume": volume, "set": set_name, "snap": number}
            found = list(matches(root, pattern, known))
            strange = sorted({match.sim for match in found if not match.is_box})
            files: dict[str, tuple[Path, ...]] = {}
            for match in sorted(found, key=lambda m: (natural_order(m.sim), m.chunk or 0)):
                if match.is_box:
                    files[match.sim] = (*files.get(match.sim, ()), match.path)
            # On a disk that ignores case, two spellings may be one folder.
            same = tuple(path.resolve() for paths in files.values() for path in paths)
            if files and same not in seen:
                seen.add(same)
                yield Layout(pattern, number, files, tuple(strange))


def _tried(suite: Suite, patterns: Sequence[str], roots: Sequence[str]) -> str:
    places = ", ".join(place or "the folder itself" for place in roots)
    listed = "\n  ".join(patterns)
    return f"Tried, with suite {' or '.join(suite.spellings)}, below {places}:\n  {listed}\n"


def existing(root: Path, most: int = 24) -> str:
    """Return what lies in a folder, two levels deep, as one short line."""
    names: list[str] = []
    for path in sorted(entries(root), key=lambda path: (path.is_file(), path.name)):
        names.append(path.name if path.is_file() else f"{path.name}/")
        if path.is_dir():
            inner = (child.name for child in entries(path) if child.is_dir())
            names += [f"{path.name}/{child}/" for child in islice(inner, 4)]
    shown = ", ".join(names[:most])
    return (shown + (", ..." if len(names) > most else "")) or "no files"


def find_table(
    suite: Suite,
    data: str | Path,
    set: str,  # noqa: A002 - what CAMELS calls it
    volume: str = "L25n256",
) -> Path:
    """Find the parameter table of a set, the most specific file first.

    Raises:
        MissingDataError: there is none; the message lists what was tried.
    """
    root = Path(data)
    patterns = _of_volume(suite, suite.table_patterns, volume)
    for place in _below(suite.table_roots, patterns):
        for folder, spelling in product(suite.spellings, repeat=2):
            name = place.format(folder=folder, suite=spelling, volume=volume, set=set)
            for candidate in (root / name, root / f"{name}.gz"):
                if candidate.is_file():
                    return candidate
    raise MissingDataError(
        f"No parameter table of {suite.name} {set} ({volume}) under {root}. "
        f"{_tried(suite, patterns, suite.table_roots)}Put the CosmoAstroSeed file beside the "
        "catalogues, or give its path."
    )


FEW = 3
_NAME_OF_BOX, _NUMBER_OF_BOX = re.compile(r"\{sim(?::[^}]*)?\}"), re.compile(r"\{i(?::[^}]*)?\}")


def catalog_redshifts(
    suite: Suite,
    data: Path,
    set: str = "LH",  # noqa: A002 - what CAMELS calls it
    volume: str = "L25n256",
    template: str | None = None,
) -> tuple[float, ...]:
    """Return the redshifts that the first few simulations of a set have catalogues at.

    Snapshot numbers are ambiguous, so one header per snapshot is opened. Others than
    the first few simulations are not looked at: their folders may be slow to list.

    Args:
        suite: the suite.
        data: data root.
        set: such as ``LH``.
        volume: such as ``L25n256``.
        template: an explicit path pattern, see :func:`find_layouts`.

    Returns:
        Redshifts as the suite's table gives them, increasing; those that it does not
        list cannot be requested. Empty where there are no catalogues.
    """
    known = [{"suite": each, "volume": volume, "set": set} for each in suite.spellings]
    found = {
        redshift
        for pattern, one in product(catalog_places(suite, volume, template), known)
        for path in _shared_snapshots(data, pattern, one)
        if (redshift := _listed_redshift(suite, path)) is not None
    }
    return tuple(sorted(found))


def _shared_snapshots(data: Path, pattern: str, known: Known) -> list[Path]:
    """Return one file per snapshot that each of the first few simulations has."""
    boxes = [
        {match.snap: match.path for match in matches(data, of_one, known)}
        for of_one in _first_boxes(data, pattern, known)
    ]
    first = boxes[0] if boxes else {}
    return [path for snap, path in first.items() if all(snap in box for box in boxes)]


def _first_boxes(data: Path, pattern: str, known: Known) -> list[str]:
    """Return the pattern of each of the first few simulations, read off one folder."""
    parts = pattern.split("/")
    named = (k for k, part in enumerate(parts, 1) if placeholders(part) & {"sim", "i"})
    depth = next(named, len(parts))
    names = {match.sim for match in matches(data, "/".join(parts[:depth]), known) if match.is_box}
    found = []
    for sim in sorted(names, key=natural_order)[:FEW]:
        number = sim.removeprefix(f"{known['set']}_")
        found.append(_NUMBER_OF_BOX.sub(number, _NAME_OF_BOX.sub(sim, pattern)))
    return found


def _listed_redshift(suite: Suite, path: Path) -> float | None:
    """Return the redshift of the suite's table that a header means.

    A damaged file of a snapshot that is not used is no reason to stop.
    """
    try:
        stored = peek_redshift(path)
    except DataError:
        return None
    if stored is None:
        return None
    nearest = min(suite.snapshots.redshifts, key=lambda z: abs(z - stored))
    return nearest if same_redshift(nearest, stored) else None
