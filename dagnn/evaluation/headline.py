"""One sentence that says what came out, and others that say whether it was worth the trouble."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from dagnn.evaluation.table import MODEL, SOURCE_ONLY, Block, blocks, gap_closed
from dagnn.evaluation.views import View, view_of
from dagnn.evaluation.wording import plain, with_interval
from dagnn.records import ClassPredictions, Predictions, Result

FEWEST_TO_DECIDE = 20
"""With fewer independent items no interval is worth a verdict."""
Counts = Mapping[tuple[str, str], int]
"""Suite and split → how many independent items of known truth measure the model."""
UNCOUNTED: Counts = MappingProxyType({})


def count_items(predictions: Iterable[Predictions | ClassPredictions]) -> Counts:
    """Count the independent items of known truth that the model was measured on.

    Args:
        predictions: of any suites, splits and models, with their groups.
    """
    return {(p.suite, p.split): len(_known(p)) for p in predictions if p.model == MODEL}


def _known(p: Predictions | ClassPredictions) -> set[str]:
    """Return the groups of the items whose truth is known; items without group are their own."""
    classes = isinstance(p, ClassPredictions)
    known = np.atleast_1d(p.truth >= 0 if classes else np.isfinite(p.truth).any(1))
    return {name for name, told in zip(p.groups or p.ids, known, strict=True) if told}


def too_few(results: Sequence[Result], counts: Counts) -> str | None:
    """Say so where the suite of the headline has too few items to decide anything.

    Args:
        results: rows of the results table.
        counts: items of each suite and split; where one is absent nothing is said.
    """
    block = _first(results, view_of(results).headline)
    count = counts.get((block.suite, block.split), FEWEST_TO_DECIDE) if block else FEWEST_TO_DECIDE
    if block is None or count >= FEWEST_TO_DECIDE:
        return None
    items = "1 independent item" if count == 1 else f"{count} independent items"
    return (
        f"Only {items} of {block.suite} measured the model, and fewer than {FEWEST_TO_DECIDE} "
        "decide nothing: neither how good it is nor what is better than what."
    )


def _first(results: Sequence[Result], metric: str) -> Block | None:
    """Return the block a reader wants first: a target, else another suite, else a source."""
    found = blocks(results)
    for role in ("target", "other", "source"):
        for block in found:
            if block.role == role and metric in block.rows.get(MODEL, {}):
                return block
    return None


def _beats(model: Result, other: Result, view: View) -> bool:
    """Whether the intervals are apart, the model on the better side."""
    return model.high < other.low if view.better == "low" else model.low > other.high


def _verdict(model: Result, other: Result, name: str, view: View) -> str:
    """Compare two intervals in words; overlapping ones decide nothing."""
    if np.isnan([model.low, model.high, other.low, other.high]).any():
        return f"Whether the model is better than {name} is not known: too few items for intervals."
    if _beats(model, other, view):
        return f"The model is better than {name}: the intervals are apart."
    if _beats(other, model, view):
        return f"The model is worse than {name}: the intervals are apart."
    return f"The model is not told apart from {name}: the intervals overlap."


def _opening(block: Block, oracle: bool) -> str:
    if block.role != "target":
        return f"On {block.title()}"
    seen = "whose truths chose the checkpoint (ORACLE)" if oracle else "never labelled in training"
    return f"On {block.title()}, {seen},"


def _closed(share: float, metric: str) -> str:
    """Say how much of the way to an oracle the model goes."""
    scale = f"The gap in {metric} between source-only and an ORACLE trained on target labels"
    if share < 0:
        return f"{scale} grows by {-share:.0%}."
    return f"{scale} is closed to {share:.0%}."


def headline(results: Sequence[Result], *, oracle: bool = False, counts: Counts = UNCOUNTED) -> str:
    """Sum up a run for someone who reads nothing else.

    Args:
        results: rows of the results table.
        oracle: whether target labels chose the checkpoint.
        counts: see :func:`count_items`; where there are too few, that stands in the place
            of every verdict.

    Returns:
        The main metric (relative error of the first parameter, or balanced accuracy of
        classes) on the target, with 95% intervals, next to the same network without
        adaptation (where it was run) and to a guess without data; then verdicts. An
        oracle, which has seen target labels, is never the model here: it only closes
        the scale on which the model's gain is measured.
    """
    view = view_of(results)
    block = _first(results, view.headline)
    if block is None:
        return "No suite has known truths, so predictions were made but could not be measured."
    rows = {name: row[view.headline] for name, row in block.rows.items() if view.headline in row}
    model, guess, without = rows[MODEL], rows.get(view.guess), rows.get(SOURCE_ONLY)
    said = view.said.format(parameter=plain(block.parameter))
    parts = [f"{_opening(block, oracle)} {said} {with_interval(model)}"]
    if without is not None:
        parts.append(f"without adaptation it is {with_interval(without)}")
    if guess is not None:
        parts.append(f"{view.rivals[view.guess]} gives {with_interval(guess)}")
    few = too_few(results, counts)
    verdicts = [few] if few else _verdicts(block, rows, view)
    return " ".join(["; ".join(parts) + ".", *verdicts, *_left_out(results, block, view)])


def _left_out(results: Sequence[Result], block: Block, view: View) -> list[str]:
    """Name the parameters of the same suite that the headline is not about."""
    named = {
        row.parameter: plain(row.parameter)
        for row in results
        if (row.suite, row.model, row.metric) == (block.suite, MODEL, view.headline)
    }
    named.pop(block.parameter, None)
    return [f"Not told here: {', '.join(named.values())}."] if named else []


def _of_error_bars(chi2: Result | None) -> list[str]:
    """Say so where the interval of χ² leaves one, which right error bars have, out."""
    if chi2 is None or chi2.low <= 1 <= chi2.high or not chi2.low <= chi2.high:
        return []
    wrong = "small" if chi2.low > 1 else "wide"
    return [f"Its error bars are too {wrong}: χ² is {with_interval(chi2)}."]


def _verdicts(block: Block, rows: dict[str, Result], view: View) -> list[str]:
    """Say what the model is better than, and name every rival that it does not beat."""
    model, verdicts = rows[MODEL], []
    if SOURCE_ONLY in rows:
        name = "the same network without adaptation"
        verdicts.append(_verdict(model, rows[SOURCE_ONLY], name, view))
    verdicts += [
        _verdict(model, rows[rival], name, view)
        for rival, name in view.rivals.items()
        if rival in rows and not _beats(model, rows[rival], view)
    ]
    verdicts += _of_error_bars(block.rows[MODEL].get("chi2"))
    if (share := gap_closed(block, view.gap)) is not None:
        verdicts.append(_closed(share, view.metrics[view.gap].label))
    return verdicts
