"""Whole mock suites on disk, in the layout of CAMELS, made by several processes."""

import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from dagnn.catalogs.hdf5 import MOCK_MARK
from dagnn.errors import MissingDataError, TableError, UsageError
from dagnn.files import atomic_path, write_text
from dagnn.mocks.cosmology import CRITICAL_DENSITY, HUBBLE, OMEGA_B, tabulate
from dagnn.mocks.field import BOX, linear_field
from dagnn.mocks.galaxies import Galaxies, populate
from dagnn.mocks.haloes import abundance_boost, add_subhaloes, draw_haloes
from dagnn.mocks.suites import Relations, relations
from dagnn.parameters import canonical_name, parameter
from dagnn.stored import read_json, reading
from dagnn.workers import each

PARAMETER_NAMES = ("Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2")


@dataclass(frozen=True)
class Row:
    """One universe of a suite.

    Attributes:
        index: the number i of ``LH_i``.
        values: its six parameters, in the order of ``PARAMETER_NAMES``.
        seed: the seed column of the table.
    """

    index: int
    values: tuple[float, ...]
    seed: int

    @property
    def name(self) -> str:
        """The simulation's name, ``LH_i``."""
        return f"LH_{self.index}"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by canonical name."""
        return dict(zip(PARAMETER_NAMES, self.values, strict=True))


def hypercube_rows(suite: Relations, count: int, seed: int) -> list[Row]:
    """Draw a Latin hypercube over the suite's priors, different for every suite and seed."""
    low = np.array([parameter(name).low for name in PARAMETER_NAMES])
    high = np.array([parameter(name).high for name in PARAMETER_NAMES])
    log = np.array([parameter(name).log for name in PARAMETER_NAMES])
    low[-1], high[-1] = suite.agn2_prior
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(suite.stream,)))
    unit = qmc.LatinHypercube(d=low.size, seed=stream).random(count)
    linear = low + unit * (high - low)
    values = np.where(log, low * (high / low) ** unit, linear).round(5)
    return [Row(i, tuple(map(float, row)), i) for i, row in enumerate(values)]


