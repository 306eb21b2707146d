"""What a measured run leaves behind: tables, figures, report, model card, and what is printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from dagnn.catalogs.suites import SUITE_FILES
from dagnn.config import Experiment
from dagnn.console import busy, log, print_line, print_notes, screen
from dagnn.evaluation.alignment import Alignment, alignments
from dagnn.evaluation.beyond import beyond_prior
from dagnn.evaluation.calibration import calibrations
from dagnn.evaluation.latent import latent_maps
from dagnn.evaluation.measure import DRAWN, HELD_OUT, MODEL, SOURCE_ONLY
from dagnn.evaluation.storage import (
    NO_PRIORS,
    Priors,
    read_predictions,
    read_results,
    write_predictions,
    write_results,
)
from dagnn.files import atomic_path
from dagnn.models import Network
from dagnn.records import EpochRecord, Result
from dagnn.report.console import NARROW, console_table
from dagnn.report.figures.run import latent_figure, task_figures, training_figure
from dagnn.report.figures.style import save_figure, stamp
from dagnn.report.headline import headline
from dagnn.report.history import read_epochs, training_facts
from dagnn.report.model_card import write_model_card
from dagnn.report.page import write_report
from dagnn.report.sections import beyond_section, unknown_sentences
from dagnn.robustness.examine import read_examination, write_examination
from dagnn.robustness.figures import examination_figures, robustness_section
from dagnn.run.assemble import silent_terms
from dagnn.run.baselines import baseline_predictions, guesses, measure
from dagnn.run.fitting import is_trained
from dagnn.run.folder import RunFolder, RunRecord
from dagnn.run.prepared import Prepared
from dagnn.run.ranges import alarm_text
from dagnn.run.robustness import examine_networks
from dagnn.run.trained import read_scale, trainings
from dagnn.stored import read_arrays, reading
from dagnn.tasks import AnyPredictions, of_parameters, task_of
from dagnn.tasks.prior import Prior
from dagnn.tasks.task import BASELINES
from dagnn.training import TARGET_ORACLE
from dagnn.trust.alarms import class_alarms

MODELS = (SOURCE_ONLY, MODEL)
FEWEST_TO_TELL_APART = 20
SMALLEST_MAP = 3
SHOWN_ELSEWHERE = {
    "notes", "evaluation", "priors", "description", "inputs", "training_items", "coverage",
    "prior_intervals", "complete",
}  # fmt: skip
"""Fields of the run record that the report does not list with versions and command."""


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        folder: the run directory.
        results: one row per suite, split, parameter, metric and model.
        predictions: per model, suite and split.
        mock: whether any of the data are synthetic.
    """

    folder: Path
    results: list[Result]
    predictions: list[AnyPredictions]
    mock: bool


def write_tables(
    folder: RunFolder,
    predictions: Sequence[AnyPredictions],
    results: Sequence[Result],
    *,
    priors: Priors = NO_PRIORS,
    mock: bool,
) -> None:
    """Write results, predictions, and the latents that the map is drawn from with their groups.

    Args:
        folder: of the run.
        predictions: of every suite and model.
        results: what they were measured to be.
        priors: of the training set, which predicted parameters are compared with.
        mock: whether mock data were trained on or measured; every row says so.
    """
    write_results(folder.results, results, mock=mock)
    write_predictions(folder.predictions, predictions, priors=priors, mock=mock)
    seen = [p for p in predictions if p.latent.shape[1]]
    latents: dict[str, Any] = {_latent_key(p): p.latent for p in seen}
    latents |= {_group_key(p): np.array(p.groups) for p in seen if p.groups not in ((), p.ids)}
    with atomic_path(folder.latents) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **latents)


def chosen_by_oracle(experiment: Experiment) -> bool:
    """Whether target labels chose the checkpoint."""
    return experiment.training.select_on == TARGET_ORACLE


def show_table(experiment: Experiment, results: Sequence[Result], mock: bool) -> None:
    """Print the results on held-out items to standard output."""
    console = screen(NARROW)
    oracle, narrow = chosen_by_oracle(experiment), console.width < NARROW
    console.print(console_table(results, title(experiment), mock, oracle=oracle, narrow=narrow))


