"""One self-contained HTML page that a person would send to a colleague."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matplotlib.figure import Figure

from dagnn.evaluation.baselines import PRIOR_MEAN
from dagnn.evaluation.headline import headline
from dagnn.evaluation.metrics import METRICS
from dagnn.evaluation.page import picture, render
from dagnn.evaluation.table import PREDICTORS, Block, blocks
from dagnn.evaluation.wording import number, plain
from dagnn.files import write_text
from dagnn.records import Result

COLUMNS = ("relative_error", "r2", "bias", "chi2", "coverage68", "skill")
"""Metrics of the main table; the folded one has them all."""

CAPTIONS = MappingProxyType(
    {
        "truth": "Predicted against true value, item by item. Bars are one predicted standard "
        "deviation; the dashed line is perfection. Metrics stand in each panel.",
        "calibration": "How often the truth lies within the central interval of each probability. "
        "On the dashed line the error bars are right; the grey band holds 95% of what a "
        "calibrated model would show with as many items.",
        "latent": "The latent vectors of all suites, projected together. Suites that lie on one "
        "another look alike to the network; a smooth run of colour means that the parameter is "
        "in order there.",
        "training": "Every term of the objective and every validation number, epoch by epoch; "
        "dotted: the epoch whose weights were kept.",
    }
)
"""What to see in a figure, by the first word of its name (``truth_Omega_m``: ``truth``)."""


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
    return {"label": PREDICTORS.get(model, model), "kind": model, "cells": cells}


def _table(found: Sequence[Block], names: Sequence[str]) -> dict[str, Any]:
    """Prepare a results table for the template: headings and blocks of rows."""
    body = [
        {
            "title": f"{block.title()} · {plain(block.parameter)} · {block.split}",
            "rows": [_row(model, row, names) for model, row in block.rows.items()],
        }
        for block in found
    ]
    return {"columns": [METRICS[name].label for name in names], "blocks": body}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give ``(dotted key, text)`` of a nested mapping."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "–" if value is None else str(value)


def _caption(name: str, captions: Mapping[str, str]) -> str:
    return captions.get(name, CAPTIONS.get(name.split("_")[0], name.replace("_", " ")))


def write_report(
    path: Path | str,
    *,
    title: str,
    results: Sequence[Result],
    figures: Mapping[str, Figure],
    config_yaml: str,
    environment: Mapping[str, Any],
    notes: Sequence[str] = (),
    mock: bool,
    oracle: bool = False,
    facts: Mapping[str, str] = MappingProxyType({}),
    captions: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write the report of one run; the page needs no other file and no network.

    Args:
        path: where to write the HTML.
        title: what was run, for example ``tng → simba``.
        results: rows of the results table.
        figures: name → figure, in reading order.
        config_yaml: the resolved configuration.
        environment: versions, revision, ``command``; may be nested.
        notes: sentences a reader must know (what was skipped, what was assumed).
        mock: whether any of the data are mocks.
        oracle: whether target labels chose the checkpoint.
        facts: training in a few lines, see :func:`~dagnn.evaluation.history.training_facts`.
        captions: name → caption, for figures that :data:`CAPTIONS` does not know.

    Returns:
        The path.
    """
    found = blocks(results)
    page = render(
        "report.html.j2",
        title=title,
        headline=headline(results, oracle=oracle),
        mock=mock,
        oracle=oracle,
        notes=list(notes),
        table=_table(found, COLUMNS),
        full_table=_table(blocks(results, splits=None), list(METRICS)),
        prior_mean=PRIOR_MEAN,
        metrics=list(METRICS.values()),
        pictures=[
            picture(name, figure, _caption(name, captions)) for name, figure in figures.items()
        ],
        facts=dict(facts),
        config_yaml=config_yaml,
        environment=list(_flat(environment)),
        command=str(environment.get("command", "")),
    )
    return write_text(path, page)
