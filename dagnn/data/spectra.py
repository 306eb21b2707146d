"""Galaxy power spectra as summary vectors, with their truth."""

import copy
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, device

from dagnn.catalogs.layouts import find_table
from dagnn.catalogs.suites import Suite, find_suite
from dagnn.catalogs.tables import ParameterTable, read_labels, read_table
from dagnn.data.inputs import Inputs, same_wavenumbers
from dagnn.data.power import (
    SAME_REDSHIFT,
    find_power,
    has_wavenumbers,
    kmax_of,
    kmax_there,
    read_power,
    read_wavenumbers,
    rebin,
)
from dagnn.data.truth import checked_truth, truth_groups
from dagnn.errors import DataError, MismatchError, MissingDataError, UsageError
from dagnn.parameters import Scaling
from dagnn.records import Coverage, FloatArray

LOG_BELOW, LOG_FALLS, LOG_SHARE = 15.0, (1.1, 5.0), 0.9
"""A logarithm of power is below this, and falls with wavenumber by a factor between these, in at
least this share of spectra."""
FEWEST_FOR_LEVEL = 10
"""Spectra from which their typical power is known well enough to compare it."""
RISES = 3.0
"""Factor by which k³P(k) rises at least, where P(k) falls."""
BEYOND = 1.05
"""Factor by which wavenumbers may lie beyond the largest that a file's name gives."""


@dataclass(frozen=True)
class SpectraBatch:
    """A batch of summary vectors.

    Attributes:
        x: features ``[B, F]``.
        y: truth in prior units ``[B, P]``.
        domain: number of the domain that all items come from; None where it is not known.
    """

    x: Tensor
    y: Tensor
    domain: int | None = None


class Spectra:
    """Summary vectors in memory.

    Args:
        x: features ``[n, F]``.
        ids: one name per item.
        truth: physical parameters ``[n, P]``; NaN where unknown.
        scaling: names and priors of the ``P`` parameters.
        groups: items with equal group share one truth; by default items whose
            truth is equal, and every item of unknown truth for itself.
        dropped: names of simulations left out because a power was not positive
            and finite.
        notes: what a person should know about how they were read.
        coverage: how many spectra there are, and why some are not used; None of loose files.
        inputs: bins and wavenumbers, which another network's must equal.

    Attributes:
        domain: number of the domain, which every batch carries; None until it is set.

    Raises:
        DataError: there is no item.
        MismatchError: features, ids and truth differ in number, or ``P`` is wrong.
    """

    def __init__(
        self,
        x: ArrayLike,
        ids: Sequence[str],
        truth: ArrayLike,
        scaling: Scaling,
        groups: Sequence[str] | None = None,
        dropped: Sequence[str] = (),
        notes: Sequence[str] = (),
        coverage: Coverage | None = None,
        inputs: Inputs | None = None,
    ) -> None:
        self.x = torch.as_tensor(np.array(x, dtype=np.float32))
        if len(self.x) == 0:
            raise DataError("There is no spectrum to build a dataset from.")
        self.y = checked_truth(truth, ids, scaling, len(self.x))
        self.ids = tuple(ids)
        self.groups = tuple(groups) if groups is not None else truth_groups(ids, self.y)
        self.scaling = scaling
        self.dropped = tuple(dropped)
        self.notes = tuple(notes)
        self.coverage = coverage
        self.inputs = inputs or Inputs()
        self.domain: int | None = None
        self._scaled = scaling.to_unit(self.y).float()

    @property
    def sizes(self) -> dict[str, int]:
        """The number of features, which an encoder needs to know."""
        return {"features": self.x.shape[1]}

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.x)

    def to(self, where: device | str) -> "Spectra":
        """Return the dataset with its tensors on a device."""
        moved = copy.copy(self)
        moved.x, moved.y = self.x.to(where), self.y.to(where)
        moved._scaled = self._scaled.to(where)
        return moved

    def in_domain(self, domain: int | None) -> "Spectra":
        """Return the same items as those of a domain, whose number every batch carries."""
        placed = copy.copy(self)
        placed.domain = domain
        return placed

    def batch(self, index: Tensor) -> SpectraBatch:
        """Gather the items at ``index`` (``[B]`` integers)."""
        index = index.to(self.x.device)
        return SpectraBatch(self.x[index], self._scaled[index], self.domain)

    @property
    def fingerprint(self) -> str:
        """Hash of features and truth."""
        digest = hashlib.blake2b(self.x.cpu().numpy().tobytes(), digest_size=12)
        digest.update(self.y.cpu().numpy().tobytes())
        return digest.hexdigest()

    def summaries(self) -> dict[str, Tensor]:
        """Return every feature by its number."""
        return {f"log10 P, bin {column}": self.x[:, column] for column in range(self.x.shape[1])}

    def describe(self) -> dict[str, str]:
        """Say what the features are."""
        features = f"{self.x.shape[1]} features in all"
        return {
            "log10 P(k)": f"galaxy power spectrum in (Mpc/h)³, redshift by redshift, {features}"
        }

    def __repr__(self) -> str:
        names = ", ".join(self.scaling.names)
        lost = f", {len(self.dropped)} dropped" if self.dropped else ""
        return f"Spectra({len(self)} spectra of {self.x.shape[1]} features{lost}; {names})"


