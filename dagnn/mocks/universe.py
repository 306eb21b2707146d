"""Whole mock suites on disk, in the layout of CAMELS, made by several processes."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from dagnn.errors import UsageError
from dagnn.files import write_text
from dagnn.mocks.box import make_box, write_box
from dagnn.mocks.processes import each
from dagnn.mocks.rows import Row, hypercube_rows, read_rows, write_rows
from dagnn.mocks.suites import Relations, relations
from dagnn.stored import read_json, reading

RECIPE = 3  # raise it when the code gives other bytes for the same seed and constants
VOLUME = "L25n256"

Progress = Callable[[int, int], None]

__all__ = ["make_box", "make_universe"]
_AFRESH = "Delete it with the mocks beside it, or give another folder."


def recipe(*suites: Relations) -> str:
    """Return what, besides seed and row, decides the bytes of boxes: code version and constants."""
    return f"{RECIPE}-{zlib.crc32(''.join(map(repr, suites)).encode()):08x}"


def box_seed(suite: Relations, row: Row, seed: int) -> np.random.SeedSequence:
    """Return the random stream of one box: its own for every suite, row and seed."""
    return np.random.SeedSequence(seed, spawn_key=(suite.stream, row.index))


def catalog_path(out: Path, suite: Relations, row: Row) -> Path:
    """Return where the group file of one box lies at redshift 0."""
    return out / "FOF_Subfind" / suite.name / VOLUME / "LH" / row.name / "groups_090.hdf5"


def table_path(out: Path, suite: Relations) -> Path:
    """Return where the parameter table of a suite lies."""
    return out / "Parameters" / suite.name / f"CosmoAstroSeed_{suite.name}_{VOLUME}_LH.txt"


def _manifest_path(out: Path, suite: Relations) -> Path:
    return out / "FOF_Subfind" / suite.name / "mock.json"


def _claim(out: Path, suite: Relations, rows: Sequence[Row], seed: int) -> list[Row]:
    """Write down what a folder holds, or check that it holds the same universes.

    Returns:
        The rows of the folder: those wanted, and more where an earlier call made more.
    """
    path = _manifest_path(out, suite)
    held = read_json(path, _AFRESH) if path.is_file() else None
    if held is None:
        if table_path(out, suite).exists() or (out / "FOF_Subfind" / suite.name).exists():
            raise UsageError(
                f"{out} already holds {suite.name} data that are not mocks of this program "
                f"(there is no {path}). Give another folder with --out."
            )
        known: list[Row] = []
    else:
        with reading(path, _AFRESH):
            known = [Row(index, tuple(values), number) for index, values, number in held["rows"]]
            same_making = (held["recipe"], held["seed"]) == (recipe(suite), seed)
        shared = min(len(known), len(rows))
        if not same_making or known[:shared] != list(rows[:shared]):
            raise UsageError(
                f"{out} holds other {suite.name} mocks ({len(known)} boxes, seed {held['seed']}, "
                f"recipe {held['recipe']}) than asked for ({len(rows)} boxes, seed {seed}, recipe "
                f"{recipe(suite)}). Give another folder, or the same seed, count and table."
            )
    kept = max(known, list(rows), key=len)
    manifest = {"mock": True, "suite": suite.name, "recipe": recipe(suite), "seed": seed}
    text = json.dumps(manifest | {"rows": [astuple(row) for row in kept]}, indent=1)
    write_text(path, text + "\n")
    return kept


def _run(
    suite: Relations, out: Path, rows: Sequence[Row], seed: int, workers: int
) -> Iterator[None]:
    """Make boxes, yielding after every one."""
    tasks = [
        (suite.name, row.parameters, box_seed(suite, row, seed), catalog_path(out, suite, row))
        for row in rows
    ]
    for _ in each(write_box, tasks, workers):
        yield


def make_universe(
    kind: str,
    out: Path | str,
    count: int,
    table: Path | str | None = None,
    seed: int = 0,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> Path:
    """Make a mock suite, or what is missing of it, in the layout of CAMELS.

    Boxes that exist are kept, so a run that was stopped goes on where it was.
    The bytes of a box depend on the suite, its row and the seed alone.

    Args:
        kind: a mock suite (``tng``, ``simba``, ``astrid``).
        out: folder that gets ``FOF_Subfind/`` and ``Parameters/``.
        count: number of boxes.
        table: a real ``CosmoAstroSeed_*_LH.txt`` whose first rows to use; without
            it the suite draws its own Latin hypercube.
        seed: seed of everything random.
        workers: number of processes.
        on_progress: called with (boxes done, boxes in all), first before any is made.

    Returns:
        The folder ``out``.

    Raises:
        UsageError: the folder holds other data; the count is not positive.
        MissingPackageError: colossus is not installed.
    """
    suite, folder = relations(kind), Path(out)
    if count < 1:
        raise UsageError(f"A mock suite needs at least one box; {count} were asked for.")
    wanted = hypercube_rows(suite, count, seed) if table is None else read_rows(Path(table), count)
    kept = _claim(folder, suite, wanted, seed)
    write_rows(table_path(folder, suite), kept)
    todo = [row for row in kept if not catalog_path(folder, suite, row).exists()]
    done = len(kept) - len(todo)
    report = on_progress or (lambda done, total: None)
    report(done, len(kept))
    for _ in _run(suite, folder, todo, seed, workers):
        done += 1
        report(done, len(kept))
    return folder
