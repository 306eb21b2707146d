"""What a measured run leaves behind: tables, figures, report, model card, and what is printed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape

from dagnn.catalogs.suites import SUITE_FILES
from dagnn.config import Experiment
from dagnn.console import log, screen
from dagnn.evaluation.alignment import Alignment, alignments
from dagnn.evaluation.beyond import BeyondPrior, beyond_prior
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
from dagnn.records import EpochRecord, Result
from dagnn.report.console import NARROW, console_table
from dagnn.report.figures.run import latent_figure, task_figures, training_figure
from dagnn.report.figures.style import save_figure, stamp
from dagnn.report.headline import headline
from dagnn.report.history import read_epochs, training_facts
from dagnn.report.model_card import write_model_card
from dagnn.report.page import write_report
from dagnn.report.sections import beyond_section, unknown_sentences
from dagnn.robustness.examine import read_examination
from dagnn.robustness.figures import examination_figures, robustness_section
from dagnn.run.assemble import silent_terms
from dagnn.run.calibrate import read_scale
from dagnn.run.folder import RunFolder
from dagnn.run.ranges import alarm_text, stored_intervals
from dagnn.stored import read_arrays, reading
from dagnn.tasks import AnyPredictions, of_parameters, task_of
from dagnn.tasks.prior import Prior
from dagnn.tasks.task import BASELINES
from dagnn.training import TARGET_ORACLE
from dagnn.trust.class_alarms import class_alarms

MODELS = (SOURCE_ONLY, MODEL)
FEWEST_TO_TELL_APART = 20
SMALLEST_MAP = 3
TOLD_ELSEWHERE = (
    "notes", "evaluation", "priors", "description", "inputs", "training_items", "coverage",
    "prior_intervals",
)  # fmt: skip


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
    facts = folder.read_environment()
    scale = read_scale(folder, task_of(facts.get("classes", ())))
    mock, notes = stamped(facts), [*facts["notes"], *facts["evaluation"]["notes"]]
    notes += scale.sentences() if scale else []
    oracle = chosen_by_oracle(experiment)
    seen = held_out(predictions)
    notes += [f"ALARM: {each.sentence()}" for each in class_alarms(seen)]
    beyond = reaching_beyond(seen, facts)
    notes += [each.sentence() for each in beyond if each.model == MODEL]
    figures = draw(folder, experiment, seen, facts)
    examined = read_examination(folder.path)
    if examined is not None:
        figures |= examination_figures(examined, facts["classes"])
    for name, figure in figures.items():
        save_figure(stamp(figure, mock=mock, oracle=oracle), folder.figures, name)
    training = training_facts(told_epochs(folder.metrics, experiment))
    write_report(
        folder.report,
        title=title(experiment),
        headline=summary(experiment, predictions, results),
        results=results,
        figures=figures,
        config_yaml=experiment.to_yaml(),
        environment={key: facts[key] for key in facts if key not in TOLD_ELSEWHERE},
        notes=notes,
        mock=mock,
        oracle=oracle,
        facts=training,
        alignments=how_aligned(seen, experiment.seed),
        calibrations=calibrations(
            [p for p in of_parameters(seen) if p.model in DRAWN],
            Prior.within(facts["priors"]),
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
        description=str(facts["description"]),
        training=training | {str(k): str(v) for k, v in facts["training_items"].items()},
        inputs={str(k): str(v) for k, v in facts["inputs"].items()},
        priors={name: (low, high) for name, (low, high) in facts["priors"].items()},
        headline=summary(experiment, predictions, results),
        results=results,
        mock=mock,
        oracle=oracle,
        notes=notes,
    )
    return folder.report


def summary(
    experiment: Experiment, predictions: Sequence[AnyPredictions], results: Sequence[Result]
) -> str:
    """Say what came out of a run, the same at its end and from what it stored."""
    seen, oracle = held_out(predictions), chosen_by_oracle(experiment)
    return headline(results, seen, oracle=oracle, seed=experiment.seed)


def reaching_beyond(
    predictions: Sequence[AnyPredictions], facts: Mapping[str, Any]
) -> list[BeyondPrior]:
    """Count which held-out predictions of a run reach beyond the prior of its training set."""
    return beyond_prior(held_out(predictions), Prior.within(facts["priors"]))


def told_epochs(path: Path, experiment: Experiment) -> list[EpochRecord]:
    """Read the epochs of a training without the terms that are zero by what they are."""
    silent = silent_terms(experiment)
    return [
        replace(
            record,
            train={name: value for name, value in record.train.items() if name not in silent},
            valid={name: value for name, value in record.valid.items() if name not in silent},
        )
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
    facts: Mapping[str, Any],
) -> dict[str, Figure]:
    """Draw every figure of a run from its held-out predictions, in reading order."""
    figures = task_figures(predictions, Prior.within(facts["priors"]))
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


def stamped(facts: Mapping[str, Any]) -> bool:
    """Whether training or the last evaluation read mock data."""
    return bool(facts["mock"] or facts["evaluation"]["mock"])


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
        folder: of the run; its stored facts tell mocks, classes and alarms.
        experiment: that was run.
        predictions: with their groups.
        results: what they were measured to be.
        report: where to read more.
        console: where remarks go.
    """
    facts = folder.read_environment()
    show_table(experiment, results, stamped(facts))
    _tell(console, "[bold]Summary:[/]", summary(experiment, predictions, results))
    for text in unknown_sentences(results):
        _tell(console, "[yellow]Note:[/]", text)
    for each in reaching_beyond(predictions, facts):
        if each.model == MODEL:
            _tell(console, "[yellow]Note:[/]", each.sentence())
    for text in _restrictions(experiment):
        _tell(console, "[bold yellow]STRESS TEST:[/]", text)
    narrow = [alarm_text(each) for each in stored_intervals(facts) if each.alarm]
    for text in (*narrow, *(each.sentence() for each in class_alarms(predictions))):
        _tell(console, "[bold yellow]Alarm:[/]", text)
    console.print(f"Report: {report}", markup=False, highlight=False, soft_wrap=True)


def _restrictions(experiment: Experiment) -> Iterator[str]:
    for name, (low, high) in experiment.data.target_prior.items():
        yield f"targets are restricted to {name} from {low:g} to {high:g}, by their labels."


def _tell(console: Console, mark: str, text: str) -> None:
    console.print(f"{mark} {escape(text)}", highlight=False, soft_wrap=True)


def report(path: Path, *, console: Console | None = None) -> Path:
    """Write the report of a run again from its stored results."""
    console = console or log()
    folder = RunFolder.open(path)
    experiment = folder.read_experiment()
    results = read_results(folder.results)
    predictions = with_latents(folder, read_predictions(folder.predictions))
    page = write_pages(folder, experiment, predictions, results)
    tell_results(folder, experiment, predictions, results, page, console)
    return page
