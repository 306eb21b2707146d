"""Calibrate error bars on the source, and on surrogates of the target made of it.

Error bars of a suite without labels can only be tested where labels exist. So the sources are
aligned with themselves, at another redshift or split in halves, and what a network gets wrong
there measures how far to trust it on the target.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import print_notes
from dagnn.data.requests import Request
from dagnn.data.splits import PARTS, Split
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.records import FloatArray
from dagnn.run.data import read_suite
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared, SuiteData, modality_of, summaries_of, truth_of
from dagnn.run.trained import AnyScale, Training, apply_scale, predict_all, read_scale
from dagnn.tasks import CLASSIFICATION, task_of
from dagnn.training import Checkpoint
from dagnn.trust.error_bars import (
    FEWEST,
    Temperature,
    VarianceScale,
    excess,
    fit_variance,
    influences,
)

NO_ITEMS = np.array([], dtype=np.int64)


@dataclass(frozen=True)
class Surrogate:
    """A task like the run's own, with a target whose truth is known.

    Attributes:
        name: of its folder.
        label: what progress calls its training.
        experiment: as the run's, with other targets.
        prepared: its data.
        transductive: whether all items of its targets measure it; otherwise their
            validation items do.
    """

    name: str
    label: str
    experiment: Experiment
    prepared: Prepared
    transductive: bool


def surrogates(experiment: Experiment, prepared: Prepared, console: Console) -> list[Surrogate]:
    """Make the surrogates of an experiment, and print why there are none.

    Args:
        experiment: of the run.
        prepared: its data.
        console: where progress and notes go.
    """
    wanted = experiment.calibration.surrogate
    made: list[Surrogate] = []
    lacking = []
    if wanted in ("auto", "redshift"):
        made = at_other_redshift(experiment, prepared, console)
        lacking.append("the source is there at no other redshift")
    if wanted in ("auto", "halves") and not made:
        made, why = halves(experiment, prepared)
        lacking.append(why)
    if not made and lacking:
        text = "error bars of suites without labels are calibrated on the source alone: "
        print_notes(console, [f"{text}{', and '.join(lacking)}."])
    return made


def at_other_redshift(
    experiment: Experiment, prepared: Prepared, console: Console
) -> list[Surrogate]:
    """Align the sources with themselves at another redshift.

    Every simulation keeps its part, so the surrogate's validation items were seen in
    training at no redshift. Test items are in neither domain.

    Returns:
        One surrogate; none where the sources are there at no other redshift.
    """
    modality = modality_of(experiment)
    sources, data = prepared.of_role("source"), experiment.data
    there = [
        modality.redshifts(Request(suite.asked, prepared.folder, set=data.set, volume=data.volume))
        for suite in sources
    ]
    common = sorted(set(there[0]).intersection(*there[1:]))
    redshifts = other_redshifts(data.redshifts, common)
    if redshifts is None:
        return []
    read = {"data": data.model_copy(update={"redshifts": list(redshifts), "target_prior": {}})}
    moved = _with_targets(experiment, "redshift", [f"{suite.name}-moved" for suite in sources])
    moved = moved.model_copy(update=read)
    targets = [
        _moved(moved, suite, len(sources) + number, prepared, console)
        for number, suite in enumerate(sources)
    ]
    at = ", ".join(f"{redshift:g}" for redshift in redshifts)
    label = f"a network for the error bars, on the source against itself at z = {at}"
    own = replace(prepared, suites=(*sources, *targets), intervals=())
    return [Surrogate("redshift", label, moved, own, transductive=False)]


def _with_targets(experiment: Experiment, name: str, targets: list[str]) -> Experiment:
    return experiment.model_copy(update={"name": f"{experiment.name}-{name}", "target": targets})


def other_redshifts(used: Sequence[float], there: Sequence[float]) -> tuple[float, ...] | None:
    """Choose as many redshifts as are used, as near as possible, at least one of them another.

    Args:
        used: redshifts of the inputs, in their order.
        there: redshifts that exist.

    Returns:
        None where there is no other.

    Example:
        >>> other_redshifts([0.0], [0.0, 1.05, 2.0])
        (1.05,)
        >>> other_redshifts([0.0, 1.0], [0.0, 1.05, 1.5])
        (0.0, 1.5)
    """
    snapshots = [min(there, key=lambda z: abs(z - asked)) for asked in used] if there else []
    spare = [z for z in there if z not in snapshots]
    if not spare:
        return None
    changes = [(abs(z - snapshots[k]), k, z) for k in range(len(used)) for z in spare]
    _, place, nearest = min(changes)
    return tuple(nearest if k == place else z for k, z in enumerate(snapshots))


def _moved(
    experiment: Experiment, suite: SuiteData, domain: int, prepared: Prepared, console: Console
) -> SuiteData:
    """Read a source at the surrogate's redshift, split as it is."""
    loaded = read_suite(
        experiment, suite.asked, prepared.folder, prepared.truth, console, labelled=True
    )
    inputs, other = suite.loaded.inputs, "the other redshift"
    print_notes(console, loaded.inputs.require_same(inputs, other, suite.name))
    assert suite.split is not None
    parts = suite.split.to_ids(suite.loaded.dataset.ids)
    position = {name: row for row, name in enumerate(loaded.dataset.ids)}
    rows = {
        part: np.array([position[name] for name in parts[part] if name in position], dtype=np.int64)
        for part in PARTS
    }
    moved = SuiteData(f"{suite.name}-moved", "target", loaded, Split(**rows))
    return moved.numbered("target", domain)