def read_rows(table: Path, count: int) -> list[Row]:
    """Read the first rows of a real Latin-hypercube table (``CosmoAstroSeed_*_LH.txt``).

    Raises:
        MissingDataError: the file does not exist.
        TableError: a parameter column is absent or a row cannot be read.
        UsageError: more rows are wanted than the table has.
    """
    if not table.is_file():
        raise MissingDataError(f"The parameter table {table} does not exist.")
    lines = [line.split() for line in table.read_text().splitlines() if line.strip()]
    names = [canonical_name(word) for word in " ".join(lines[0]).lstrip("# ").split()]
    missing = [name for name in PARAMETER_NAMES if name not in names]
    if missing:
        raise TableError(
            f"{table} has no column {', '.join(missing)} in its first line; mock universes need "
            f"a header and the columns {', '.join(PARAMETER_NAMES)}, as in the LH tables of CAMELS."
        )
    if count > len(lines) - 1:
        raise UsageError(f"{count} boxes were asked for, but {table} has {len(lines) - 1} rows.")
    columns = [names.index(name) for name in PARAMETER_NAMES]
    rows = []
    for number, words in enumerate(lines[1 : count + 1], start=2):
        try:
            index = int(words[0].rsplit("_", 1)[-1])
            values = tuple(float(words[column]) for column in columns)
            rows.append(Row(index, values, int(words[-1])))
        except (ValueError, IndexError) as error:
            raise TableError(f"{table}, line {number}: cannot read {' '.join(words)!r}.") from error
    return rows


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as a CAMELS parameter table, complete or not at all."""
    title = f"#Name  {'  '.join(PARAMETER_NAMES)}  seed"
    lines = [
        f"{row.name:>7} {' '.join(f'{value:.5f}' for value in row.values)} {row.seed}"
        for row in rows
    ]
    write_text(path, "\n".join([title, *lines]) + "\n")


STAMP = "dagnn peak patches + particle mesh + scaling relations (not a simulation)"
GAS, DARK, STARS = 0, 1, 4  # particle types
RESOLUTION = 256  # particles per side of the boxes that are imitated
BOX_KPC = np.float32(1000.0 * BOX)


def particle_masses(omega_m: float) -> tuple[float, float]:
    """Return the masses of a dark-matter and of a gas particle in a L25n256 box, Msun/h."""
    per_omega = CRITICAL_DENSITY * BOX**3 / RESOLUTION**3
    return per_omega * (omega_m - OMEGA_B), per_omega * OMEGA_B


def _by_type(
    count: int, dtype: type, columns: Mapping[int, NDArray[np.generic]]
) -> NDArray[np.generic]:
    table: NDArray[np.generic] = np.zeros((count, 6), dtype=dtype)
    for particle_type, column in columns.items():
        table[:, particle_type] = column
    return table


def subhalo_fields(galaxies: Galaxies, omega_m: float) -> dict[str, NDArray[np.generic]]:
    """Return the datasets of the ``Subhalo`` group, in CAMELS units and types.

    Masses are in 1e10 Msun/h, lengths in comoving kpc/h, velocities in km/s.
    """
    dark_particle, gas_particle = particle_masses(omega_m)
    masses = {
        GAS: galaxies.gas_mass * 1e-10,
        DARK: galaxies.dark_mass * 1e-10,
        STARS: galaxies.stellar_mass * 1e-10,
    }
    particles = {
        GAS: np.rint(galaxies.gas_mass / gas_particle),
        DARK: np.rint(galaxies.dark_mass / dark_particle),
        STARS: galaxies.star_particles,
    }
    halo_size = 100.0 * np.cbrt(galaxies.dark_mass / 1e12)
    radii = {GAS: 3.0 * galaxies.size, DARK: halo_size, STARS: galaxies.size}
    position = (1000.0 * galaxies.position).astype(np.float32)
    count = len(galaxies)
    return {
        "SubhaloPos": np.where(position >= BOX_KPC, np.float32(0.0), position),
        "SubhaloVel": galaxies.velocity.astype(np.float32),
        "SubhaloMass": np.sum(list(masses.values()), axis=0).astype(np.float32),
        "SubhaloMassType": _by_type(count, np.float32, masses),
        "SubhaloLen": np.sum(list(particles.values()), axis=0).astype(np.int32),
        "SubhaloLenType": _by_type(count, np.int32, particles),
        "SubhaloHalfmassRadType": _by_type(count, np.float32, radii),
        "SubhaloStarMetallicity": galaxies.metallicity.astype(np.float32),
        "SubhaloVmax": galaxies.v_max.astype(np.float32),
    }


def header(count: int, omega_m: float) -> dict[str, object]:
    """Return the attributes of the ``Header`` group."""
    return {
        "BoxSize": float(BOX_KPC),
        "HubbleParam": HUBBLE,
        "Omega0": float(omega_m),
        "OmegaBaryon": OMEGA_B,
        "OmegaLambda": 1.0 - float(omega_m),
        "Redshift": 0.0,
        "Time": 1.0,
        "NumFiles": np.int32(1),
        "Nsubgroups_ThisFile": np.int32(count),
        "Nsubgroups_Total": np.int32(count),
        MOCK_MARK: STAMP,
    }


def write_catalog(path: Path, galaxies: Galaxies, omega_m: float) -> None:
    """Write one group file; the same galaxies give the same bytes.

    The file appears under its name only when it is complete.
    """
    # In memory first: a full disk makes HDF5 fail in ways of its own.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_group("Header").attrs.update(header(len(galaxies), omega_m))
        group = file.create_group("Subhalo")
        for name, values in subhalo_fields(galaxies, omega_m).items():
            group.create_dataset(name, data=values, track_times=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def make_box(
    kind: str, parameters: Mapping[str, float], seed: int | np.random.SeedSequence
) -> Galaxies:
    """Make the galaxies of one 25 Mpc/h box at redshift 0.

    Every stage has its own random stream, so that a change in one stage leaves
    the randomness of the others as it was.

    Args:
        kind: a mock suite (``tng``, ``simba``, ``astrid``).
        parameters: the six CAMELS parameters by canonical name.
        seed: an integer or a numpy seed sequence.
    """
    suite = relations(kind)
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    keys = [np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, n)) for n in range(4)]
    streams = [np.random.default_rng(key) for key in keys]
    cosmology = tabulate(parameters["Omega_m"], parameters["sigma_8"])
    modes = linear_field(cosmology, streams[0])
    haloes = draw_haloes(cosmology, modes, streams[1])
    boost = abundance_boost(suite, parameters)
    structures = add_subhaloes(cosmology, haloes, suite, boost, streams[2])
    return populate(cosmology, structures, suite, parameters, streams[3])


def write_box(
    kind: str, parameters: Mapping[str, float], seed: int | np.random.SeedSequence, path: Path
) -> None:
    """Make one box and write its group file; arguments as in :func:`make_box`."""
    write_catalog(path, make_box(kind, parameters, seed), parameters["Omega_m"])


RECIPE = 3  # raise it when the code gives other bytes for the same seed and constants
VOLUME = "L25n256"

Progress = Callable[[int, int], None]

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
