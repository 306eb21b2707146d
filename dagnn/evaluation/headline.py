"""One sentence that says what came out, and others that say whether it was worth the trouble."""

from collections.abc import Sequence
from types import MappingProxyType

from dagnn.evaluation.baselines import GALAXY_COUNT, PRIOR_MEAN, RIDGE, RIDGE_ALIGNED
from dagnn.evaluation.table import MODEL, SOURCE_ONLY, Block, blocks, gap_closed
from dagnn.evaluation.wording import plain, with_interval
from dagnn.records import Result

METRIC = "relative_error"
RIVALS = MappingProxyType(
    {
        PRIOR_MEAN: "predicting the prior mean",
        GALAXY_COUNT: "counting galaxies",
        RIDGE: "ridge regression on summaries",
        RIDGE_ALIGNED: "ridge regression on aligned summaries",
    }
)
"""What needs no network; a model that does not beat one of them is named as such."""


def _first(results: Sequence[Result]) -> Block | None:
    """Return the block a reader wants first: a target, else another suite, else a source."""
    found = blocks(results)
    for role in ("target", "other", "source"):
        for block in found:
            if block.role == role and METRIC in block.rows.get(MODEL, {}):
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


def _closed(share: float) -> str:
    """Say how much of the way to an oracle the model goes."""
    scale = "The gap in R² between source-only and an ORACLE trained on target labels"
    if share < 0:
        return f"{scale} grows by {-share:.0%}."
    return f"{scale} is closed to {share:.0%}."


def headline(results: Sequence[Result], *, oracle: bool = False) -> str:
    """Sum up a run for someone who reads nothing else.

    Args:
        results: rows of the results table.
        oracle: whether target labels chose the checkpoint.

    Returns:
        The relative error of the first parameter on the target, with 95%
        intervals, next to the same network without adaptation (where it was
        run) and to the prior mean; then verdicts. An oracle, which has seen
        target labels, is never the model here: it only closes the scale on
        which the model's gain is measured.
    """
    block = _first(results)
    if block is None:
        return "No suite has known truths, so predictions were made but could not be measured."
    rows = {name: row[METRIC] for name, row in block.rows.items() if METRIC in row}
    model, prior, without = rows[MODEL], rows.get(PRIOR_MEAN), rows.get(SOURCE_ONLY)
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
    verdicts += [
        _verdict(model, rows[rival], name)
        for rival, name in RIVALS.items()
        if rival in rows and not model.high < rows[rival].low
    ]
    if (share := gap_closed(block)) is not None:
        verdicts.append(_closed(share))
    return " ".join(["; ".join(parts) + ".", *verdicts])
