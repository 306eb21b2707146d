"""What is requested of a modality, what it returns, and what must be equal in one run."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dagnn.catalogs.cache import Shard
from dagnn.catalogs.layouts import find_table
from dagnn.catalogs.suites import Suite, find_suite, guess_suite, known_suites
from dagnn.catalogs.tables import ParameterTable, read_table
from dagnn.errors import ConfigError, MismatchError, UsageError
from dagnn.parameters import Scaling
from dagnn.records import Coverage, Dataset

CATALOGUES = "galaxy catalogues (HDF5, such as groups_090.hdf5)"
SPECTRA = "galaxy power spectra (.npy [boxes, wavenumbers], such as Pk_galaxies_*.npy)"
IMAGES = "images (.npz, .npy or HDF5 [images, channels, height, width], PNG or JPEG)"

Progress = Callable[[int, int], None]
Grid = Mapping[str, Sequence[float]]
"""Redshift by redshift, the wavenumbers [h/Mpc] of a file's columns; empty where unknown."""

# Files of text are rounded, at the worst to one decimal; small steps are no rounding.
_ROUNDED, _OF_A_STEP, _RELATIVE = 0.05, 0.25, 0.005
_SAME_KMAX = 0.05
# In dex: suites differ by 0.1 to 0.3, powers in (Mpc/h)³ and Mpc³ by 0.5.
_SAME_UNIT = 0.4

NO_PARAMETERS = Scaling((), (), ())


@dataclass(frozen=True)
class Truth:
    """What a network predicts: physical parameters or classes; the other is empty.

    Attributes:
        scaling: names and priors of the parameters.
        classes: names of the classes that the network knows.
    """

    scaling: Scaling = NO_PARAMETERS
    classes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, or of the classes."""
        return self.scaling.names or self.classes

    @property
    def answer(self) -> Scaling | tuple[str, ...]:
        """Scaling of the parameters, or names of the classes."""
        return self.classes or self.scaling


@dataclass(frozen=True)
class Inputs:
    """How inputs were made of files, as the checkpoint keeps it.

    Attributes:
        settings: option → value; equal in all inputs of one network.
        grid: redshift by redshift (``redshift 1``, ...), the wavenumbers in h/Mpc of a file of
            spectra, before it is rebinned; empty where nothing gives them. Inputs that have no
            wavenumbers have no entry.
        kmax: redshift by redshift, the largest wavenumber that the file's name gives; 0 if none.
        files: redshift by redshift, the file.
        level: redshift by redshift, the median of log10 P of enough spectra.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)
    kmax: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    level: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def stored(cls, meta: Mapping[str, Any]) -> "Inputs":
        """Return what a checkpoint says; nothing where it is older than that."""
        return cls(**meta.get("inputs", {}))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return asdict(self)

    def require_same(
        self, other: "Inputs", what: str, whose: str, adjustable: Collection[str] = ()
    ) -> list[str]:
        """Compare with the inputs of other files; return what is unknown, as notes.

        Args:
            other: that they should be like.
            what: how messages call these.
            whose: how messages call the others.
            adjustable: settings that may differ, which is noted.

        Raises:
            MismatchError: a setting or the wavenumbers differ.
        """
        changed = [
            f"{name} is {self.settings[name]} for {what} and {value} for {whose}"
            for name, value in other.settings.items()
            if name in self.settings and not _equal(self.settings[name], value)
            if name not in adjustable
        ]
        if changed:
            raise MismatchError(
                f"Inputs are made in another way: {'; '.join(changed)}. The network reads every "
                "column as what it was in training, so both must be the same."
            )
        notes = [
            f"{name} is {self.settings[name]}, and {other.settings[name]} for {whose}"
            for name in adjustable
            if self.settings.get(name) != other.settings.get(name, self.settings.get(name))
        ]
        for name in self.grid:
            notes += self._require_same_grid(other, name, what, whose)
        for name in self.level.keys() & other.level.keys():
            dex = self.level[name] - other.level[name]
            if abs(dex) > _SAME_UNIT:
                notes.append(
                    f"the power of {what}, {name}, is typically {10**dex:.3g} times that of "
                    f"{whose}. Suites differ by less as a rule: check its unit, (Mpc/h)³"
                )
        return notes

    def _require_same_grid(self, other: "Inputs", name: str, what: str, whose: str) -> list[str]:
        here, there = self.grid[name], other.grid.get(name, ())
        ours, theirs = self.kmax.get(name, 0.0), other.kmax.get(name, 0.0)
        if here and there and not same_wavenumbers(here, there):
            raise MismatchError(
                f"{what}, {name}: {self._at(name)}; {whose}: {other._at(name)}. The network "
                "reads every column as one wavenumber, so both must be the same. Check the "
                "unit of k_values.txt (h/Mpc) and the largest wavenumber of the files "
                "(data.kmax chooses where a folder has several)."
            )
        if ours and theirs and not math.isclose(ours, theirs, rel_tol=_SAME_KMAX):
            raise MismatchError(
                f"{what}, {name}: wavenumbers up to {ours:g} h/Mpc by the name of "
                f"{self.files.get(name, 'the file')}; {whose}: up to {theirs:g} h/Mpc by the name "
                f"of {other.files.get(name, 'its file')}. Both must be the same, and "
                "k_values.txt that of the spectra beside it."
            )
        if here and there:
            return []
        unknown = whose if here else what
        return [
            f"The wavenumbers of {unknown} are not known, so that {what} and {whose} could not be "
            "compared in them (k_values.txt beside a file of spectra gives them; older runs do "
            "not keep them)."
        ]

    def _at(self, name: str) -> str:
        """Describe the wavenumbers of one redshift and where they are from."""
        k, file = self.grid[name], self.files.get(name)
        where = f" ({file})" if file else ""
        return f"{len(k)} wavenumbers from {k[0]:.4g} to {k[-1]:.4g} h/Mpc{where}"