def write_pages(
    folder: RunFolder,
    experiment: Experiment,
    predictions: Sequence[AnyPredictions],
    results: Sequence[Result],
) -> Path:
    """Draw the figures and write report and model card from stored results.

    Returns:
        The path of the report.
    """
    record = folder.read_record()
    scale = read_scale(folder, task_of(record.classes))
    oracle, mock, seen = chosen_by_oracle(experiment), record.any_mock, held_out(predictions)
    beyond = beyond_prior(seen, Prior.within(record.priors))
    notes = [str(note) for note in (*record.notes, *record.evaluation.notes)]
    notes += scale.sentences() if scale else []
    notes += [f"ALARM: {each.sentence()}" for each in class_alarms(seen)]
    notes += [each.sentence() for each in beyond if each.model == MODEL]
    headline = summary(experiment, predictions, results)
    figures = draw(folder, experiment, seen, record)
    examined = read_examination(folder.path)
    if examined is not None:
        figures |= examination_figures(examined, record.classes)
    for name, figure in figures.items():
        save_figure(stamp(figure, mock=mock, oracle=oracle), folder.figures, name)
    training = training_facts(_epochs(folder.metrics, experiment))
    write_report(
        folder.report,
        title=title(experiment),
        headline=headline,
        results=results,
        figures=figures,
        config_yaml=experiment.to_yaml(),
        environment=record.model_dump(exclude_unset=True, exclude=SHOWN_ELSEWHERE),
        notes=notes,
        mock=mock,
        oracle=oracle,
        facts=training,
        alignments=how_aligned(seen, experiment.seed),
        calibrations=calibrations(
            [p for p in of_parameters(seen) if p.model in DRAWN],
            Prior.within(record.priors),
            seed=experiment.seed,
        ),
        sections=[
            *beyond_section(beyond),
            *([robustness_section(examined.rows)] if examined else []),
        ],
    )
    write_model_card(
        folder.model_card,
        title=title(experiment),
        description=record.description,
        training=training | {key: str(value) for key, value in record.training_items.items()},
        inputs={key: str(value) for key, value in record.inputs.items()},
        priors=record.priors,
        headline=headline,
        results=results,
        mock=mock,
        oracle=oracle,
        notes=notes,
    )
    return folder.report


def summary(
    experiment: Experiment, predictions: Sequence[AnyPredictions], results: Sequence[Result]
) -> str:
    """Return the first sentence about a run, the same at its end and from what it stored."""
    seen, oracle = held_out(predictions), chosen_by_oracle(experiment)
    return headline(results, seen, oracle=oracle, seed=experiment.seed)


def _epochs(path: Path, experiment: Experiment) -> list[EpochRecord]:
    """Read the epochs of a training without the terms that are zero by what they are."""
    silent = silent_terms(experiment)

    def audible(losses: Mapping[str, float]) -> dict[str, float]:
        return {name: value for name, value in losses.items() if name not in silent}

    return [
        replace(record, train=audible(record.train), valid=audible(record.valid))
        for record in read_epochs(path)
    ]


def how_aligned(predictions: Sequence[AnyPredictions], seed: int) -> list[Alignment]:
    """Measure how far apart the latents of every source and every other suite lie.

    Suites with fewer than :data:`FEWEST_TO_TELL_APART` independent items are left out.

    Args:
        predictions: held-out items with their latents and groups.
        seed: of folds and resampling.
    """
    found: list[Alignment] = []
    for model in MODELS:
        latents = [p for p in _of_model(predictions, model) if p.latent.shape[1]]
        for source in (p for p in latents if p.role == "source"):
            for other in (p for p in latents if p.role != "source"):
                groups = source.groups or source.ids, other.groups or other.ids
                if min(len(set(names)) for names in groups) >= FEWEST_TO_TELL_APART:
                    pair = ((p.suite, p.latent) for p in (source, other))
                    found += alignments(model, *pair, seed=seed, groups=groups)
    return found


def draw(
    folder: RunFolder,
    experiment: Experiment,
    predictions: Sequence[AnyPredictions],
    record: RunRecord,
) -> dict[str, Figure]:
    """Draw every figure of a run from its held-out predictions, in reading order."""
    figures = task_figures(predictions, Prior.within(record.priors))
    by_model = [[p for p in _of_model(predictions, m) if p.latent.shape[1]] for m in MODELS]
    maps = [
        latent_maps(given, method=experiment.evaluation.latent_map)
        for given in by_model
        if sum(len(each.ids) for each in given) >= SMALLEST_MAP
    ]
    for name in maps[0] if maps else ():
        figures[f"latent_{name}"] = latent_figure([each[name] for each in maps])
    histories = {"model": read_epochs(folder.metrics)}
    if folder.source_only.metrics.is_file():
        histories["source-only"] = read_epochs(folder.source_only.metrics)
    figures["training"] = training_figure(histories)
    return figures


def _latent_key(predictions: AnyPredictions) -> str:
    return f"{predictions.model}/{predictions.suite}/{predictions.split}"


def _group_key(predictions: AnyPredictions) -> str:
    return f"{_latent_key(predictions)}/groups"


def _of_model(predictions: Sequence[AnyPredictions], model: str) -> list[AnyPredictions]:
    return [each for each in predictions if each.model == model]


def held_out(predictions: Sequence[AnyPredictions]) -> list[AnyPredictions]:
    """Keep what no training or selection has seen."""
    return [p for p in predictions if p.split in HELD_OUT]


def title(experiment: Experiment) -> str:
    """Name a run by its suites."""
    sources, targets = (
        "+".join(Path(name).stem if Path(name).suffix in SUITE_FILES else name for name in names)
        for names in (experiment.source, experiment.target)
    )
    return f"{sources} → {targets}" if targets else sources


def _groups_of(predictions: AnyPredictions, stored: Mapping[str, Any]) -> tuple[str, ...]:
    groups = stored.get(_group_key(predictions))
    # Of one model, groups may be those of more items than another predicts.
    return predictions.ids if groups is None else tuple(groups.tolist())


