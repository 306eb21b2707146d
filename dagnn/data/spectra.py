"""Galaxy power spectra as summary vectors, with their truth."""

import copy
import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, device

from dagnn.catalogs.cache import Shard
from dagnn.catalogs.layouts import find_table
from dagnn.catalogs.suites import find_suite
from dagnn.catalogs.tables import ParameterTable, read_labels, read_table
from dagnn.data.power import (
    SAME_REDSHIFT,
    SPACINGS,
    available_redshifts,
    features,
    find_power,
    kmax_of,
    kmax_there,
    read_power,
    require_redshifts,
)
from dagnn.data.requests import (
    SPECTRA,
    Inputs,
    Loaded,
    Request,
    Simulations,
    checked_truth,
    common_suite,
    few,
    truth_groups,
)
from dagnn.errors import DataError, MismatchError, MissingDataError, UsageError, nearest
from dagnn.parameters import Scaling
from dagnn.records import Coverage, FloatArray, TensorBatch


class Spectra:
    """Summary vectors in memory.

    Args:
        x: features ``[n, F]``.
        ids: one name per item.
        truth: physical parameters ``[n, P]``; NaN where unknown.
        scaling: names and priors of the ``P`` parameters.
        groups: items with equal group share one truth; by default items whose
            truth is equal, and every item of unknown truth for itself.

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
    ) -> None:
        self.x = torch.as_tensor(np.array(x, dtype=np.float32))
        if len(self.x) == 0:
            raise DataError("There is no spectrum to build a dataset from.")
        self.y = checked_truth(truth, ids, scaling, len(self.x))
        self.ids = tuple(ids)
        self.groups = tuple(groups) if groups is not None else truth_groups(ids, self.y)
        self.scaling = scaling
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

    def batch(self, index: Tensor) -> TensorBatch:
        """Gather the items at ``index`` (``[B]`` integers)."""
        index = index.to(self.x.device)
        return TensorBatch(self.x[index], self._scaled[index], self.domain)

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
        """Describe the features."""
        features = f"{self.x.shape[1]} features in all"
        return {
            "log10 P(k)": f"galaxy power spectrum in (Mpc/h)³, redshift by redshift, {features}"
        }

    def __repr__(self) -> str:
        names = ", ".join(self.scaling.names)
        return f"Spectra({len(self)} spectra of {self.x.shape[1]} features; {names})"


class PowerSpectra(Simulations):
    """Galaxy power spectra as summary vectors.

    Args:
        bins: bins of wavenumber per redshift; None keeps every column of the file.
        spacing: of the bins, see :data:`dagnn.data.power.SPACINGS`.
        kmax: largest wavenumber of the files in h/Mpc, where a folder has files of several;
            None takes the largest that all suites of a run have, or that its network was
            trained on.
    """

    reads = SPECTRA

    def __init__(
        self, bins: int | None = 20, spacing: str = "log", kmax: float | None = None
    ) -> None:
        if bins is not None and bins < 1:
            raise ValueError(f"bins must be at least 1, or null; got {bins}")
        if spacing not in SPACINGS:
            raise ValueError(f"unknown spacing {spacing!r}. {nearest(spacing, SPACINGS)}")
        self.bins = bins
        self.spacing = spacing
        self.kmax = kmax

    def redshifts(self, request: Request) -> tuple[float, ...]:
        """Return the redshifts that there are files of."""
        suite = find_suite(request.suite)
        return available_redshifts(suite, request.data, request.set, self.kmax)

    def shared_options(self, requests: Sequence[Request], trained: Inputs) -> dict[str, Any]:
        """Return the largest wavenumber, where files of several are there and none is set."""
        there = [
            kmax_there(request.data, find_suite(request.suite), redshift, request.set)
            for request in requests
            for redshift in request.redshifts
        ]
        if self.kmax is not None or all(len(each) < 2 for each in there):
            return {}
        own = {kmax for kmax in trained.kmax.values() if kmax}
        common = own if len(own) == 1 else set.intersection(*(each for each in there if each))
        return {"kmax": max(common)} if common else {}

    def find(self, request: Request) -> None:
        """Check that a suite has spectra at every redshift."""
        suite = find_suite(request.suite)
        for redshift in request.redshifts:
            find_power(request.data, suite, redshift, request.set, self.kmax)

    def prepare(self, request: Request, shard: Shard) -> None:
        """Check that a suite's files are there; each is read at once."""
        if request.labelled:
            suite = find_suite(request.suite)
            find_table(suite, request.data, request.set, request.volume)
        self.find(request)

    def load(self, request: Request) -> Loaded:
        """Read a suite's spectra with the truth from its parameter table.

        Row ``i`` of a file belongs to simulation ``{set}_{i}``. Features are ``log10 P`` in
        (Mpc/h)³, rebinned in wavenumber, one redshift after the other. A simulation with a
        power that is not positive and finite at any redshift is left out.

        Raises:
            MissingDataError: a file is absent; the message lists what is there.
            TruncatedFileError: a file is shorter than its header says.
            MismatchError: a file has fewer rows than the table has simulations of the set.
            TableError: labels lie far outside the suite's prior.
            DataError: a file holds something else, or no usable spectrum is left.
        """
        data, suite, set_name = request.data, find_suite(request.suite), request.set
        table = None
        try:
            table = read_table(find_table(suite, data, set_name, request.volume))
        except MissingDataError:
            if request.labelled:
                raise
        listed = None if table is None else _numbers(table, set_name)
        found = [find_power(data, suite, z, set_name, self.kmax) for z in request.redshifts]
        files = [file for file, _ in found]
        every = np.arange(len(read_power(files[0]))) if listed is None else listed
        rows = every[: request.limit]
        power = [_rows_of(file, rows) for file in files]
        usable = np.all([_positive(p) for p in power], axis=0)
        ids = [f"{set_name}_{row}" for row in rows[usable]]
        dropped = [f"{set_name}_{row}" for row in rows[~usable]]
        if not ids:
            raise DataError(f"{files[0]}: no spectrum is positive and finite everywhere.")
        power = [p[usable] for p in power]
        columns, inputs, odd = features(power, files, self.bins, self.spacing)
        notes = [f"left out {name}: power not positive and finite" for name in dropped]
        notes = list(few(notes))
        for file, redshift in zip(files, request.redshifts, strict=True):
            notes += _chosen(file, kmax_there(data, suite, redshift, set_name))
        notes += odd
        notes += [
            f"z={wanted:g} is read from the snapshot at z={there:.2f}"
            for wanted, (_, there) in zip(request.redshifts, found, strict=True)
            if abs(wanted - there) > SAME_REDSHIFT
        ]
        truth = np.full((len(ids), len(request.scaling.names)), np.nan)
        if table is not None and listed is not None:
            truth, unusual = read_labels(table, ids, request.scaling.names, suite)
            notes += unusual
            there = len(read_power(files[0]))
            if request.limit is None and there != len(listed):
                notes.append(
                    f"{files[0].name} has {there} rows, {table.path.name} lists {len(listed)} "
                    f"{set_name} simulations"
                )
        left_out = {
            "power not positive and finite": tuple(dropped),
            "beyond the limit": tuple(f"{set_name}_{row}" for row in every[len(rows) :]),
        }
        spectra = Spectra(columns, ids, truth, request.scaling)
        return Loaded(
            spectra,
            False,
            spectra.fingerprint,
            tuple(notes),
            coverage=Coverage(len(every), left_out, item="spectra"),
            inputs=inputs,
        )

    def read(self, files: Sequence[Path], request: Request) -> Loaded:
        """Read loose files of spectra; as many consecutive ones as redshifts form an input.

        Args:
            files: ``.npy`` files ``[n, K]`` or ``[K]``, with ``k_values.txt`` beside them.
            request: gives redshifts and what is inferred.

        Raises:
            UsageError: the number of files is not a multiple of that of the redshifts.
            MismatchError: files of one input have different numbers of rows.
            DataError: a file is absent or broken, or a power is not positive.
        """
        require_redshifts(files, request.redshifts)
        together = len(request.redshifts)
        if not files or len(files) % together:
            raise UsageError(
                f"One input is made of {together} files, one per redshift; got {len(files)} files."
            )
        names: list[str] = []
        notes: list[str] = []
        blocks: list[FloatArray] = []
        made: list[Inputs] = []
        for start in range(0, len(files), together):
            own = [Path(file) for file in files[start : start + together]]
            columns, inputs, odd = features(_complete(own), own, self.bins, self.spacing)
            blocks.append(columns)
            made.append(inputs)
            notes += odd
            inputs.require_same(made[0], str(own[0]), str(files[0]))
            names += [f"{own[0].stem}[{row}]" for row in range(len(columns))]
        unknown = np.full((len(names), len(request.scaling.names)), np.nan)
        # Files without wavenumbers could not be compared with the others: then none are known.
        inputs = next((each for each in made if not all(each.grid.values())), made[0])
        spectra = Spectra(np.concatenate(blocks), names, unknown, request.scaling)
        return Loaded(spectra, False, "", tuple(notes), suite=common_suite(files), inputs=inputs)


