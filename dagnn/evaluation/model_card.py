"""``MODEL_CARD.md``: what a trained network is, what it is for, and where it ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dagnn.evaluation.headline import headline
from dagnn.evaluation.table import PREDICTORS, blocks
from dagnn.evaluation.wording import with_interval
from dagnn.files import write_text
from dagnn.records import Result

COLUMNS = ("relative_error", "r2", "chi2", "coverage68")

KNOWN_LIMITS = (
    "The error bars describe what training suites taught. A suite with other physics, another "
    "box size, resolution or redshift may break them without warning.",
    "Training saw no parameter outside the priors above; a prediction there is a guess.",
    "Only cosmological parameters mean the same in every suite; a feedback parameter is "
    "meaningful only in suites that define it alike.",
    "Results come from a single seed and a single split.",
)


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines, ""])


def _bullets(pairs: Mapping[str, str]) -> list[str]:
    return [f"- **{key}:** {value}" for key, value in pairs.items()]


def _table(results: Sequence[Result]) -> list[str]:
    """Write the results as a Markdown table, without values that do not exist."""
    lines = [
        "| suite | split | parameter | predictor | relative error | R² | χ² | in 68% |",
        "|---|---|---|---|--:|--:|--:|--:|",
    ]
    for block in blocks(results):
        for model, row in block.rows.items():
            cells = [with_interval(row[name]) if name in row else "–" for name in COLUMNS]
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
    results: Sequence[Result],
    mock: bool,
    oracle: bool = False,
    notes: Sequence[str] = (),
    limits: Sequence[str] = KNOWN_LIMITS,
) -> Path:
    """Write the card that travels with the weights.

    Args:
        path: where to write it.
        title: name of the model, for example ``tng → simba``.
        description: one or two sentences: architecture, losses, number of weights.
        training: what it was trained on (sources, targets, number of items, seed ...).
        inputs: feature → unit and meaning.
        priors: parameter → lower and upper end of its prior.
        results: rows of the results table.
        mock: whether any of the training data are mocks.
        oracle: whether target labels chose the checkpoint.
        notes: anything particular about this run.
        limits: what the model cannot do.

    Returns:
        The path.
    """
    warnings = []
    if mock:
        warnings.append(
            "> **MOCK.** Trained or tested on synthetic catalogues. Not for use on real data.\n"
        )
    if oracle:
        warnings.append("> **ORACLE.** Target labels chose the checkpoint. For research only.\n")
    bounds = {name: f"{low:g} to {high:g}" for name, (low, high) in priors.items()}
    use = (
        "Inferring the parameters below, with error bars, for catalogues or measurements made "
        "like those it was trained on, and studying how well that carries over between "
        "simulation suites. Not meant for survey data without a selection and noise model."
    )
    parts = [
        f"# Model card: {title}\n",
        *warnings,
        f"{description}\n",
        _section("Trained on", [*_bullets(training), *(f"- {note}" for note in notes)]),
        _section("Inputs", _bullets(inputs)),
        _section("Predicts", ["Mean and standard deviation within these priors:", ""])
        + "\n".join(_bullets(bounds))
        + "\n",
        _section("Intended use", [use]),
        _section("Results", [headline(results, oracle=oracle), "", *_table(results)]),
        _section("Known limits", [f"- {limit}" for limit in limits]),
    ]
    return write_text(path, "\n".join(parts).rstrip() + "\n")