def load_spectra(
    suite: str | Suite,
    data: Path | str,
    redshifts: Sequence[float] = (0.0,),
    parameters: Sequence[str] | Scaling = ("Omega_m",),
    bins: int | None = 20,
    spacing: str = "log",
    set: str = "LH",  # noqa: A002 - what CAMELS calls it
    volume: str = "L25n256",
    limit: int | None = None,
    labelled: bool = True,
    kmax: float | None = None,
) -> Spectra:
    """Load the power spectra of a suite with the truth from its parameter table.

    Row ``i`` of a file belongs to simulation ``{set}_{i}``. Features are
    ``log10 P`` in (Mpc/h)³, rebinned in wavenumber, one redshift after the other.
    A simulation with a power that is not positive and finite at any redshift is
    left out and listed in ``dropped``.

    Args:
        suite: any spelling of a suite's name.
        data: data folder.
        redshifts: snapshots that form one input, in this order.
        parameters: what is inferred; a scaling brings priors of its own.
        bins: bins per redshift; None keeps the columns of the file.
        spacing: of the bins, see :data:`dagnn.data.power.SPACINGS`.
        set: simulation set, for example ``LH``.
        volume: for example ``L25n256``.
        limit: at most this many simulations, the first ones.
        labelled: whether a missing parameter table is an error; otherwise every row of the
            files is taken and its truth is NaN.
        kmax: largest wavenumber of the files in h/Mpc, where there are several; None takes the
            largest.

    Raises:
        MissingDataError: a file is absent; the message lists what is there.
        TruncatedFileError: a file is shorter than its header says.
        MismatchError: a file has fewer rows than the table has simulations of the set.
        TableError: labels lie far outside the suite's prior.
        DataError: a file holds something else, or no usable spectrum is left.
    """
    data, suite = Path(data), find_suite(suite)
    scaling = Scaling.of(parameters)
    table = _table(suite, data, set, volume, labelled)
    numbers = _numbers(table, set) if table else None
    found = [find_power(data, suite, z, set, kmax) for z in redshifts]
    files = [file for file, _ in found]
    every = np.arange(len(read_power(files[0]))) if numbers is None else numbers
    rows = every[:limit]
    wanted = [f"{set}_{row}" for row in rows]
    power = [_rows_of(file, rows) for file in files]
    usable = np.all([(np.isfinite(p) & (p > 0)).all(1) for p in power], axis=0)
    ids = [name for name, good in zip(wanted, usable, strict=True) if good]
    dropped = [name for name, good in zip(wanted, usable, strict=True) if not good]
    if not ids:
        raise DataError(f"{files[0]}: no spectrum is positive and finite everywhere.")
    columns, inputs = _inputs([p[usable] for p in power], files, bins, spacing)
    notes = []
    for file, redshift in zip(files, redshifts, strict=True):
        notes += _chosen(file, kmax_there(data, suite, redshift, set))
    notes += [
        *_unequal(inputs),
        *rising_notes([p[usable] for p in power], files),
        *[
            f"z={asked:g} is read from the snapshot at z={there:.2f}"
            for asked, (_, there) in zip(redshifts, found, strict=True)
            if abs(asked - there) > SAME_REDSHIFT
        ],
    ]
    truth = np.full((len(ids), len(scaling.names)), np.nan)
    if table is not None:
        truth, odd = read_labels(table, ids, scaling.names, suite)
        notes += [*odd, *_surplus(files[0], table, set, limit)]
    left_out = {
        "power not positive and finite": tuple(dropped),
        "beyond the limit": tuple(f"{set}_{row}" for row in every[len(rows) :]),
    }
    return Spectra(
        columns,
        ids,
        truth,
        scaling,
        dropped=dropped,
        notes=notes,
        coverage=Coverage(len(every), left_out, item="spectra"),
        inputs=inputs,
    )


def _chosen(file: Path, there: Collection[float]) -> list[str]:
    """Name the file that is read where there are several with other wavenumbers."""
    others = ", ".join(f"{kmax:g}" for kmax in sorted(set(there) - {kmax_of(file)}))
    if not others:
        return []
    return [
        f"{file.name} is read, with wavenumbers up to {kmax_of(file):g} h/Mpc; there are files "
        f"up to {others} as well (data.kmax chooses)"
    ]


