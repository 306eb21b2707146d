"""``MODEL_CARD.md``: what a trained network is, what it is for, and where it ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dagnn.evaluation.measure import PREDICTORS, blocks
from dagnn.evaluation.wording import with_interval
from dagnn.files import write_text
from dagnn.records import Result
from dagnn.tasks import ALL_CLASSES, CLASSIFICATION, Task, task_of_results

KNOWN_LIMITS = (
    "The error bars describe what training suites taught. A suite with other physics, another "
    "box size, resolution or redshift may break them without warning.",
    "Training saw no parameter outside the priors above; a prediction there is a guess.",
    "Only cosmological parameters mean the same in every suite; a feedback parameter is "
    "meaningful only in suites that define it alike.",
    "Results come from a single seed and a single split.",
)


KNOWN_CLASS_LIMITS = (
    "The probabilities describe what training images taught. Another instrument, depth, redshift "
    "or selection may break them without warning.",
    "An object of none of the classes is put into one of them; its novelty may give it away. In "
    "other images than those of training, known objects have a high novelty too.",
    "Where classes occur in other proportions than training was weighted to, predictions lean "
    "towards those; count classes by their probabilities only after correcting them.",
    "Results come from a single seed and a single split.",
)


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines, ""])


def _bullets(pairs: Mapping[str, str]) -> list[str]:
    return [f"- **{key}:** {value}" for key, value in pairs.items()]


def _table(results: Sequence[Result], task: Task) -> list[str]:
    """Write the results as a Markdown table, without values that do not exist."""
    labels = [task.metrics[name].label for name in task.console]
    lines = [
        "| " + " | ".join(["suite", "split", "parameter", "predictor", *labels]) + " |",
        "|---|---|---|---|" + "--:|" * len(labels),
    ]
    for block in (b for b in blocks(results) if b.has(task.headline)):
        for model, row in block.rows.items():
            cells = [with_interval(row[name]) if name in row else "–" for name in task.console]
            name = PREDICTORS.get(model, model)
            where = (block.title(), block.split, block.parameter, name)
            lines.append("| " + " | ".join([*where, *cells]) + " |")
    return lines if len(lines) > 2 else ["No suite has known truths."]


def write_model_card(
    path: Path | str,
    *,
    title: str,
    description: str,
    training: Mapping[str, str],
    inputs: Mapping[str, str],
    priors: Mapping[str, tuple[float, float]],
    headline: str,
    results: Sequence[Result],
    mock: bool,
    oracle: bool = False,
    notes: Sequence[str] = (),
) -> Path:
    """Write the card that travels with the weights.

    Args:
        path: where to write it.
        title: name of the model, for example ``tng → simba``.
        description: one or two sentences: architecture, losses, number of weights.
        training: what it was trained on (sources, targets, number of items, seed ...).
        inputs: feature → unit and meaning.
        priors: parameter → lower and upper end of its prior.
        headline: what came out, see :func:`~dagnn.report.headline.headline`.
        results: rows of the results table.
        mock: whether any of the training data are mocks.
        oracle: whether target labels chose the checkpoint.
        notes: anything particular about this run.

    Returns:
        The path.
    """
    task = task_of_results(results)
    if task is CLASSIFICATION:
        names = dict.fromkeys(r.parameter for r in results if r.parameter != ALL_CLASSES)
        predicts = ["Probabilities of these classes:", "", *(f"- {name}" for name in names)]
        limits = KNOWN_CLASS_LIMITS
    else:
        bounds = {name: f"{low:g} to {high:g}" for name, (low, high) in priors.items()}
        predicts = ["Mean and standard deviation within these priors:", "", *_bullets(bounds)]
        limits = KNOWN_LIMITS
    warnings = []
    if mock:
        warnings.append(
            "> **MOCK.** Trained or tested on synthetic data. Not for use on real data.\n"
        )
    if oracle:
        warnings.append("> **ORACLE.** Target labels chose the checkpoint. For research only.\n")
    parts = [
        f"# Model card: {title}\n",
        *warnings,
        f"{description}\n",
        _section("Trained on", [*_bullets(training), *(f"- {note}" for note in notes)]),
        _section("Inputs", _bullets(inputs)),
        _section("Predicts", predicts),
        _section("Intended use", [task.use]),
        _section("Results", [headline, "", *_table(results, task)]),
        _section("Known limits", [f"- {limit}" for limit in limits]),
    ]
    return write_text(path, "\n".join(parts).rstrip() + "\n")
