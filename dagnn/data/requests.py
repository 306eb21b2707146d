"""What is asked of a modality, and what it gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dagnn.catalogs.cache import Shard
from dagnn.catalogs.suites import Suite
from dagnn.catalogs.tables import ParameterTable
from dagnn.data.inputs import Inputs
from dagnn.data.truth import NO_PARAMETERS, Truth
from dagnn.parameters import Scaling
from dagnn.records import Coverage, Dataset

Progress = Callable[[int, int], None]
Job = Callable[[Path, int, Progress], object]
"""Fill a folder, with a number of processes, telling (done, total)."""


@dataclass(frozen=True)
class Mocks:
    """Mock data that are made on demand.

    Attributes:
        what: they are called, ``universes`` or ``skies``.
        unlike: what they are not.
        folder: of the cache, where they are kept.
        jobs: title and maker of each part; what exists is kept.
    """

    what: str
    unlike: str
    folder: Path
    jobs: tuple[tuple[str, Job], ...]


@dataclass(frozen=True)
class Request:
    """Which items of which suite are wanted.

    A modality reads the fields that mean something to it: images have no redshift.

    Attributes:
        suite: any spelling of a suite's name, or the suite itself.
        data: data folder.
        scaling: names and priors of what is inferred; empty for classes.
        classes: names of the classes that the network knows; empty for parameters.
        set: simulation set, for example ``LH``.
        volume: for example ``L25n256``.
        redshifts: snapshots that form one input.
        limit: at most this many items.
        labelled: whether missing truth is an error.
        workers: processes that read files.
        cache: folder of the column cache; None reads the files each time.
        on_progress: called with (done, total).
    """

    suite: str | Suite
    data: Path
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
    """A suite as a dataset, and what a person should know about it.

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


class Modality(Protocol):
    """How suites and loose files become datasets.

    Attributes:
        shared_objects: whether equal group names in two suites mean the same object, which
            a split must then keep in one part of both.
        reads: what its files are, one of those of :mod:`dagnn.data.kinds`.
    """

    shared_objects: bool
    reads: str

    def name(self, suite: str) -> str:
        """Return the short name of a suite in any spelling."""
        ...

    def truth(
        self, sources: Sequence[str], targets: Sequence[str], parameters: Sequence[str], data: Path
    ) -> Truth:
        """Say what a network trained on these suites is asked for: parameters or classes."""
        ...

    def prior(self, suite: str, parameter: str) -> tuple[float, float]:
        """Return lower and upper end of a parameter's prior in a suite."""
        ...

    def find(self, request: Request) -> None:
        """See that the files of a suite are there, without reading them.

        Raises:
            MissingDataError: they are not.
        """
        ...

    def suites(self, data: Path, set_name: str, volume: str = "L25n256") -> tuple[str, ...]:
        """Return the short names of the known suites that a folder holds."""
        ...

    def redshifts(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> tuple[float, ...]:
        """Return the redshifts that a suite is there at, increasing; none where unknown."""
        ...

    def table(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> ParameterTable | None:
        """Return the table of all parameters of a suite; None where items have none.

        Raises:
            MissingDataError: there should be one.
        """
        ...

    def mocks(self, suites: Sequence[str], boxes: int) -> Mocks:
        """Say which mock data there are of some suites, of as many boxes each.

        Raises:
            UsageError: there are none; the message goes on after "There are no data, and".
        """
        ...

    def shared_options(self, requests: Sequence[Request], trained: Inputs) -> dict[str, Any]:
        """Return options that are not set and that all suites of a run must share.

        Args:
            requests: for all of its suites.
            trained: inputs of the network that they are for; empty where none is trained.
        """
        ...

    def load(self, request: Request) -> Loaded:
        """Read a suite with its truth."""
        ...

    def prepare(self, request: Request, shard: Shard) -> int | None:
        """Read a share of a suite's files into the cache, ahead of :meth:`load`.

        Returns:
            The number of files that were read, zero where all are cached; None where the
            modality has no cache, because a suite is a few files.

        Raises:
            MissingDataError: the suite is not there, cache or not.
        """
        ...

    def read(
        self,
        files: Sequence[Path],
        scaling: Scaling,
        redshifts: Sequence[float] = (0.0,),
        volume: str | None = None,
        classes: Sequence[str] = (),
        suite: str | None = None,
    ) -> Loaded:
        """Read loose files whose truth is unknown; headers must agree with the rest.

        Of a file that holds several suites, it reads the one of the name ``suite``.
        """
        ...
