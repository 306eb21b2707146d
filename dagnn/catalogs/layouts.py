"""Where the catalogues and the parameter table of a suite lie under a data root."""

import glob
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path
from string import Formatter
from typing import NotRequired, TypedDict

from dagnn.catalogs.reader import peek_redshift
from dagnn.catalogs.suites import Suite, same_redshift
from dagnn.errors import DataError, MismatchError, MissingDataError, UsageError, nearest
from dagnn.files import entries, is_clutter


class Known(TypedDict):
    """What is known before the search; without ``snap`` every snapshot fits."""

    suite: str
    volume: str
    set: str
    snap: NotRequired[int]


#: What a pattern may hold: the first is read off the disk, the second comes in :class:`Known`.
FOUND = ("sim", "i", "chunk")
KNOWN = ("suite", "volume", "set", "snap")


# LH_12, 1P_p1_n2, 1P_3_2; a copy, a backup or a padded number beside them is no simulation.
_OF_BOX = r"(?:0|[1-9]\d*|p?\d+_n?\d+)"
# A template of the user's own may pad its numbers.
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


def _expressions(known: Known) -> dict[str, tuple[str, str]]:
    """Return glob and regular expression of every placeholder whose value is open."""
    own_set = known["set"]
    return {
        "sim": (f"{glob.escape(own_set)}_*", rf"{re.escape(own_set)}_[^/]+?"),
        "i": ("*", r"[^/]+?"),
        "chunk": ("*", r"\d+"),
        "snap": ("*", r"\d+"),
    }


def _compile(pattern: str, known: Known) -> tuple[str, re.Pattern[str]]:
    """Return the pattern as a glob and as a regular expression with named groups."""
    wild = _expressions(known)
    values: dict[str, object] = dict(known)
    as_glob, as_regex, seen = "", "", set()
    for literal, name, spec, _ in Formatter().parse(pattern):
        as_glob += glob.escape(literal)
        as_regex += re.escape(literal)
        if name is None:
            continue
        if name in values:
            value = format(values[name], spec or "")
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

    def __len__(self) -> int:
        """Return the number of simulations."""
        return len(self.files)

    def __repr__(self) -> str:
        return f"Layout({self.pattern}, snapshot {self.snapshot}: {len(self)} simulations)"


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


def _gathered(found: Sequence[Match]) -> dict[str, tuple[Path, ...]]:
    """Return the files of each simulation, chunks in order."""
    ordered = sorted(found, key=lambda match: (natural_order(match.sim), match.chunk or 0))
    files: dict[str, tuple[Path, ...]] = {}
    for match in ordered:
        files[match.sim] = (*files.get(match.sim, ()), match.path)
    return files


@dataclass(frozen=True)
class BoxFiles:
    """The files of a set, from all of its layouts.

    Attributes:
        files: simulation → its file or its chunks, in natural order.
        elsewhere: simulations of which the files are at another redshift.
        twice: simulations that a later layout holds as well; those files are not used.
        strange: names beside them that are those of no simulation.
    """

    files: dict[str, tuple[Path, ...]]
    elsewhere: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()


def merge_layouts(
    layouts: Sequence[Layout], redshift: float, stored: Sequence[float | None]
) -> BoxFiles:
    """Return every simulation of some layouts once, from the first that has it.

    Args:
        layouts: of one set, the preferred one first.
        redshift: wanted redshift; layouts at another are left out.
        stored: redshift in a header of each layout; None is taken for the right one, because
            the reader checks it.

    Raises:
        MismatchError: none of several is at the redshift.
    """
    agrees = [z is None or same_redshift(z, redshift) for z in stored]
    if not any(agrees):
        found = "; ".join(
            f"{layout.pattern} with snapshot {layout.snapshot:03d} is z = {z:.2f}"
            for layout, z in zip(layouts, stored, strict=True)
        )
        raise MismatchError(
            f"No file is at redshift {redshift:g}: {found}. Ask for one of these redshifts."
        )
    files: dict[str, tuple[Path, ...]] = {}
    twice: set[str] = set()
    for layout in (each for each, good in zip(layouts, agrees, strict=True) if good):
        twice |= {
            sim
            for sim, paths in layout.files.items()
            if sim in files and not _same_files(files[sim], paths)
        }
        files = {**layout.files, **files}
    every = {sim for layout in layouts for sim in layout.files}
    strange = {name for layout in layouts for name in layout.strange}
    return BoxFiles(
        {sim: files[sim] for sim in _ordered(files)},
        _ordered(every - set(files)),
        _ordered(twice),
        tuple(sorted(strange)),
    )


