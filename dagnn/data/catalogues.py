"""Galaxy catalogues as periodic radius graphs, of one or several snapshots."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, cycle
from pathlib import Path

import numpy as np

from dagnn.catalogs.cache import BoxRequest, Shard
from dagnn.catalogs.catalog import Catalog, Selection
from dagnn.catalogs.collection import SuiteCatalogs, load_boxes, prepare_boxes
from dagnn.catalogs.layouts import catalog_redshifts, find_layouts, natural_order
from dagnn.catalogs.reader import guess_simulation, read_catalog
from dagnn.catalogs.suites import find_suite, generic_suite, guess_suite, same_redshift
from dagnn.data.galaxies import GalaxyGraphs, load_galaxies
from dagnn.data.mocking import universes
from dagnn.data.requests import (
    CATALOGUES,
    Inputs,
    Loaded,
    Mocks,
    Progress,
    Request,
    Simulations,
    common_suite,
    few,
)
from dagnn.errors import ConfigError, MismatchError, MissingDataError, UsageError, nearest
from dagnn.graphs.features import CONVENTIONS, NODE_FEATURES
from dagnn.records import Coverage, FloatArray


class Galaxies(Simulations):
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

    def redshifts(self, request: Request) -> tuple[float, ...]:
        """Return the redshifts that the first few simulations have catalogues at."""
        suite = find_suite(request.suite)
        return catalog_redshifts(suite, request.data, request.set, request.volume, self.template)

    def find(self, request: Request) -> None:
        """Check that a suite has catalogues at every redshift."""
        suite = find_suite(request.suite)
        for redshift in request.redshifts:
            find_layouts(suite, request.data, request.set, redshift, request.volume, self.template)

    def prepare(self, request: Request, shard: Shard) -> int:
        """Read a share of a suite's catalogues into the column cache."""
        return sum(prepare_boxes(each, shard) for each in self._box_requests(request))

    def load(self, request: Request) -> Loaded:
        """Read a suite's catalogues and link their galaxies, each snapshot for itself.

        Raises:
            MissingDataError: no box is there at every redshift.
            DataError: see :func:`dagnn.catalogs.collection.load_boxes`.
        """
        snapshots = [
            load_boxes(each, request.scaling.names, labelled=request.labelled)
            for each in self._box_requests(request)
        ]
        boxes = snapshots[0] if len(snapshots) == 1 else _common(snapshots, request.redshifts)
        graphs = self._graphs(boxes.catalogs, boxes.ids, boxes.truth, request)
        skipped = [f"left out {name}: {reason}" for name, reason in boxes.skipped.items()]
        return Loaded(
            graphs,
            boxes.mock,
            boxes.fingerprint,
            (*few(skipped), *boxes.notes, *_odd(boxes.catalogs)),
            coverage=boxes.coverage,
            inputs=self._inputs,
        )

    def _box_requests(self, request: Request) -> list[BoxRequest]:
        """Return the request for the boxes at each redshift."""
        _check_redshifts(request.redshifts, self.convention)
        return [
            BoxRequest(
                suite=find_suite(request.suite),
                data=request.data,
                set=request.set,
                redshift=redshift,
                volume=request.volume,
                selection=self.selection,
                limit=request.limit,
                template=self.template,
                workers=request.workers,
                cache=request.cache,
                on_progress=_share(request.on_progress, number, len(request.redshifts)),
            )
            for number, redshift in enumerate(request.redshifts)
        ]

    def read(self, files: Sequence[Path], request: Request) -> Loaded:
        """Read loose catalogues; as many consecutive ones as redshifts form an input."""
        redshifts = request.redshifts
        _check_redshifts(redshifts, self.convention)
        _check_files(files, len(redshifts))
        catalogs = [
            read_catalog(
                file,
                selection=self.selection,
                redshift=redshift,
                box_size=_box_size(file, request.volume),
            )
            for file, redshift in zip(files, cycle(redshifts), strict=False)
        ]
        names = [str(file) for file in files[:: len(redshifts)]]
        unknown = np.full((len(names), len(request.scaling.names)), np.nan)
        graphs = self._graphs(catalogs, names, unknown, replace(request, workers=1))
        mock = any(catalog.mock for catalog in catalogs)
        return Loaded(graphs, mock, "", _odd(catalogs), common_suite(files), inputs=self._inputs)

    def _graphs(
        self, catalogs: Sequence[Catalog], ids: Sequence[str], truth: FloatArray, request: Request
    ) -> GalaxyGraphs:
        return load_galaxies(
            catalogs,
            ids,
            truth,
            request.scaling,
            self.linking_radius,
            self.features,
            self.convention,
            workers=request.workers,
            redshifts=request.redshifts,
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


def _share(on_progress: Progress | None, number: int, together: int) -> Progress | None:
    """Return what reports one of several equal shares of a job."""
    if on_progress is None:
        return None
    return lambda done, total: on_progress(number * total + done, together * total)


def _common(suites: Sequence[SuiteCatalogs], redshifts: Sequence[float]) -> SuiteCatalogs:
    """Keep the boxes that every snapshot has, in the order of the first."""
    first = suites[0]
    boxes = [dict(zip(suite.ids, suite.catalogs, strict=True)) for suite in suites]
    rows = [row for row, name in enumerate(first.ids) if all(name in box for box in boxes)]
    skipped = {name: reason for suite in suites for name, reason in suite.skipped.items()}
    every = dict.fromkeys(name for suite in suites for name in suite.ids)
    for suite, redshift in zip(suites, redshifts, strict=True):
        for name in every:
            if name not in suite.ids and name not in skipped:
                skipped[name] = f"there is no catalogue at z={redshift:g}"
    if not rows:
        asked = ", ".join(f"{redshift:g}" for redshift in redshifts)
        name, reason = next(iter(skipped.items()))
        raise MissingDataError(
            f"No {first.set} box of {first.suite.name} is there at every redshift ({asked}). "
            f"Left out {name}: {reason}. Check data.redshifts and data.limit."
        )
    ids = tuple(first.ids[row] for row in rows)
    together = "".join(suite.fingerprint for suite in suites)
    return replace(
        first,
        ids=ids,
        catalogs=tuple(box[name] for name in ids for box in boxes),
        truth=first.truth[rows],
        skipped=skipped,
        coverage=_coverage(suites, redshifts, ids),
        mock=any(suite.mock for suite in suites),
        fingerprint=hashlib.blake2b(together.encode(), digest_size=12).hexdigest(),
    )


def _coverage(
    suites: Sequence[SuiteCatalogs], redshifts: Sequence[float], ids: Sequence[str]
) -> Coverage:
    """Count boxes over all redshifts: each is left out once, for the first reason there is."""
    names: dict[str, str] = {}
    for suite in suites:
        for reason, without in suite.coverage.left_out.items():
            names |= {name: reason for name in without if name not in names}
    absent = {name for suite in suites for name in suite.ids} - {*ids, *names}
    left_out = {reason: tuple(n for n in names if names[n] == reason) for reason in names.values()}
    left_out["not at every redshift"] = tuple(sorted(absent, key=natural_order))
    remarks = dict.fromkeys(
        f"z={redshift:g}: {remark}"
        for suite, redshift in zip(suites, redshifts, strict=True)
        for remark in suite.coverage.remarks
    )
    return Coverage(len(ids) + len(names) + len(absent), left_out, tuple(remarks))


def _box_size(file: Path, volume: str) -> float | None:
    """Return the box length that a volume has in the suite that a path names."""
    suite = guess_suite(file) or generic_suite()
    return suite.box_size(volume) if volume else None


def _odd(catalogs: Sequence[Catalog]) -> tuple[str, ...]:
    """Sum up what the reader found odd in many catalogues."""
    dropped = sum(catalog.n_nonfinite for catalog in catalogs)
    odd = [f"{c.simulation}: {warning}" for c in catalogs for warning in c.warnings]
    if dropped:
        odd.insert(0, f"{dropped} galaxies with a NaN, infinite or negative value were left out")
    return few(odd)


def _check_redshifts(redshifts: Sequence[float], convention: str) -> None:
    """Refuse redshifts that cannot form one graph.

    Raises:
        ConfigError: two of them mean one snapshot, or the convention knows only one.
    """
    for one, other in combinations(redshifts, 2):
        if same_redshift(one, other):
            raise ConfigError(
                f"data.redshifts: {one:g} and {other:g} mean the same snapshot. Name it once."
            )
    if len(redshifts) > 1 and convention != "periodic":
        raise ConfigError(
            f"data.convention: {convention} graphs have one snapshot, as the published networks "
            f"expect; data.redshifts names {len(redshifts)}. Choose the convention periodic, or "
            "one redshift."
        )


def _check_files(files: Sequence[Path], together: int) -> None:
    """Refuse files that do not come in inputs of as many as there are redshifts.

    Raises:
        UsageError: their number is not a multiple.
        MismatchError: the paths of one input name different simulations.
    """
    if len(files) % together:
        raise UsageError(
            f"One input is made of {together} files, one per redshift; got {len(files)} files."
        )
    for first in range(0, len(files), together):
        own = files[first : first + together]
        # A path that names no simulation gives the stem, which says nothing.
        named = {name for file in own if (name := guess_simulation(file)) != file.stem}
        if len(named) > 1:
            raise MismatchError(
                f"{own[0]} begins an input of {together} snapshots of one box, but its files are "
                f"of {' and '.join(sorted(named))}. Name all snapshots of a box, then the next box."
            )
