"""Everything a finished run leaves behind: tables, figures, report, model card."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from dagnn.config import Experiment
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
from dagnn.parameters import Scaling, parameter
from dagnn.records import Predictions, Result
from dagnn.run.folder import RunFolder

MODELS = ("source-only", "model")


def measure(
    experiment: Experiment, predictions: Sequence[Predictions], scaling: Scaling
) -> list[Result]:
    """Compute every metric with its interval, for the model and what it must beat."""
    ranges = zip(scaling.names, scaling.low, scaling.high, strict=True)
    prior = {name: Prior(low, high, parameter(name).log) for name, low, high in ranges}
    return evaluate(predictions, prior, experiment.evaluation.bootstrap, experiment.seed)


def write_tables(
    folder: RunFolder, predictions: Sequence[Predictions], results: Sequence[Result]
) -> None:
    """Write results, predictions and the latents that the map is drawn from."""
    write_results(folder.results, results)
    write_predictions(folder.predictions, predictions)
    latents = {f"{p.model}/{p.suite}/{p.split}": p.latent for p in predictions}
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
    mock, notes = bool(facts["mock"]), [str(note) for note in facts["notes"]]
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
        environment=facts,
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
            for model in MODELS
            if (of_model := [p for p in predictions if p.model == model])
        ]
        figures[f"latent_{name}"] = latent_figure(maps, mock=mock)
    histories = {"model": read_epochs(folder.metrics)}
    if folder.source_only.metrics.is_file():
        histories["source-only"] = read_epochs(folder.source_only.metrics)
    figures["training"] = training_figure(histories, mock=mock)
    return figures


def held_out(predictions: Sequence[Predictions]) -> list[Predictions]:
    """Keep what no training or selection has seen."""
    return [p for p in predictions if p.split in HELD_OUT]


def title(experiment: Experiment) -> str:
    """Name a run by its suites."""
    sources, targets = "+".join(experiment.source), "+".join(experiment.target)
    return f"{sources} → {targets}" if targets else sources


def with_latents(folder: RunFolder, predictions: Sequence[Predictions]) -> list[Predictions]:
    """Put stored latents back to the predictions read from a run."""
    with np.load(folder.latents, allow_pickle=False) as stored:
        return [replace(p, latent=stored[f"{p.model}/{p.suite}/{p.split}"]) for p in predictions]