@dataclass(frozen=True)
class Mocks:
    """Mock data that are made on demand.

    Attributes:
        what: they are called, ``universes`` or ``skies``.
        unlike: what they are not.
        folder: of the cache, where they are kept.
        jobs: title and maker of each part, called with ``folder``, ``workers`` and
            ``on_progress``; what exists is kept.
    """

    what: str
    unlike: str
    folder: Path
    jobs: tuple[tuple[str, Callable[..., object]], ...]


@dataclass(frozen=True)
class Request:
    """Which items of which suite to read.

    A modality uses the fields that mean something to it: images have no redshift.

    Attributes:
        suite: any spelling of a suite's name, or the suite itself; empty for loose files.
        data: data folder.
        scaling: names and priors of what is inferred; empty for classes.
        classes: names of the classes that the network knows; empty for parameters.
        set: simulation set, for example ``LH``.
        volume: for example ``L25n256``; empty where loose files may have any.
        redshifts: snapshots that form one input.
        limit: at most this many items.
        labelled: whether missing truth is an error.
        workers: processes that read files.
        cache: folder of the column cache; None reads the files each time.
        on_progress: called with (done, total).
    """

    suite: str | Suite = ""
    data: Path = Path()
    scaling: Scaling = NO_PARAMETERS
    classes: tuple[str, ...] = ()
    set: str = "LH"
    volume: str = "L25n256"
    redshifts: tuple[float, ...] = (0.0,)
    limit: int | None = None
    labelled: bool = True
    workers: int = 1
    cache: Path | None = None
    on_progress: Progress | None = None


