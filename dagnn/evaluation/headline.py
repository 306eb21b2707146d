"""One sentence that says what came out, and others that say whether it was worth the trouble."""

from collections.abc import Sequence

from dagnn.evaluation.table import MODEL, SOURCE_ONLY, Block, blocks, gap_closed
from dagnn.evaluation.views import View, view_of
from dagnn.evaluation.wording import plain, with_interval
from dagnn.records import Result


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


def headline(results: Sequence[Result], *, oracle: bool = False) -> str:
    """Sum up a run for someone who reads nothing else.

    Args:
        results: rows of the results table.
        oracle: whether target labels chose the checkpoint.

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
    return " ".join(["; ".join(parts) + ".", *_verdicts(block, rows, view)])


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
    if (share := gap_closed(block, view.gap)) is not None:
        verdicts.append(_closed(share, view.metrics[view.gap].label))
    return verdicts
