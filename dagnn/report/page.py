"""HTML pages in one file that loads nothing from elsewhere, and the page of a run."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from dagnn.evaluation.alignment import Alignment
from dagnn.evaluation.calibration import Calibration
from dagnn.evaluation.measure import PREDICTORS, Block, blocks, gap_closed
from dagnn.evaluation.wording import number, plain
from dagnn.files import write_text
from dagnn.records import Result
from dagnn.report.figures.style import figure_svg
from dagnn.report.sections import (
    Section,
    alignment_lines,
    calibration_lines,
    class_sections,
)
from dagnn.tasks import ALL_CLASSES, Task, task_of_results
from dagnn.tasks.task import BASELINES

CAPTIONS = MappingProxyType(
    {
        "truth": "Predicted against true value, item by item. Bars are one predicted standard "
        "deviation (of many items, only some have one); the dashed line is perfection. Metrics "
        "stand in each panel. Dotted: the limits of the prior of the training set; crosses and "
        "coloured ends of bars lie beyond them, where the training set holds no truth.",
        "calibration": "How often the truth lies within the central interval of each probability. "
        "On the dashed line the error bars are right; the grey band holds 95% of what a "
        "calibrated model would show with as many items.",
        "pit": "Where each truth lies in its predicted distribution, as a histogram of "
        "probabilities. Flat is calibrated; heaps at both ends mean error bars that are too small, "
        "a heap in the middle too large ones, a slope a bias. The grey band holds 95% of each bin "
        "of a calibrated model.",
        "tarp": "Calibration of all parameters together (TARP, arXiv:2302.03026): how often the "
        "truth is nearer to a random point than the predicted samples. On the dashed line the "
        "joint error bars are right. Predictions that know nothing can lie there too, so read it "
        "next to R².",
        "latent": "The latent vectors of all suites, projected together. Suites that lie on one "
        "another look alike to the network; a smooth run of colour means that the parameter is "
        "in order there.",
        "latent_class": "The latent vectors of all suites, projected together; colours are true "
        "classes. Suites that lie on one another look alike to the network; classes that lie "
        "apart are told apart. Directions and distances of the plane mean nothing by themselves.",
        "roc": "Share of each class that is found against the share of all others taken for it, "
        "averaged over classes, for every threshold. The dashed line is guessing.",
        "confusion": "Which class items are taken for: rows are true classes, numbers the share of "
        "a row and, below, the number of items. The diagonal is right.",
        "reliability": "How often predictions are right, by how sure they are. On the dashed line "
        "confidence is honest; below it, predictions are too sure. Dots grow with the number of "
        "items.",
        "proportions": "How often each class occurs and how often it is predicted. Where the "
        "suites differ, networks lean towards the proportions they were taught: those of the "
        "source, or equal ones where the loss was balanced.",
        "novelty": "How far items lie from all that the network was taught: the share whose "
        "novelty is above the value on the axis. Above 1, where 5% of the source lie, an item is "
        "called unknown. A line far to the right of the source is a suite of other objects, or of "
        "images that alignment left apart.",
        "noise": "What noise does to each network: accuracy, flipped decisions and distance moved "
        "in the latent, in units of the spread within classes. What its strength means stands "
        "below the table of robustness. Of an ensemble: what the mixture of its members says.",
        "gradcam": "Where each network looks: gradients of the named class before softmax, "
        "averaged over space, weigh the last feature maps. Warm is what speaks for the class; "
        "each map is scaled to its own largest value. Of an ensemble: the maps of all members, "
        "weighed by the gradients of their mean score.",
        "church": "Decisions on the plane in latent space through an image (centre), "
        "the same image with noise (to the right) and after an attack on one pixel (upwards). "
        "The image is of the target, or of the source where target labels are unknown. Where all "
        "is one colour, nothing so near changes the decision. Of an ensemble: decisions of the "
        "mixture, in the latents of all members side by side.",
        "attack": "Images in which one changed pixel (ring) changes the decision: "
        "the class that is named, and how sure the network is, before and after. Of an ensemble: "
        "decisions of the mixture of its members.",
        "training": "Every term of the objective and every validation number, epoch by epoch; "
        "dotted: the epoch whose weights were kept.",
    }
)
"""What to see in a figure, by its name or the first word of it (``truth_Omega_m``: ``truth``)."""


def render(template: str, *, folder: Path | None = None, **values: Any) -> str:
    """Fill a template; a value that it needs and does not get is an error.

    Args:
        template: file name.
        folder: where else than beside this file templates lie.
        **values: what the template needs.
    """
    here = Path(__file__).parent
    templates = Environment(
        loader=FileSystemLoader([folder, here] if folder else here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(values)


def picture(name: str, figure: Figure, caption: str) -> dict[str, str]:
    """Put a figure into the page itself, as templates expect it."""
    data = base64.b64encode(figure_svg(figure)).decode("ascii")
    return {"name": name, "caption": caption, "source": f"data:image/svg+xml;base64,{data}"}


def _row(model: str, row: Mapping[str, Result], names: Sequence[str]) -> dict[str, Any]:
    cells = [
        {
            "value": number(name, row[name].value),
            "low": number(name, row[name].low, bare=True),
            "high": number(name, row[name].high, bare=True),
        }
        if name in row
        else {"value": "–", "low": "", "high": ""}
        for name in names
    ]
    kind = "baseline" if model in BASELINES else model
    return {"label": PREDICTORS.get(model, model), "kind": kind, "cells": cells}


def _title(block: Block) -> str:
    """Name suite, role and parameter; all classes together need no name."""
    named = () if block.parameter == ALL_CLASSES else (plain(block.parameter),)
    return " · ".join([block.title(), *named])


def _table(found: Sequence[Block], names: Sequence[str], task: Task) -> dict[str, Any]:
    """Prepare a results table for the template: headings and blocks of rows."""
    body = [
        {
            "title": f"{_title(block)} · {block.split}",
            "rows": [_row(model, row, names) for model, row in block.rows.items()],
        }
        for block in found
    ]
    return {"columns": [task.metrics[name].label for name in names], "blocks": body}


def _gaps(found: Sequence[Block], metric: str) -> list[str]:
    """Return how much of the gap to the oracle is closed in each block, where it is known."""
    shares = [(block, gap_closed(block, metric)) for block in found]
    return [
        f"{_title(block)}: {share:.0%}".replace("-", "−")
        for block, share in shares
        if share is not None
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give ``(dotted key, text)`` of a nested mapping."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "–" if value is None else str(value)


def _caption(name: str) -> str:
    return CAPTIONS.get(name) or CAPTIONS.get(name.split("_")[0], name.replace("_", " "))


def write_report(
    path: Path | str,
    *,
    title: str,
    headline: str,
    results: Sequence[Result],
    figures: Mapping[str, Figure],
    config_yaml: str,
    environment: Mapping[str, Any],
    notes: Sequence[str] = (),
    mock: bool,
    oracle: bool = False,
    facts: Mapping[str, str] = MappingProxyType({}),
    alignments: Sequence[Alignment] = (),
    calibrations: Sequence[Calibration] = (),
    sections: Sequence[Section] = (),
) -> Path:
    """Write the report of one run; the page needs no other file and no network.

    Args:
        path: where to write the HTML.
        title: what was run, for example ``tng → simba``.
        headline: what came out, see :func:`~dagnn.report.headline.headline`.
        results: rows of the results table.
        figures: name → figure, in reading order.
        config_yaml: the resolved configuration.
        environment: versions, revision, ``command``; may be nested.
        notes: sentences a reader must know (what was skipped, what was assumed).
        mock: whether any of the data are mocks.
        oracle: whether target labels chose the checkpoint.
        facts: training in a few lines, see :func:`~dagnn.report.history.training_facts`.
        alignments: how far apart suites look to each network.
        calibrations: how far from calibrated each network is.
        sections: more small tables, after those that follow from the results.

    Returns:
        The path.
    """
    task = task_of_results(results)
    found = [block for block in blocks(results) if block.has(task.headline)]
    present = {row.metric for row in results}
    measured = [name for name in task.metrics if name in present]
    page = render(
        "report.html.j2",
        title=title,
        headline=headline,
        mock=mock,
        oracle=oracle,
        notes=list(notes),
        table=_table(found, task.report, task),
        full_table=_table(blocks(results, splits=None), measured, task),
        gaps=_gaps(found, task.gap),
        gap_metric=task.metrics[task.gap].label,
        remark=task.remark,
        sections=[*class_sections(results), *sections],
        alignments=alignment_lines(alignments),
        calibrations=calibration_lines(calibrations),
        metrics=[task.metrics[name] for name in measured],
        pictures=[picture(name, figure, _caption(name)) for name, figure in figures.items()],
        facts=dict(facts),
        config_yaml=config_yaml,
        environment=list(_flat(environment)),
        command=str(environment.get("command", "")),
    )
    return write_text(path, page)