@dataclass(frozen=True)
class Loaded:
    """A suite as a dataset, and what a reader of its results should know.

    Attributes:
        dataset: inputs and truth.
        mock: whether anything in it is synthetic.
        fingerprint: hash of what was read.
        notes: skipped boxes, warnings.
        suite: short name of the suite that loose files all name in their paths, if they do.
        coverage: how many items there are, and why some are not used; None of loose files.
        inputs: what the columns of inputs stand for, which must be as in training.
        parts: part of a split that the files assign each item to, empty where they do not;
            see :func:`dagnn.data.splits.split_items`.
    """

    dataset: Dataset
    mock: bool
    fingerprint: str
    notes: tuple[str, ...] = ()
    suite: str | None = None
    parts: tuple[str, ...] = ()
    coverage: Coverage | None = None
    inputs: Inputs = field(default_factory=Inputs)


class Modality(ABC):
    """How suites and loose files become datasets.

    Attributes:
        shared_objects: whether equal group names in two suites mean the same object, which
            a split must then keep in one part of both.
        reads: what its files are, such as :data:`CATALOGUES`.
    """

    shared_objects: ClassVar[bool] = False
    reads: ClassVar[str]

    @abstractmethod
    def name(self, suite: str) -> str:
        """Return the short name of a suite in any spelling."""

    @abstractmethod
    def truth(
        self, sources: Sequence[str], targets: Sequence[str], parameters: Sequence[str], data: Path
    ) -> Truth:
        """Return what a network trained on these suites predicts: parameters or classes."""

    @abstractmethod
    def suites(self, request: Request) -> tuple[str, ...]:
        """Return the short names of the known suites that a folder holds."""

    @abstractmethod
    def find(self, request: Request) -> None:
        """Check that the files of a suite are there, without reading them.

        Raises:
            MissingDataError: they are not.
        """

    @abstractmethod
    def load(self, request: Request) -> Loaded:
        """Read a suite with its truth."""

    @abstractmethod
    def read(self, files: Sequence[Path], request: Request) -> Loaded:
        """Read loose files whose truth is unknown; headers must agree with the request.

        Of a file that holds several suites, the one named by ``request.suite`` is read.
        """

    def prepare(self, request: Request, shard: Shard) -> int | None:
        """Read a share of a suite's files into the cache, ahead of :meth:`load`.

        Returns:
            The number of files that were read, zero where all are cached; None where the
            modality has no cache, because a suite is a few files.

        Raises:
            MissingDataError: the suite is not there, cache or not.
        """
        self.find(request)
        return None

    def prior(self, suite: str, parameter: str) -> tuple[float, float]:
        """Return lower and upper end of a parameter's prior in a suite.

        Raises:
            ConfigError: items have classes.
        """
        raise ConfigError(f"Images have classes, not parameters such as {parameter}.")

    def redshifts(self, request: Request) -> tuple[float, ...]:
        """Return the redshifts that a suite is there at, increasing; none where unknown."""
        return ()

    def table(self, request: Request) -> ParameterTable | None:
        """Return the table of all parameters of a suite; None where items have none.

        Raises:
            MissingDataError: there should be one.
        """
        return None

    def mocks(self, suites: Sequence[str], boxes: int) -> Mocks:
        """Return the mock data of some suites, of as many boxes each.

        Raises:
            UsageError: there are none; the message goes on after "There are no data, and".
        """
        raise UsageError("mocks exist for galaxies and images only")

    def shared_options(self, requests: Sequence[Request], trained: Inputs) -> dict[str, Any]:
        """Return options that are not set and that all suites of a run must share.

        Args:
            requests: for all of its suites.
            trained: inputs of the network that they are for; empty where none is trained.
        """
        return {}


