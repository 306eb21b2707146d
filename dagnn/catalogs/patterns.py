"""Path patterns such as ``{suite}/{set}/{sim}/groups_{snap:03d}.hdf5``, matched against a disk."""

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import NotRequired, TypedDict

from dagnn.errors import UsageError, nearest
from dagnn.files import is_clutter


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
