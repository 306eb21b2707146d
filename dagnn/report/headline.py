"""The first paragraph of a report: the main number, and what it is better or worse than."""

from collections.abc import Mapping, Sequence

from dagnn.evaluation.measure import MODEL, SOURCE_ONLY, Block, blocks, gap_closed
from dagnn.evaluation.paired import (
    FEWEST_TO_DECIDE,
    Difference,
    common_items,
    compare,
    difference_with_interval,
    no_pair,
    same_items,
    verdict,
    verdict_sentence,
)
from dagnn.evaluation.wording import plain, with_interval
from dagnn.records import Result
from dagnn.tasks import AnyPredictions, Task, task_of, task_of_results


def independent_items(p: AnyPredictions) -> int:
    """Count the independent items of known truth: those of one group are one."""
    known = task_of(p).known(p)
    return len({name for name, has in zip(p.groups or p.ids, known, strict=True) if has})


def _too_few(block: Block, predictions: Sequence[AnyPredictions]) -> str | None:
    """Return a sentence where the suite of the headline has too few items to decide anything."""
    model = _predicted(block, MODEL, predictions)
    count = FEWEST_TO_DECIDE if model is None else independent_items(model)
    if count >= FEWEST_TO_DECIDE:
        return None
    items = "1 independent item" if count == 1 else f"{count} independent items"
    return (
        f"Only {items} of {block.suite} measured the model, and fewer than {FEWEST_TO_DECIDE} "
        "decide nothing: neither how good it is nor what is better than what."
    )


def _predicted(
    block: Block, model: str, predictions: Sequence[AnyPredictions]
) -> AnyPredictions | None:
    """Return the stored predictions of one predictor on the items of a block."""
    where = (block.suite, block.role, block.split, model)
    return next((p for p in predictions if (p.suite, p.role, p.split, p.model) == where), None)


def _first(results: Sequence[Result], metric: str) -> Block | None:
    """Return the block a reader wants first: a target, else another suite, else a source."""
    found = blocks(results)
    for role in ("target", "other", "source"):
        for block in found:
            if block.role == role and metric in block.rows.get(MODEL, {}):
                return block
    return None


def _opening(block: Block, oracle: bool) -> str:
    if block.role != "target":
        return f"On {block.title()}"
    seen = "whose truths chose the checkpoint (ORACLE)" if oracle else "never labelled in training"
    return f"On {block.title()}, {seen},"


def _closed(share: float, metric: str) -> str:
    """Write the share of the gap to an oracle that the model closes."""
    scale = f"The gap in {metric} between source-only and an ORACLE trained on target labels"
    if share < 0:
        return f"{scale} grows by {-share:.0%} (a share without interval)."
    return f"{scale} is closed to {share:.0%} (a share without interval)."


def headline(
    results: Sequence[Result],
    predictions: Sequence[AnyPredictions] = (),
    *,
    oracle: bool = False,
    seed: int = 0,
) -> str:
    """Sum up a run for someone who reads nothing else.

    Args:
        results: rows of the results table.
        predictions: behind them, with their groups. A verdict is the paired difference of
            two predictors on the same items; where these are not stored there is none, and
            of fewer than :data:`~dagnn.evaluation.paired.FEWEST_TO_DECIDE` independent
            items that is reported instead of verdicts.
        oracle: whether target labels chose the checkpoint.
        seed: of the resampling behind the differences.

    Returns:
        The main metric (relative error of the first parameter, or balanced accuracy of
        classes) on the target, with 95% intervals, next to the same network without
        adaptation (where it was run) and to a guess without data; then verdicts. An
        oracle, which has seen target labels, is never the model here: it only closes
        the scale on which the model's gain is measured.
    """
    task = task_of_results(results)
    block = _first(results, task.headline)
    if block is None:
        return "No suite has known truths, so predictions were made but could not be measured."
    rows = {name: row[task.headline] for name, row in block.rows.items() if task.headline in row}
    model, guess, without = rows[MODEL], rows.get(task.guess_model), rows.get(SOURCE_ONLY)
    measure = task.opening.format(parameter=plain(block.parameter))
    parts = [f"{_opening(block, oracle)} {measure} {with_interval(model)}"]
    if without is not None:
        parts.append(f"without adaptation it is {with_interval(without)}")
    if guess is not None:
        parts.append(f"{task.rivals[task.guess_model]} gives {with_interval(guess)}")
    few = _too_few(block, predictions)
    verdicts = [few] if few else _verdicts(block, rows, task, predictions, seed)
    return " ".join(["; ".join(parts) + ".", *verdicts, *_left_out(results, block, task)])


def _left_out(results: Sequence[Result], block: Block, task: Task) -> list[str]:
    """Name the parameters of the same suite that the headline is not about."""
    named = {
        row.parameter: plain(row.parameter)
        for row in results
        if (row.suite, row.model, row.metric) == (block.suite, MODEL, task.headline)
    }
    named.pop(block.parameter, None)
    return [f"Not reported here: {', '.join(named.values())}."] if named else []


def _of_error_bars(chi2: Result | None) -> list[str]:
    """Return a sentence where the interval of χ² excludes one, its value for right error bars."""
    if chi2 is None or chi2.low <= 1 <= chi2.high or not chi2.low <= chi2.high:
        return []
    wrong = "small" if chi2.low > 1 else "wide"
    return [f"Its error bars are too {wrong}: χ² is {with_interval(chi2)}."]


def _verdicts(
    block: Block,
    rows: Mapping[str, Result],
    task: Task,
    predictions: Sequence[AnyPredictions],
    seed: int,
) -> list[str]:
    """Return what the model is better than, by how much, and what it does not beat."""
    control = {SOURCE_ONLY: "the same network without adaptation"}
    sentences, beaten, unpaired = [], [], []
    for rival, name in {**control, **task.rivals}.items():
        if rival not in rows:
            continue
        found = _difference(block, rival, task.headline, predictions, seed)
        if found is None:
            unpaired.append(name)
        elif verdict(found) == "better" and rival != SOURCE_ONLY:
            beaten.append(f"{name} ({difference_with_interval(found)})")
        else:
            basis = same_items(found.items, found.independent)
            sentences.append(verdict_sentence("the model", name, found, basis))
    if beaten:
        sentences.append(f"The model is better than {_listed(beaten)}, on the same items.")
    if unpaired:
        sentences.append(no_pair("the model", _listed(unpaired)))
    sentences += _of_error_bars(block.rows[MODEL].get("chi2"))
    if (share := gap_closed(block, task.gap)) is not None:
        sentences.append(_closed(share, task.metrics[task.gap].label))
    return sentences


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _difference(
    block: Block,
    rival: str,
    metric: str,
    predictions: Sequence[AnyPredictions],
    seed: int,
) -> Difference | None:
    """Compare the model with a rival on the items that both predicted; None without any."""
    model, other = (_predicted(block, name, predictions) for name in (MODEL, rival))
    if model is None or other is None:
        return None
    items = common_items(model, other)
    found = compare(model, other, items, seed, (metric,)) if items else []
    return next((each for each in found if each.parameter == block.parameter), None)