def _unequal(inputs: Inputs) -> list[str]:
    """Note wavenumbers beyond the largest of a name, and redshifts at other ones than the first."""
    first = next(iter(inputs.grid.values()))
    notes = [
        f"{inputs.files[name]} reaches up to {inputs.kmax[name]:g} h/Mpc by its name, and the "
        f"k_values.txt beside it up to {k[-1]:.4g} h/Mpc: check that it is of these spectra"
        for name, k in inputs.grid.items()
        if k and 0 < inputs.kmax[name] * BEYOND < k[-1]
    ]
    return notes + [
        f"{name} is at {len(k)} wavenumbers to {k[-1]:.4g} h/Mpc, redshift 1 at {len(first)} to "
        f"{first[-1]:.4g} h/Mpc"
        for name, k in inputs.grid.items()
        if k and first and not same_wavenumbers(k, first)
    ]


def rising_notes(power: Sequence[FloatArray], files: Sequence[Path]) -> list[str]:
    """Note power that rises with wavenumber, which P(k) of galaxies does not on these scales."""
    return [
        f"{file.name}: power rises with wavenumber, as k³P(k) does; galaxy power P(k) in (Mpc/h)³ "
        "falls. Check what the file holds"
        for rows, file in zip(power, files, strict=True)
        if rows.shape[1] > 2 and (_fall(rows) < 1 / RISES).mean() > LOG_SHARE
    ]


def _fall(power: FloatArray) -> FloatArray:
    """Return the power at the lowest third of wavenumbers over that at the highest ``[n]``."""
    third = power.shape[1] // 3
    return np.asarray(power[:, :third].mean(1) / power[:, -third:].mean(1))


def _surplus(file: Path, table: ParameterTable, set_name: str, limit: int | None) -> list[str]:
    """Say so where a file has more rows than the table has simulations."""
    rows, listed = len(read_power(file)), len(_numbers(table, set_name))
    if limit is not None or rows == listed:
        return []
    return [f"{file.name} has {rows} rows, {table.path.name} lists {listed} {set_name} simulations"]


def _table(
    suite: Suite, data: Path, set_name: str, volume: str, labelled: bool
) -> ParameterTable | None:
    """Return the parameter table; None where spectra that need no labels have none."""
    try:
        return read_table(find_table(suite, data, set_name, volume))
    except MissingDataError:
        if labelled:
            raise
        return None


def read_spectra(
    files: Sequence[Path],
    parameters: Sequence[str] | Scaling = ("Omega_m",),
    bins: int | None = 20,
    redshifts: int = 1,
    spacing: str = "log",
) -> Spectra:
    """Read loose files of spectra whose truth is unknown.

    Args:
        files: ``.npy`` files ``[n, K]`` or ``[K]``, with ``k_values.txt`` beside them.
        parameters: what a network will infer.
        bins: as in :func:`load_spectra`.
        redshifts: how many consecutive files form one input.
        spacing: as in :func:`load_spectra`.

    Raises:
        UsageError: the number of files is not a multiple of ``redshifts``.
        MismatchError: files of one input have different numbers of rows.
        DataError: a file is absent or broken, or a power is not positive.
    """
    if not files or len(files) % redshifts:
        raise UsageError(
            f"One input is made of {redshifts} files, one per redshift; got {len(files)} files."
        )
    names: list[str] = []
    blocks = []
    made: list[Inputs] = []
    notes: list[str] = []
    for start in range(0, len(files), redshifts):
        block, inputs, odd = _one_input(
            [Path(file) for file in files[start : start + redshifts]], bins, spacing
        )
        blocks.append(block)
        made.append(inputs)
        notes += odd
        inputs.require_same(made[0], str(files[start]), str(files[0]))
        names += [f"{Path(files[start]).stem}[{row}]" for row in range(len(block))]
    scaling = Scaling.of(parameters)
    unknown = np.full((len(names), len(scaling.names)), np.nan)
    # Files without wavenumbers could not be compared with the others: then none are known.
    inputs = next((each for each in made if not all(each.grid.values())), made[0])
    return Spectra(np.concatenate(blocks), names, unknown, scaling, notes=notes, inputs=inputs)


