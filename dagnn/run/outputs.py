"""Everything a finished run leaves behind: tables, figures, report, model card."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from dagnn.config import Experiment
from dagnn.errors import DataError
from dagnn.evaluation.alignment import Alignment, alignments
from dagnn.evaluation.baselines import BASELINES
from dagnn.evaluation.calibration import calibrations
from dagnn.evaluation.console import console_table
from dagnn.evaluation.figures import (
    calibration_figure,
    latent_figure,
    pit_figure,
    save_figure,
    tarp_figure,
    training_figure,
    truth_figure,
)
from dagnn.evaluation.history import read_epochs, training_facts
from dagnn.evaluation.latent import latent_map
from dagnn.evaluation.metrics import Prior
from dagnn.evaluation.model_card import write_model_card
from dagnn.evaluation.report import write_report
from dagnn.evaluation.storage import write_predictions, write_results
from dagnn.evaluation.table import DRAWN, HELD_OUT, MODEL, SOURCE_ONLY, evaluate
from dagnn.files import atomic_path
from dagnn.parameters import parameter
from dagnn.records import Predictions, Result
from dagnn.run.baselines import priors
from dagnn.run.calibrate import read_scale
from dagnn.run.data import Prepared
from dagnn.run.folder import RunFolder
from dagnn.training import ORACLE as TARGET_ORACLE

MODELS = (SOURCE_ONLY, MODEL)
FEWEST_TO_TELL_APART = 20
SMALLEST_MAP = 3
TOLD_ELSEWHERE = (
    "notes", "evaluation", "priors", "description", "inputs", "training_items", "prior_intervals",
)  # fmt: skip


def measure(
    experiment: Experiment, predictions: Sequence[Predictions], prepared: Prepared
) -> list[Result]:
    """Compute every metric with its interval, for the model and what it must beat.

    Each suite is measured against its own prior, and items that share one truth
    are resampled together.
    """
    results: list[Result] = []
    for suite in prepared.suites:
        dataset = suite.loaded.dataset
        results += evaluate(
            [each for each in predictions if each.suite == suite.name],
            priors(experiment, prepared, suite.name),
            experiment.evaluation.bootstrap,
            experiment.seed,
            groups=dict(zip(dataset.ids, dataset.groups, strict=True)),
        )
    return results


def write_tables(
    folder: RunFolder, predictions: Sequence[Predictions], results: Sequence[Result]
) -> None:
    """Write results, predictions and the latents that the map is drawn from."""
    write_results(folder.results, results)
    write_predictions(folder.predictions, predictions)
    latents = {_latent_key(p): p.latent for p in predictions if p.latent.shape[1]}
    with atomic_path(folder.latents) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **latents)


def chosen_by_oracle(experiment: Experiment) -> bool:
    """Whether target labels chose the checkpoint."""
    return experiment.training.select_on == TARGET_ORACLE


def show_table(experiment: Experiment, results: Sequence[Result], mock: bool) -> None:
    """Print the results on held-out items to standard output."""
    console = Console()
    if not console.is_terminal:
        # A log has no width of its own; the table needs about a hundred columns.
        console = Console(width=100)
    oracle = chosen_by_oracle(experiment)
    console.print(console_table(results, title(experiment), mock, oracle=oracle))


def write_pages(
    folder: RunFolder,
    experiment: Experiment,
    predictions: Sequence[Predictions],
    results: Sequence[Result],
) -> Path:
    """Draw the figures and write report and model card from stored results.

    Returns:
        The path of the report.
    """
    facts = folder.read_environment()
    scale = read_scale(folder)
    mock, notes = stamped(facts), [*facts["notes"], *facts["evaluation"]["notes"]]
    notes += scale.sentences() if scale else []
    oracle = chosen_by_oracle(experiment)
    prior = {
        name: Prior(low, high, parameter(name).log) for name, (low, high) in facts["priors"].items()
    }
    seen = held_out(predictions)
    figures = draw(folder, experiment, seen, prior, mock)
    for name, figure in figures.items():
        save_figure(figure, folder.figures, name)
    training = training_facts(read_epochs(folder.metrics))
    write_report(
        folder.report,
        title=title(experiment),
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
            [p for p in seen if p.model in DRAWN], prior, seed=experiment.seed
        ),
    )
    write_model_card(
        folder.model_card,
        title=title(experiment),
        description=str(facts["description"]),
        training=training | {str(k): str(v) for k, v in facts["training_items"].items()},
        inputs={str(k): str(v) for k, v in facts["inputs"].items()},
        priors={name: (low, high) for name, (low, high) in facts["priors"].items()},
        results=results,
        mock=mock,
        oracle=oracle,
        notes=notes,
    )
    return folder.report


def how_aligned(predictions: Sequence[Predictions], seed: int) -> list[Alignment]:
    """Measure how far apart the latents of every source and every other suite lie.

    Args:
        predictions: held-out items with their latents.
        seed: of folds and resampling.
    """
    found: list[Alignment] = []
    for model in MODELS:
        latents = [p for p in _of_model(predictions, model) if p.latent.shape[1]]
        for source in (p for p in latents if p.role == "source"):
            for other in (p for p in latents if p.role != "source"):
                if min(len(source.ids), len(other.ids)) >= FEWEST_TO_TELL_APART:
                    pair = ((p.suite, p.latent) for p in (source, other))
                    found += alignments(model, *pair, seed=seed)
    return found


def draw(
    folder: RunFolder,
    experiment: Experiment,
    predictions: Sequence[Predictions],
    prior: Mapping[str, Prior],
    mock: bool,
) -> dict[str, Figure]:
    """Draw every figure of a run from its held-out predictions, in reading order."""
    figures: dict[str, Figure] = {}
    stamp = {"mock": mock, "oracle": chosen_by_oracle(experiment)}
    known = [p for p in predictions if np.isfinite(p.truth).any()]
    for name in experiment.data.parameters:
        if known:
            figures[f"truth_{name}"] = truth_figure(known, name, **stamp)
            figures[f"calibration_{name}"] = calibration_figure(known, name, **stamp)
            figures[f"pit_{name}"] = pit_figure(known, name, **stamp)
        maps = [
            latent_map(of_model, name, method=experiment.evaluation.latent_map)
            for of_model in (_of_model(predictions, model) for model in MODELS)
            if sum(len(each.ids) for each in of_model) >= SMALLEST_MAP
        ]
        if maps:
            figures[f"latent_{name}"] = latent_figure(maps, **stamp)
    if known and len(experiment.data.parameters) > 1:
        figures["tarp"] = tarp_figure(known, prior, seed=experiment.seed, **stamp)
    histories = {"model": read_epochs(folder.metrics)}
    if folder.source_only.metrics.is_file():
        histories["source-only"] = read_epochs(folder.source_only.metrics)
    figures["training"] = training_figure(histories, **stamp)
    return figures


def _latent_key(predictions: Predictions) -> str:
    return f"{predictions.model}/{predictions.suite}/{predictions.split}"


def stamped(facts: Mapping[str, Any]) -> bool:
    """Whether training or the last evaluation read mock data."""
    return bool(facts["mock"] or facts["evaluation"]["mock"])


def _of_model(predictions: Sequence[Predictions], model: str) -> list[Predictions]:
    return [each for each in predictions if each.model == model]


def held_out(predictions: Sequence[Predictions]) -> list[Predictions]:
    """Keep what no training or selection has seen."""
    return [p for p in predictions if p.split in HELD_OUT]


def title(experiment: Experiment) -> str:
    """Name a run by its suites."""
    sources, targets = "+".join(experiment.source), "+".join(experiment.target)
    return f"{sources} → {targets}" if targets else sources


def with_latents(folder: RunFolder, predictions: Sequence[Predictions]) -> list[Predictions]:
    """Put stored latents back to the predictions read from a run."""
    try:
        with np.load(folder.latents, allow_pickle=False) as stored:
            return [
                replace(p, latent=stored[_latent_key(p)]) if p.model not in BASELINES else p
                for p in predictions
            ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{folder.latents} is missing or damaged ({error}). Write it again with: "
            f"dagnn evaluate {folder.path}"
        ) from error