def _same_files(one: Sequence[Path], other: Sequence[Path]) -> bool:
    return [path.resolve() for path in one] == [path.resolve() for path in other]


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=natural_order))


def catalog_patterns(suite: Suite, volume: str, template: str | None) -> list[str]:
    """Return the patterns to try below every root, in order.

    A path without a volume stands for the suite's default volume, so such
    patterns are left out when another volume is wanted. A template is believed.
    """
    if template is not None:
        return [template]
    default = volume == suite.default_volume
    return [pattern for pattern in suite.catalog_patterns if default or "{volume}" in pattern]


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
    so more than one may come back: see :func:`merge_layouts`.

    Args:
        suite: the suite.
        data: data root.
        set: such as ``LH``.
        redshift: wanted redshift.
        volume: such as ``L25n256``.
        template: a pattern of the user's own, absolute or below the data root, with
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
    patterns = catalog_patterns(suite, volume, template)
    numbers = _numbers(suite, redshift, patterns)
    places = [template] if template else below(suite.catalog_roots, patterns)
    layouts = list(_search(suite, root, set, volume, places, numbers))
    if not layouts:
        wanted = f"{set} catalogues of {suite.name} ({volume}) at redshift {redshift:g}"
        raise _nothing_found(wanted, suite, root, patterns, numbers)
    return layouts


def below(roots: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Join every pattern with every root, pattern by pattern."""
    return [f"{place}/{pattern}".lstrip("/") for pattern in patterns for place in roots]


def _numbers(suite: Suite, redshift: float, patterns: Sequence[str]) -> tuple[int, ...]:
    if not any("snap" in placeholders(pattern) for pattern in patterns):
        return (-1,)
    return suite.snapshot_numbers(redshift)


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
            known = Known(suite=spelling, volume=volume, set=set_name, snap=number)
            found = list(matches(root, pattern, known))
            files = _gathered([match for match in found if match.is_box])
            strange = sorted({match.sim for match in found if not match.is_box})
            # On a disk that ignores case, two spellings may be one folder.
            same = tuple(path.resolve() for paths in files.values() for path in paths)
            if files and same not in seen:
                seen.add(same)
                yield Layout(pattern, number, files, tuple(strange))


def _nothing_found(
    wanted: str, suite: Suite, root: Path, patterns: Sequence[str], numbers: Sequence[int]
) -> MissingDataError:
    snapshots = " or ".join(f"{n:03d}" for n in numbers if n >= 0) or "any"
    return MissingDataError(
        f"No {wanted} (snapshot {snapshots}) under {root}. "
        f"{_tried(suite, patterns, suite.catalog_roots)}In {root} there are: {existing(root)}. "
        "Check --data, the set and the redshift, or give a template of your own."
    )


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
    default = volume == suite.default_volume
    patterns = [pattern for pattern in suite.table_patterns if default or "{volume}" in pattern]
    for place in below(suite.table_roots, patterns):
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
_BOX = re.compile(r"\{(sim|i)(?::[^}]*)?\}")


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
        template: a path pattern of the user's own, see :func:`find_layouts`.

    Returns:
        Redshifts as the suite's table gives them, increasing; those that it does not
        list could not be asked for. Empty where there are no catalogues.
    """
    patterns = catalog_patterns(suite, volume, template)
    places = patterns if template else below(suite.catalog_roots, patterns)
    found = {
        redshift
        for pattern, spelling in product(places, suite.spellings)
        for path in _shared_snapshots(data, pattern, Known(suite=spelling, volume=volume, set=set))
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
    depth = next((k for k, part in enumerate(parts, 1) if _BOX.search(part)), len(parts))
    names = {match.sim for match in matches(data, "/".join(parts[:depth]), known) if match.is_box}
    few = sorted(names, key=natural_order)[:FEW]
    return [
        _BOX.sub(partial(_spelt, {"sim": sim, "i": sim.removeprefix(f"{known['set']}_")}), pattern)
        for sim in few
    ]


def _spelt(box: Mapping[str, str], found: re.Match[str]) -> str:
    return box[found[1]]


def _listed_redshift(suite: Suite, path: Path) -> float | None:
    """Return the redshift of the suite's table that a header means.

    A damaged file of a snapshot that nobody has asked for is no reason to stop.
    """
    try:
        stored = peek_redshift(path)
    except DataError:
        return None
    if stored is None:
        return None
    nearest = min(suite.snapshots.redshifts, key=lambda z: abs(z - stored))
    return nearest if same_redshift(nearest, stored) else None
