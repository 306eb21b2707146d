"""Guard alignment against targets that span less of the prior than the source."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from dagnn.config import Experiment
from dagnn.evaluation.label_shift import FEWEST, PriorInterval, estimate_interval
from dagnn.losses.window import Window
from dagnn.records import FloatArray
from dagnn.run.assemble import Assembly, reads_target, training_batch
from dagnn.run.data import Prepared, SuiteData


def guarded(experiment: Experiment, prepared: Prepared, console: Console) -> Prepared:
    """Estimate how much of the prior each target spans, and say where it is little.

    Args:
        experiment: whether the guard is on, and whether anything is aligned at all.
        prepared: its data.
        console: where an alarm goes.

    Returns:
        The same data, with an interval per target and parameter.
    """
    asked = experiment.loss.prior_guard and prepared.scaling.names
    if not (asked and reads_target(experiment)):
        return prepared
    with console.status("Estimating the priors of the targets"):
        intervals = tuple(_intervals(prepared))
    for interval in intervals:
        if interval.alarm:
            console.print(f"[bold yellow]Alarm:[/] {alarm_text(interval)}", soft_wrap=True)
    return replace(prepared, intervals=intervals)


def alarm_text(interval: PriorInterval) -> str:
    """Say what an alarm means for a reader of the results."""
    return (
        f"{interval.suite} seems to span only {interval.width:.0%} of the prior of "
        f"{interval.parameter} ({interval.low:.2f} to {interval.high:.2f} of its range). Source "
        "and target are aligned within that, an estimate without labels that may be wrong: do "
        "not trust the error bars of this suite."
    )


def _intervals(prepared: Prepared) -> Iterable[PriorInterval]:
    sources = prepared.of_role("source")
    x = np.concatenate([_summaries(suite, ("train",)) for suite in sources])
    y = np.concatenate([_truth(suite, prepared) for suite in sources])
    for target in prepared.of_role("target"):
        seen = _summaries(target, ("train", "valid"))
        for column, name in enumerate(prepared.scaling.names):
            low, high = estimate_interval(x, y[:, column], seen)
            # Rounded, so that a resumed run on another machine sees the same.
            yield PriorInterval(target.name, name, round(low, 3), round(high, 3))


def _summaries(suite: SuiteData, parts: tuple[str, ...]) -> FloatArray:
    rows = torch.cat([suite.parts()[part] for part in parts])
    values = suite.loaded.dataset.summaries().values()
    return np.stack([value[rows].double().cpu().numpy() for value in values], 1)


def _truth(suite: SuiteData, prepared: Prepared) -> FloatArray:
    rows = suite.parts()["train"]
    physical: Tensor = suite.loaded.dataset.y[rows].cpu()
    return np.asarray(prepared.scaling.to_unit(physical).double().numpy())


def align_within(made: Assembly, prepared: Prepared) -> None:
    """Refer the statistics and the domain terms of narrow targets to the source within.

    Args:
        made: network, whose input statistics are changed, and objective, which gets a
            window.
        prepared: data with the intervals of their targets.
    """
    targets = prepared.of_role("target")
    found = {suite.name: _of_suite(prepared, suite.name) for suite in targets}
    if not any(interval.alarm for each in found.values() for interval in each):
        return
    if made.statistics > 1:
        for suite in targets:
            narrow = [interval for interval in found[suite.name] if interval.alarm]
            if narrow:
                _refer(made, prepared, suite, found[suite.name])
    # One window for all targets: what the widest of them spans.
    low = [min(each[k].low for each in found.values()) for k in range(len(prepared.scaling.names))]
    high = [
        max(each[k].high for each in found.values()) for k in range(len(prepared.scaling.names))
    ]
    made.objective.look_through(Window(low, high).to(made.device))


def _of_suite(prepared: Prepared, name: str) -> list[PriorInterval]:
    return [interval for interval in prepared.intervals if interval.suite == name]


def _refer(
    made: Assembly, prepared: Prepared, suite: SuiteData, intervals: list[PriorInterval]
) -> None:
    batches = []
    for source in prepared.of_role("source"):
        rows = source.parts()["train"]
        inside = torch.ones(len(rows), dtype=torch.bool)
        unit = torch.as_tensor(_truth(source, prepared))
        for column, interval in enumerate(intervals):
            if interval.alarm:
                inside &= (unit[:, column] >= interval.low) & (unit[:, column] <= interval.high)
        if int(inside.sum()) >= FEWEST:
            batches.append(training_batch(source, rows[inside], made.device))
    if batches:
        made.network.refer_inputs(suite.domain, *batches)
