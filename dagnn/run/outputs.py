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
from dagnn.evaluation.console import console_table
from dagnn.evaluation.figures import (
    calibration_figure,
    latent_figure,
    save_figure,
    training_figure,
    truth_figure,
)
from dagnn.evaluation.history import read_epochs, training_facts
from dagnn.evaluation.latent import latent_map
from dagnn.evaluation.metrics import Prior
from dagnn.evaluation.model_card import write_model_card
from dagnn.evaluation.report import write_report
from dagnn.evaluation.storage import write_predictions, write_results
from dagnn.evaluation.table import HELD_OUT, evaluate
from dagnn.files import atomic_path
from dagnn.parameters import parameter
from dagnn.records import Predictions, Result
from dagnn.run.data import Prepared
from dagnn.run.folder import RunFolder

MODELS = ("source-only", "model")
SMALLEST_MAP = 3
TOLD_ELSEWHERE = ("notes", "evaluation", "priors", "description", "inputs", "training_items")


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
        prior = {
            name: Prior(*suite.suite.prior(name), parameter(name).log)
            for name in prepared.scaling.names
        }
        results += evaluate(
            [each for each in predictions if each.suite == suite.name],
            prior,
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
    latents = {_latent_key(p): p.latent for p in predictions}
    with atomic_path(folder.latents) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **latents)


def show_table(experiment: Experiment, results: Sequence[Result], mock: bool) -> None:
    """Print the results on held-out items to standard output."""
    console = Console()
    if not console.is_terminal:
        # A log has no width of its own; the table needs about a hundred columns.
        console = Console(width=100)
    console.print(console_table(results, title(experiment), mock))


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
    mock, notes = stamped(facts), [*facts["notes"], *facts["evaluation"]["notes"]]
    figures = draw(folder, experiment, held_out(predictions), mock)
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
        facts=training,
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
        notes=notes,
    )
    return folder.report


def draw(
    folder: RunFolder, experiment: Experiment, predictions: Sequence[Predictions], mock: bool
) -> dict[str, Figure]:
    """Draw every figure of a run from its held-out predictions, in reading order."""
    figures: dict[str, Figure] = {}
    known = [p for p in predictions if np.isfinite(p.truth).any()]
    for name in experiment.data.parameters:
        if known:
            figures[f"truth_{name}"] = truth_figure(known, name, mock=mock)
            figures[f"calibration_{name}"] = calibration_figure(known, name, mock=mock)
        maps = [
            latent_map(of_model, name, method=experiment.evaluation.latent_map)
            for of_model in (_of_model(predictions, model) for model in MODELS)
            if sum(len(each.ids) for each in of_model) >= SMALLEST_MAP
        ]
        if maps:
            figures[f"latent_{name}"] = latent_figure(maps, mock=mock)
    histories = {"model": read_epochs(folder.metrics)}
    if folder.source_only.metrics.is_file():
        histories["source-only"] = read_epochs(folder.source_only.metrics)
    figures["training"] = training_figure(histories, mock=mock)
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
                replace(p, latent=stored[f"{p.model}/{p.suite}/{p.split}"]) for p in predictions
            ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{folder.latents} is missing or damaged ({error}). Write it again with: "
            f"dagnn evaluate {folder.path}"
        ) from error