def _chosen(file: Path, there: Collection[float]) -> list[str]:
    """Name the file that is read where there are several with other wavenumbers."""
    others = ", ".join(f"{kmax:g}" for kmax in sorted(set(there) - {kmax_of(file)}))
    if not others:
        return []
    return [
        f"{file.name} is read, with wavenumbers up to {kmax_of(file):g} h/Mpc; there are files "
        f"up to {others} as well (data.kmax chooses)"
    ]


def _positive(power: FloatArray) -> NDArray[np.bool_]:
    return np.asarray((np.isfinite(power) & (power > 0)).all(1), dtype=bool)


def _complete(files: Sequence[Path]) -> list[FloatArray]:
    """Read the files of one input, every row of which must be usable."""
    power = [read_power(file) for file in files]
    if len({len(p) for p in power}) > 1:
        sizes = ", ".join(f"{file.name}: {len(p)}" for file, p in zip(files, power, strict=True))
        raise MismatchError(f"The files of one input have different numbers of rows ({sizes}).")
    for file, p in zip(files, power, strict=True):
        bad = np.flatnonzero(~_positive(p))
        if len(bad):
            raise DataError(
                f"{file}: power is not positive and finite in rows {bad[:5].tolist()} ({len(bad)} "
                f"of {len(p)}). Expected P(k) in (Mpc/h)³, not its logarithm."
            )
    return power


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
