"""One sentence that says what came out, and one that says whether adaptation helped."""

from collections.abc import Sequence

from dagnn.evaluation.baselines import PRIOR_MEAN
from dagnn.evaluation.table import Block, blocks
from dagnn.evaluation.wording import plain, with_interval
from dagnn.records import Result

METRIC = "relative_error"


def _first(results: Sequence[Result]) -> Block | None:
    """Return the block a reader wants first: a target, else another suite, else a source."""
    found = blocks(results)
    for role in ("target", "other", "source"):
        for block in found:
            if block.role == role and METRIC in block.rows.get("model", {}):
                return block
    return None


def _verdict(model: Result, other: Result, name: str) -> str:
    """Compare two intervals in words; overlapping ones decide nothing."""
    if model.high < other.low:
        return f"The model is better than {name}: the intervals are apart."
    if model.low > other.high:
        return f"The model is worse than {name}: the intervals are apart."
    return f"The model is not told apart from {name}: the intervals overlap."


def _opening(block: Block, oracle: bool) -> str:
    if block.role != "target":
        return f"On {block.title()}"
    seen = "whose truths chose the checkpoint (ORACLE)" if oracle else "never labelled in training"
    return f"On {block.title()}, {seen},"


def headline(results: Sequence[Result], *, oracle: bool = False) -> str:
    """Sum up a run for someone who reads nothing else.

    Args:
        results: rows of the results table.
        oracle: whether target labels chose the checkpoint.

    Returns:
        The relative error of the first parameter on the target, with 95%
        intervals, next to the same network without adaptation (where it was
        run) and to the prior mean; then a verdict.
    """
    block = _first(results)
    if block is None:
        return "No suite has known truths, so predictions were made but could not be measured."
    rows = {name: row[METRIC] for name, row in block.rows.items() if METRIC in row}
    model, prior, without = rows["model"], rows.get(PRIOR_MEAN), rows.get("source-only")
    parts = [
        f"{_opening(block, oracle)} {plain(block.parameter)} is recovered with a relative error "
        f"of {with_interval(model)}"
    ]
    if without is not None:
        parts.append(f"without adaptation it is {with_interval(without)}")
    if prior is not None:
        parts.append(f"predicting the prior mean gives {with_interval(prior)}")
    verdicts = []
    if without is not None:
        verdicts.append(_verdict(model, without, "the same network without adaptation"))
    if prior is not None and not model.high < prior.low:
        verdicts.append(_verdict(model, prior, "predicting the prior mean"))
    return " ".join(["; ".join(parts) + ".", *verdicts])