def halves(experiment: Experiment, prepared: Prepared) -> tuple[list[Surrogate], str]:
    """Align one half of the sources with the other: low and high in a further parameter.

    Of the parameters that the run does not infer, the one that moves the summaries most
    plays the part of unknown physics. A network learns one half, and the other half, of
    which it saw no label, measures it. Test items are in neither.

    Returns:
        Two surrogates, the low half as source and the high one; or none, and why.
    """
    sources = prepared.of_role("source")
    tables = [_further(experiment, suite, prepared) for suite in sources]
    name = _most_influential(prepared, tables)
    if name is None:
        return [], "its table has no further parameter that varies"
    high = [_upper(table[name], suite) for suite, table in zip(sources, tables, strict=True)]
    ways = {"low": [~each for each in high], "high": high}
    fewest = min(_fewest(sources, way) for way in ways.values())
    if fewest < FEWEST:
        need = f"its halves of low and high {name} need {FEWEST} boxes each to validate on"
        return [], f"{need} and have {fewest}"
    return [_half(experiment, prepared, name, way, ways[way]) for way in ways], ""


def _upper(values: FloatArray, suite: SuiteData) -> NDArray[np.bool_]:
    """Return which items lie above the middle of their part, so that every part is halved."""
    high = np.zeros(len(values), dtype=bool)
    for part in PARTS:
        rows = _of(suite, part)
        high[rows] = values[rows] > np.median(values[rows])
    return high


def _further(experiment: Experiment, suite: SuiteData, prepared: Prepared) -> dict[str, FloatArray]:
    """Return the parameters of a source's items that are in its table and not inferred."""
    modality = modality_of(experiment)
    data, ids = experiment.data, suite.loaded.dataset.ids
    table = modality.table(Request(suite.asked, prepared.folder, set=data.set, volume=data.volume))
    if table is None:
        return {}
    names = [name for name in table.columns if name not in prepared.truth.names]
    return dict(zip(names, table.truth(ids, names).T, strict=True))


def _most_influential(prepared: Prepared, tables: list[dict[str, FloatArray]]) -> str | None:
    """Return the further parameter that moves the summaries of the sources most."""
    total: dict[str, list[float]] = {}
    for suite, table in zip(prepared.of_role("source"), tables, strict=True):
        rows = _of(suite, "train")
        further = {name: values[rows] for name, values in table.items()}
        found = influences(summaries_of(suite, ("train",)), truth_of(suite, prepared), further)
        for name, share in found.items():
            total.setdefault(name, []).append(share)
    common = {name: sum(shares) for name, shares in total.items() if len(shares) == len(tables)}
    return max(common, key=lambda name: common[name]) if common else None


def _of(suite: SuiteData, part: str) -> NDArray[np.int64]:
    return suite.parts()[part].numpy()


