"""A suite that several jobs read into the column cache, each a share of its boxes."""

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dagnn.catalogs.boxes import Files, Reading
from dagnn.catalogs.cache import load_cached, save_cached
from dagnn.errors import UsageError


@dataclass(frozen=True)
class Shard:
    """Every so-manieth simulation of a suite.

    Attributes:
        number: which share, from 1.
        count: how many shares there are.

    Raises:
        UsageError: there is no such share.

    Example:
        >>> Shard(2, 3).own({f"LH_{i}": () for i in range(7)})
        {'LH_1': (), 'LH_4': ()}
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(
                f"There is no shard {self.number} of {self.count}; they are counted from 1, "
                f"1/{max(self.count, 1)} to {max(self.count, 1)}/{max(self.count, 1)}."
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``i/n``.

        Raises:
            UsageError: it is written otherwise, or there is no such share.

        Example:
            >>> Shard.parse("2/8")
            Shard(number=2, count=8)
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None:
            raise UsageError(f"A shard is written i/n, such as 1/8 to 8/8; got {text!r}.")
        return cls(int(found[1]), int(found[2]))

    def own(self, files: Files) -> dict[str, Sequence[Path]]:
        """Return the files of this share, in their order."""
        return dict(islice(files.items(), self.number - 1, None, self.count))

    def key(self, whole: str) -> str:
        """Return what identifies the reading of this share, given that of the whole suite."""
        return f"{whole}.{self.number}-of-{self.count}"


def recall(folder: Path, key: str, files: Files) -> Reading | None:
    """Return a cached reading of a whole suite, or what shards make of it.

    Where all shards are there they become one reading, which takes their place.

    Args:
        folder: of the cache.
        key: of the whole suite.
        files: simulation → its files, in order.
    """
    whole = load_cached(folder, key)
    if whole is not None:
        return whole
    counts = sorted({int(path.stem.rpartition("-")[2]) for path in _stored(folder, key)})
    for count in counts:
        parts = [load_cached(folder, Shard(i + 1, count).key(key)) for i in range(count)]
        present = [part for part in parts if part is not None]
        if len(present) == count:
            return _joined(folder, key, files, present)
    # Another job may have joined and removed them meanwhile.
    return load_cached(folder, key) if counts else None


def _stored(folder: Path, key: str) -> list[Path]:
    return list(folder.glob(f"{glob.escape(key)}.*-of-*.npz"))


def _joined(folder: Path, key: str, files: Files, parts: Sequence[Reading]) -> Reading:
    catalogs = {catalog.simulation: catalog for part in parts for catalog in part.catalogs}
    skipped = {simulation: reason for part in parts for simulation, reason in part.skipped}
    implausible = {name: reason for part in parts for name, reason in part.implausible}
    whole = Reading(
        tuple(catalogs[name] for name in files if name in catalogs),
        tuple((name, skipped[name]) for name in files if name in skipped),
        tuple((name, implausible[name]) for name in files if name in implausible),
    )
    save_cached(folder, key, whole)
    if (folder / f"{key}.npz").is_file():
        for path in _stored(folder, key):
            path.unlink(missing_ok=True)
    return whole
