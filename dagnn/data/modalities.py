"""What a simulation can be read as: one class per modality, one line in the table.

A modality knows how to turn a suite, or loose files, into a dataset; nothing
downstream asks which one it was.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from dagnn.catalogs.cache import Shard
from dagnn.catalogs.catalog import Catalog, Selection
from dagnn.catalogs.layouts import catalog_redshifts, find_layouts, find_table
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.suites import find_suite, generic_suite, guess_suite, known_suites
from dagnn.catalogs.tables import ParameterTable, read_table
from dagnn.data.galaxies import GalaxyGraphs, load_galaxies
from dagnn.data.inputs import Inputs
from dagnn.data.kinds import CATALOGUES, SPECTRA
from dagnn.data.mocking import universes
from dagnn.data.power import SPACINGS, available_redshifts, find_power, kmax_there
from dagnn.data.requests import Loaded, Mocks, Modality, Progress, Request
from dagnn.data.snapshots import check_files, check_redshifts, load_snapshots, prepare_snapshots
from dagnn.data.spectra import load_spectra, read_spectra
from dagnn.data.spectra_names import require_redshifts
from dagnn.data.surveys import SurveyImages
from dagnn.data.truth import Truth, widest_scaling
from dagnn.errors import UsageError, nearest
from dagnn.graphs.features import CONVENTIONS, NODE_FEATURES
from dagnn.parameters import Scaling
from dagnn.records import FloatArray

__all__ = ["MODALITIES", "Loaded", "Modality", "Progress", "Request"]


class _Simulations(ABC):
    """What modalities of simulation suites share: names and priors come from ``catalogs/``."""

    # LH_0 of one suite has nothing to do with LH_0 of another.
    shared_objects = False

    def name(self, suite: str) -> str:
        """Return the short name of a suite in any spelling."""
        return find_suite(suite).short_name

    def truth(
        self, sources: Sequence[str], targets: Sequence[str], parameters: Sequence[str], data: Path
    ) -> Truth:
        """Return the parameters, scaled by priors that are wide enough for every suite."""
        suites = [find_suite(suite) for suite in (*sources, *targets)]
        return Truth(scaling=widest_scaling(parameters, suites))

    def prior(self, suite: str, parameter: str) -> tuple[float, float]:
        """Return lower and upper end of a parameter's prior in a suite."""
        return find_suite(suite).prior(parameter)

    def table(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> ParameterTable | None:
        """Return the table that labels a suite's simulations."""
        return read_table(find_table(find_suite(suite), data, set_name, volume))

    def suites(self, data: Path, set_name: str, volume: str = "L25n256") -> tuple[str, ...]:
        """Return the known suites that are there at any redshift."""
        known = known_suites()
        return tuple(name for name in known if self.redshifts(name, data, set_name, volume))

    @abstractmethod
    def redshifts(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> tuple[float, ...]:
        """Return the redshifts that a suite is there at."""

    def shared_options(self, requests: Sequence[Request], trained: Inputs) -> dict[str, Any]:
        """Return nothing: the configuration sets every option."""
        return {}

    def mocks(self, suites: Sequence[str], boxes: int) -> Mocks:
        """Refuse: mocks are made of catalogues."""
        raise UsageError("mocks exist for galaxies and images only")


class Galaxies(_Simulations):
    """Galaxy catalogues as periodic radius graphs; of several redshifts, their disjoint union.

    Args:
        linking_radius: in units of the box.
        features: node feature set, see :data:`dagnn.graphs.NODE_FEATURES`.
        convention: see :data:`dagnn.graphs.CONVENTIONS`.
        min_star_particles: a galaxy has more than this.
        min_stellar_mass: lower limit in Msun/h; None sets none.
        template: explicit file pattern with ``{suite}``, ``{set}``, ``{sim}``, ``{i}``, ``{snap}``.
    """

    reads = CATALOGUES

    def __init__(
        self,
        linking_radius: float = 0.015,
        features: str = "all",
        convention: str = "periodic",
        min_star_particles: int = 20,
        min_stellar_mass: float | None = None,
        template: str | None = None,
    ) -> None:
        if not 0 < linking_radius < 0.5:
            raise ValueError(f"linking_radius is in box units, below 0.5; got {linking_radius}")
        if features not in NODE_FEATURES:
            raise ValueError(f"unknown features {features!r}. {nearest(features, NODE_FEATURES)}")
        if convention not in CONVENTIONS:
            raise ValueError(
                f"unknown convention {convention!r}. {nearest(convention, CONVENTIONS)}"
            )
        self.linking_radius = linking_radius
        self.features = features
        self.convention = convention
        self.selection = Selection(min_star_particles, min_stellar_mass)
        self.template = template

    def mocks(self, suites: Sequence[str], boxes: int) -> Mocks:
        """Return mock suites."""
        return universes(suites, boxes)

    def redshifts(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> tuple[float, ...]:
        """Return the redshifts that the first few simulations have catalogues at."""
        return catalog_redshifts(find_suite(suite), data, set_name, volume, self.template)

    def find(self, request: Request) -> None:
        """See that a suite has catalogues at every redshift."""
        suite = find_suite(request.suite)
        for redshift in request.redshifts:
            find_layouts(suite, request.data, request.set, redshift, request.volume, self.template)

    def prepare(self, request: Request, shard: Shard) -> int:
        """Read a share of a suite's catalogues into the column cache."""
        check_redshifts(request.redshifts, self.convention)
        return prepare_snapshots(request, self.selection, self.template, shard)

    def load(self, request: Request) -> Loaded:
        """Read a suite's catalogues and link their galaxies, each snapshot for itself."""
        check_redshifts(request.redshifts, self.convention)
        boxes = load_snapshots(request, self.selection, self.template)
        graphs = self._graphs(
            boxes.catalogs,
            boxes.ids,
            boxes.truth,
            request.scaling,
            request.redshifts,
            request.workers,
        )
        skipped = [f"left out {name}: {reason}" for name, reason in boxes.skipped.items()]
        notes = (*_few(skipped), *boxes.notes, *_odd(boxes.catalogs))
        return Loaded(
            graphs,
            boxes.mock,
            boxes.fingerprint,
            notes,
            coverage=boxes.coverage,
            inputs=self._inputs,
        )

    @property
    def _inputs(self) -> Inputs:
        return Inputs(
            {
                "features": list(NODE_FEATURES[self.features]),
                "convention": self.convention,
                "linking_radius": self.linking_radius,
                "min_star_particles": self.selection.min_star_particles,
                "min_stellar_mass": self.selection.min_stellar_mass,
            }
        )

    def read(
        self,
        files: Sequence[Path],
        scaling: Scaling,
        redshifts: Sequence[float] = (0.0,),
        volume: str | None = None,
        classes: Sequence[str] = (),
        suite: str | None = None,
    ) -> Loaded:
        """Read loose catalogues; as many consecutive ones as redshifts form an input."""
        check_redshifts(redshifts, self.convention)
        check_files(files, len(redshifts))
        catalogs = [
            read_catalog(
                file,
                selection=self.selection,
                redshift=redshift,
                box_size=_box_size(file, volume),
            )
            for file, redshift in zip(files, cycle(redshifts), strict=False)
        ]
        names = [str(file) for file in files[:: len(redshifts)]]
        unknown = np.full((len(names), len(scaling.names)), np.nan)
        graphs = self._graphs(catalogs, names, unknown, scaling, redshifts, 1)
        mock = any(catalog.mock for catalog in catalogs)
        return Loaded(graphs, mock, "", _odd(catalogs), _common_suite(files), inputs=self._inputs)

    def _graphs(
        self,
        catalogs: Sequence[Catalog],
        ids: Sequence[str],
        truth: FloatArray,
        scaling: Scaling,
        redshifts: Sequence[float],
        workers: int,
    ) -> GalaxyGraphs:
        return load_galaxies(
            catalogs,
            ids,
            truth,
            scaling,
            self.linking_radius,
            self.features,
            self.convention,
            workers=workers,
            redshifts=redshifts,
        )


class PowerSpectra(_Simulations):
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

    def redshifts(
        self, suite: str, data: Path, set_name: str, volume: str = "L25n256"
    ) -> tuple[float, ...]:
        """Return the redshifts that there are files of."""
        return available_redshifts(find_suite(suite), data, set_name, self.kmax)

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
        """See that a suite has spectra at every redshift."""
        suite = find_suite(request.suite)
        for redshift in request.redshifts:
            find_power(request.data, suite, redshift, request.set, self.kmax)

    def prepare(self, request: Request, shard: Shard) -> None:
        """See that a suite's files are there; each is read at once."""
        if request.labelled:
            suite = find_suite(request.suite)
            find_table(suite, request.data, request.set, request.volume)
        self.find(request)

    def load(self, request: Request) -> Loaded:
        """Read a suite's spectra."""
        spectra = load_spectra(
            request.suite,
            request.data,
            redshifts=request.redshifts,
            parameters=request.scaling,
            bins=self.bins,
            spacing=self.spacing,
            set=request.set,
            volume=request.volume,
            limit=request.limit,
            labelled=request.labelled,
            kmax=self.kmax,
        )
        dropped = [f"left out {name}: power not positive and finite" for name in spectra.dropped]
        notes = (*_few(dropped), *spectra.notes)
        return Loaded(
            spectra,
            False,
            spectra.fingerprint,
            notes,
            coverage=spectra.coverage,
            inputs=spectra.inputs,
        )

    def read(
        self,
        files: Sequence[Path],
        scaling: Scaling,
        redshifts: Sequence[float] = (0.0,),
        volume: str | None = None,
        classes: Sequence[str] = (),
        suite: str | None = None,
    ) -> Loaded:
        """Read loose files of spectra; as many consecutive ones as redshifts form an input."""
        require_redshifts(files, redshifts)
        spectra = read_spectra(files, scaling, self.bins, len(redshifts), spacing=self.spacing)
        return Loaded(
            spectra, False, "", spectra.notes, suite=_common_suite(files), inputs=spectra.inputs
        )


MODALITIES: dict[str, Callable[..., Modality]] = {
    "galaxies": Galaxies,
    "spectra": PowerSpectra,
    "images": SurveyImages,
}


def _common_suite(files: Sequence[Path]) -> str | None:
    """Return the suite that all paths name, if they agree."""
    named = {suite.short_name if (suite := guess_suite(file)) else None for file in files}
    return named.pop() if len(named) == 1 else None


def _box_size(file: Path, volume: str | None) -> float | None:
    """Return the box length that a volume has in the suite that a path names."""
    suite = guess_suite(file) or generic_suite()
    return suite.box_size(volume) if volume else None


def _odd(catalogs: Sequence[Catalog]) -> tuple[str, ...]:
    """Sum up what the reader found odd in many catalogues."""
    dropped = sum(catalog.n_nonfinite for catalog in catalogs)
    odd = [f"{c.simulation}: {warning}" for c in catalogs for warning in c.warnings]
    if dropped:
        odd.insert(0, f"{dropped} galaxies with a NaN, infinite or negative value were left out")
    return _few(odd)


def _few(notes: Sequence[str], shown: int = 5) -> tuple[str, ...]:
    rest = len(notes) - shown
    return (*notes[:shown], *([f"... and {rest} more"] if rest > 0 else []))