def stored_predictions(folder: RunFolder) -> list[AnyPredictions]:
    """Read the predictions of a run with their latents and groups."""
    task = task_of(folder.read_record().classes)
    return with_latents(folder, read_predictions(folder.predictions, task))


def with_latents(folder: RunFolder, predictions: Sequence[AnyPredictions]) -> list[AnyPredictions]:
    """Put stored latents and groups back to the predictions read from a run."""
    stored = _stored_latents(folder, [p for p in predictions if p.model not in BASELINES])
    return [
        replace(p, latent=stored[_latent_key(p)], groups=_groups_of(p, stored))
        if p.model not in BASELINES
        else p
        for p in predictions
    ]


def with_groups(folder: RunFolder, predictions: Sequence[AnyPredictions]) -> list[AnyPredictions]:
    """Put stored groups back to the predictions read from a run, where they were kept."""
    if not folder.latents.is_file():
        return list(predictions)
    stored = _stored_latents(folder, [])
    return [replace(p, groups=_groups_of(p, stored)) for p in predictions]


def _stored_latents(folder: RunFolder, seen: Sequence[AnyPredictions]) -> dict[str, Any]:
    """Read latents and groups; those of some predictions must be there, a row for each item."""
    again = f"Write it again with: dagnn evaluate {quote(str(folder.path))}"
    stored = read_arrays(folder.latents, again)
    with reading(folder.latents, again):
        for each in seen:
            latent = stored[_latent_key(each)]
            if latent.ndim != 2 or latent.dtype.kind != "f" or len(latent) != len(each.ids):
                raise ValueError(
                    f"{_latent_key(each)} is {latent.dtype} of shape {latent.shape}, for "
                    f"{len(each.ids)} items"
                )
            if not np.isfinite(latent).all():
                raise ValueError(f"{_latent_key(each)} holds NaN or infinite values")
    return stored


def finish(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    predictions: list[AnyPredictions],
    networks: Mapping[str, Network],
    console: Console,
) -> RunResult:
    """Measure predictions, examine networks, write every output and print the table."""
    predictions = [*baseline_predictions(experiment, prepared), *predictions]
    predictions = [*guesses(experiment, prepared, predictions), *predictions]
    results = measure(experiment, prepared, predictions)
    mock = folder.read_record().any_mock
    priors = Prior.within(prepared.scaling.limits)
    write_tables(folder, predictions, results, priors=priors, mock=mock)
    drawn = {name: network for name, network in networks.items() if name in DRAWN}
    with busy(console, "Measuring and examining the networks"):
        classes = prepared.truth.classes
        found = examine_networks(experiment, prepared, drawn) if classes else None
    if found is not None:
        write_examination(folder.path, found, mock=mock)
    with busy(console, "Drawing the report"):
        report = write_pages(folder, experiment, predictions, results)
    complete = all(
        is_trained(each.folder, each.experiment) for each in trainings(folder, experiment)
    )
    folder.write_record(folder.read_record().updated(complete=complete))
    tell_results(folder, experiment, predictions, results, report, console)
    return RunResult(folder.path, results, predictions, mock)


def tell_results(
    folder: RunFolder,
    experiment: Experiment,
    predictions: Sequence[AnyPredictions],
    results: Sequence[Result],
    report: Path,
    console: Console,
) -> None:
    """Print the table of a run to standard output, and to the console what qualifies it.

    Args:
        folder: of the run; its record holds mocks, classes and alarms.
        experiment: that was run.
        predictions: with their groups.
        results: what they were measured to be.
        report: where to read more.
        console: where notes go.
    """
    record, seen = folder.read_record(), held_out(predictions)
    show_table(experiment, results, record.any_mock)
    print_line(console, summary(experiment, predictions, results), "[bold]Summary:[/]")
    print_notes(console, unknown_sentences(results))
    beyond = beyond_prior(seen, Prior.within(record.priors))
    print_notes(console, (each.sentence() for each in beyond if each.model == MODEL))
    print_notes(console, restrictions(experiment).values(), "[bold yellow]STRESS TEST:[/]")
    alarms = [alarm_text(each) for each in record.intervals if each.alarm]
    alarms += [each.sentence() for each in class_alarms(predictions)]
    print_notes(console, alarms, "[bold yellow]Alarm:[/]")
    print_line(console, f"Report: {report}")


def restrictions(experiment: Experiment) -> dict[str, str]:
    """Return parameter → how a stress test restricted the targets."""
    return {
        name: f"targets are restricted to {name} from {low:g} to {high:g}, by their labels."
        for name, (low, high) in experiment.data.target_prior.items()
    }


def report(path: Path, *, console: Console | None = None) -> Path:
    """Write the report of a run again from its stored results."""
    console = console or log()
    folder = RunFolder.open(path)
    experiment = folder.read_experiment()
    results = read_results(folder.results)
    predictions = stored_predictions(folder)
    page = write_pages(folder, experiment, predictions, results)
    tell_results(folder, experiment, predictions, results, page, console)
    return page