class Simulations(Modality):
    """What modalities of simulation suites share: names and priors come from ``catalogs/``."""

    # Not shared objects: LH_0 of one suite has nothing to do with LH_0 of another.

    def name(self, suite: str) -> str:
        """Return the short name of a suite in any spelling."""
        return find_suite(suite).short_name

    def truth(
        self, sources: Sequence[str], targets: Sequence[str], parameters: Sequence[str], data: Path
    ) -> Truth:
        """Return the parameters, scaled by priors that are wide enough for every suite."""
        suites = [find_suite(suite) for suite in (*sources, *targets)]
        ranges = [[suite.prior(name) for suite in suites] for name in parameters]
        low = tuple(min(low for low, _ in of_one) for of_one in ranges)
        high = tuple(max(high for _, high in of_one) for of_one in ranges)
        return Truth(scaling=Scaling(tuple(parameters), low, high))

    def prior(self, suite: str, parameter: str) -> tuple[float, float]:
        """Return lower and upper end of a parameter's prior in a suite."""
        return find_suite(suite).prior(parameter)

    def table(self, request: Request) -> ParameterTable | None:
        """Return the table that labels a suite's simulations."""
        suite = find_suite(request.suite)
        return read_table(find_table(suite, request.data, request.set, request.volume))

    def suites(self, request: Request) -> tuple[str, ...]:
        """Return the known suites that are there at any redshift."""
        known = known_suites()
        return tuple(name for name in known if self.redshifts(replace(request, suite=name)))


def checked_truth(truth: ArrayLike, ids: Sequence[str], scaling: Scaling, items: int) -> Tensor:
    """Return the truth as float64 ``[n, P]`` after comparing it with names and items.

    Args:
        truth: physical parameters ``[n, P]``; NaN where unknown.
        ids: one name per item.
        scaling: names of the ``P`` parameters.
        items: ``n``.

    Raises:
        MismatchError: the numbers of items, names, rows or parameters differ.
    """
    values = torch.as_tensor(np.array(truth, dtype=np.float64))
    expected = (items, len(scaling.names))
    if len(ids) != items or tuple(values.shape) != expected:
        raise MismatchError(
            f"{items} items need as many ids and a truth of shape {list(expected)} "
            f"({', '.join(scaling.names)}); got {len(ids)} ids and shape {list(values.shape)}."
        )
    return values


def truth_groups(ids: Sequence[str], truth: Tensor) -> tuple[str, ...]:
    """Name the group of every item after the first item with the same truth.

    An item whose truth is unknown stands alone.

    Example:
        >>> truth_groups(["a", "b", "c"], torch.tensor([[0.3], [0.2], [0.3]]))
        ('a', 'b', 'a')
    """
    first: dict[tuple[float, ...], str] = {}
    groups = []
    for name, row in zip(ids, truth.tolist(), strict=True):
        known = not any(np.isnan(row))
        groups.append(first.setdefault(tuple(row), name) if known else name)
    return tuple(groups)


def same_wavenumbers(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Return whether two lists of wavenumbers are the same but for rounding.

    Example:
        >>> same_wavenumbers([0.356, 0.603, 0.858], [0.36, 0.6, 0.86])
        True
        >>> same_wavenumbers([0.356, 0.603, 0.858], [0.239, 0.405, 0.576])
        False
    """
    if len(ours) != len(theirs):
        return False
    k = np.asarray(theirs, dtype=float)
    steps = np.diff(k, prepend=0.0)
    step = np.minimum(steps, np.append(steps[1:], np.inf))
    allowed = np.maximum(_RELATIVE * k, np.minimum(_ROUNDED, _OF_A_STEP * step))
    return bool((np.abs(np.asarray(ours) - k) <= allowed).all())


def _equal(ours: Any, theirs: Any) -> bool:
    """Compare plain values; a checkpoint may give lists where there were tuples."""
    sequences = isinstance(ours, list | tuple) and isinstance(theirs, list | tuple)
    return bool(list(ours) == list(theirs) if sequences else ours == theirs)


def common_suite(files: Sequence[Path]) -> str | None:
    """Return the suite that all paths name, if they agree."""
    named = {suite.short_name if (suite := guess_suite(file)) else None for file in files}
    return named.pop() if len(named) == 1 else None


def few(notes: Sequence[str], shown: int = 5) -> tuple[str, ...]:
    """Return the first few notes, and how many more there are."""
    rest = len(notes) - shown
    return (*notes[:shown], *([f"... and {rest} more"] if rest > 0 else []))