def _fewest(sources: Sequence[SuiteData], chosen: Sequence[NDArray[np.bool_]]) -> int:
    """Return the smaller number of training or validation items that a half leaves."""
    pairs = list(zip(sources, chosen, strict=True))
    return min(
        sum(int(among[_of(suite, part)].sum()) for suite, among in pairs)
        for part in ("train", "valid")
    )


def _half(
    experiment: Experiment,
    prepared: Prepared,
    name: str,
    way: str,
    labelled: Sequence[NDArray[np.bool_]],
) -> Surrogate:
    """Make the surrogate whose sources are one half of each source."""
    sources = prepared.of_role("source")
    other = {"low": "high", "high": "low"}[way]
    roles: list[SuiteData] = []
    for role, end in (("source", way), ("target", other)):
        for suite, among in zip(sources, labelled, strict=True):
            kept = among if role == "source" else ~among
            split = Split(_among(suite, "train", kept), _among(suite, "valid", kept), NO_ITEMS)
            own = f"{suite.name}-{end}-{name}"
            half = SuiteData(own, role, suite.loaded, split)
            roles.append(half.numbered(role, len(roles)))
    names = [suite.name for suite in roles if suite.role == "target"]
    halved = _with_targets(experiment, f"{way}-{name}", names)
    label = f"a network for the error bars, on the source at {way} against {other} {name}"
    own_data = replace(prepared, suites=tuple(roles), intervals=())
    return Surrogate(f"{way}-{name}", label, halved, own_data, transductive=True)


def _among(suite: SuiteData, part: str, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = _of(suite, part)
    return rows[kept[rows]]


def fit_scale(predictions: Sequence[Any]) -> AnyScale:
    """Fit how sure a network may be on the validation items of all its sources.

    Args:
        predictions: of one network, uncalibrated.
    """
    labelled = [p for p in predictions if (p.role, p.split) == ("source", "valid")]
    task = task_of(predictions[0])
    return Temperature.fit(labelled) if task is CLASSIFICATION else fit_variance(labelled)


def calibrated(
    training: Training,
    prepared: Prepared,
    network: Network,
    initial: Checkpoint | None,
    console: Console,
    root: Path,
) -> AnyScale | None:
    """Calibrate the error bars of a trained network, or read how that was done before.

    Args:
        training: what trained it.
        prepared: the data that it was trained on, in their roles.
        network: what came of it.
        initial: checkpoint that it started from.
        console: where progress goes.
        root: the run that a user would resume.
    """
    experiment, folder = training.experiment, training.folder
    if experiment.calibration.variance == "none":
        return None
    stored = read_scale(folder, task_of(prepared.truth.answer))
    if stored is not None:
        return stored
    scale = fit_scale(predict_all(network, prepared, training.label))
    if isinstance(scale, VarianceScale) and not scale.fitted:
        print_notes(console, scale.sentences())
    elif isinstance(scale, VarianceScale) and experiment.target:
        made = surrogates(experiment, prepared, console)
        scale = scale.inflated([_excess_on(each, folder, initial, console, root) for each in made])
    write_text(folder.calibration, json.dumps(scale.to_dict(), indent=1))
    return scale


def _excess_on(
    surrogate: Surrogate,
    folder: RunFolder,
    initial: Checkpoint | None,
    console: Console,
    root: Path,
) -> FloatArray:
    """Train on a surrogate of the target; return how much too sure that network is of it."""
    network = fit_network(
        surrogate.experiment,
        surrogate.prepared,
        folder.surrogate(surrogate.name),
        console,
        # Weights that this run starts from may have learned the labels of its training items.
        initial=None if surrogate.transductive else initial,
        label=surrogate.label,
        title="error bars",
        root=root,
    )
    raw: list[Any] = predict_all(
        network, surrogate.prepared, "surrogate", transductive=surrogate.transductive
    )
    measured = "all" if surrogate.transductive else "valid"
    held_out = [each for each in raw if (each.role, each.split) == ("target", measured)]
    fitted_on = sum(len(p.ids) for p in raw if (p.role, p.split) == ("source", "valid"))
    scale = fit_scale(raw)
    return excess(apply_scale(scale, held_out, labelled=surrogate.prepared.trained), fitted_on)