def _one_input(
    files: Sequence[Path], bins: int | None, spacing: str
) -> tuple[FloatArray, Inputs, list[str]]:
    """Read the files of one input: features side by side, their wavenumbers, what is odd."""
    power = [read_power(file) for file in files]
    if len({len(p) for p in power}) > 1:
        sizes = ", ".join(f"{file.name}: {len(p)}" for file, p in zip(files, power, strict=True))
        raise MismatchError(f"The files of one input have different numbers of rows ({sizes}).")
    for file, p in zip(files, power, strict=True):
        bad = np.flatnonzero(~(np.isfinite(p) & (p > 0)).all(1))
        if len(bad):
            raise DataError(
                f"{file}: power is not positive and finite in rows {bad[:5].tolist()} ({len(bad)} "
                f"of {len(p)}). Expected P(k) in (Mpc/h)³, not its logarithm."
            )
    features, inputs = _inputs(power, files, bins, spacing)
    return features, inputs, [*_unequal(inputs), *rising_notes(power, files)]


def _numbers(table: ParameterTable, set: str) -> NDArray[np.int64]:  # noqa: A002
    """Return the numbers of a set's simulations in a table, increasing."""
    found = [re.fullmatch(rf"{re.escape(set)}_(\d+)", name) for name in table.names]
    numbers = sorted(int(match[1]) for match in found if match)
    if not numbers:
        raise MissingDataError(
            f"{table.path} names no simulation {set}_0, {set}_1, ...; it begins with "
            f"{', '.join(table.names[:3])}. Spectra exist for numbered sets only."
        )
    return np.array(numbers, dtype=np.int64)


def _rows_of(file: Path, rows: NDArray[np.int64]) -> FloatArray:
    """Read the spectra of the wanted simulations, which stand at their own number."""
    power = read_power(file)
    if rows.size and rows.max() >= len(power):
        raise MismatchError(
            f"{file} has {len(power)} rows, but the parameter table lists simulations up to number "
            f"{rows.max()}, and row i belongs to simulation i. Give a complete file, or limit the "
            f"number of simulations to {len(power)}."
        )
    return power[rows]


def _inputs(
    power: Sequence[FloatArray], files: Sequence[Path], bins: int | None, spacing: str
) -> tuple[FloatArray, Inputs]:
    """Return the features of several redshifts side by side, and what they stand for.

    Raises:
        DataError: power looks like a logarithm.
        MismatchError: a file has another number of columns than wavenumbers.
    """
    columns, names = [], [f"redshift {number}" for number in range(1, len(files) + 1)]
    grid: dict[str, list[float]] = {}
    for name, rows, file in zip(names, power, files, strict=True):
        require_power(rows, file)
        k = own_wavenumbers(rows, file) if bins is not None or has_wavenumbers(file) else None
        grid[name] = [] if k is None else k.tolist()
        log_power = np.log10(rows)
        columns.append(
            log_power if bins is None or k is None else rebin(log_power, k, bins, spacing)
        )
    inputs = Inputs(
        {"bins": bins, **({} if bins is None else {"spacing": spacing})},
        grid,
        {name: kmax_of(file) for name, file in zip(names, files, strict=True)},
        {name: str(file) for name, file in zip(names, files, strict=True)},
        {
            name: float(np.median(np.log10(rows)))
            for name, rows in zip(names, power, strict=True)
            if len(rows) >= FEWEST_FOR_LEVEL
        },
    )
    return np.concatenate(columns, 1), inputs


def own_wavenumbers(power: FloatArray, file: Path) -> FloatArray:
    """Read the wavenumbers of a file of spectra ``[n, K]``, and see that they can be its own.

    Raises:
        MismatchError: their number is not ``K``.
        DataError: they cannot be read.
    """
    k = read_wavenumbers(file)
    if power.shape[1] != len(k):
        raise MismatchError(
            f"{file} has {power.shape[1]} columns, k_values.txt beside it lists {len(k)} "
            f"wavenumbers, {k[0]:.4g} to {k[-1]:.4g} h/Mpc. Put the k_values.txt of these spectra "
            "there; where a folder has files of several kmax, data.kmax chooses."
        )
    return k


def require_power(power: FloatArray, file: Path) -> None:
    """Refuse positive numbers that are the logarithm of a power already.

    Galaxy power on these scales is tens to thousands of (Mpc/h)³ and falls by more than a
    decade; its logarithm, to base 10 or e, falls by a factor of few and is smaller than 15.

    Args:
        power: positive numbers ``[n, K]``.
        file: where they are from.

    Raises:
        DataError: they look like a logarithm.
    """
    if power.shape[1] < 3 or power.max() > LOG_BELOW:
        return
    falls = _fall(power)
    if (falls > LOG_FALLS[0]).mean() >= LOG_SHARE and np.median(falls) < LOG_FALLS[1]:
        raise DataError(
            f"{file}: values from {power.min():.3g} to {power.max():.3g} look like a logarithm of "
            "power already. Expected galaxy power P(k) in (Mpc/h)³, which is tens to thousands: "
            "save the power itself, 10**values of log10."
        )
