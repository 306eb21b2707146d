"""Measure how much mock universes look like CAMELS: every row of the gates for mocks.

    python benchmarks/mock_realism.py --boxes 200 --workers 2 --out mocks

Makes (or reuses) boxes at the parameters of the real Latin hypercubes, reads
them back through the package's own reader, and prints one table. Real spectra
are compared over all 1000 boxes; "same rows" lines compare with the real
spectra of the same rows only. A failed gate is a result, not an error.
"""

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from realism_measures import (
    FEATURES,
    Box,
    Measure,
    classifier_auc,
    galaxy_measures,
    published_measures,
    ridge_measures,
    same_row_measures,
    spectra,
    spectrum_measures,
    summary,
    transfer_measures,
)

from dagnn.catalogs.reader import read_catalog
from dagnn.mocks.suites import SUITES
from dagnn.mocks.universe import Row, catalog_path, make_box, make_universe, read_rows

COUNTS = {"IllustrisTNG": ((650, 900), "~720"), "SIMBA": ((1000, 1300), "~1150")}
PUBLISHED = {"IllustrisTNG": (0.9, 0.18), "SIMBA": (0.85, 0.30)}


def real_table(shared: Path, suite: str) -> Path:
    """Return the path of a suite's real Latin-hypercube table."""
    return shared / "camels" / "params" / suite / f"CosmoAstroSeed_{suite}_L25n256_LH.txt"


def read_boxes(out: Path, suite: str, rows: Iterable[Row]) -> list[Box]:
    """Read mock boxes back as a user would."""
    boxes = []
    for row in rows:
        catalog = read_catalog(catalog_path(out, SUITES[suite], row))
        columns = {name: catalog.columns[name] for name in FEATURES}
        boxes.append(Box(catalog.positions, columns, np.array(row.values)))
    return boxes


def measure_suite(
    shared: Path, suite: str, boxes: list[Box], log_power: np.ndarray
) -> list[Measure]:
    """Return every measure of one suite that needs no other suite."""
    gate, real_count = COUNTS.get(suite, ((None, None), "-"))
    lines = galaxy_measures(boxes, gate, real_count, gated=suite in COUNTS)
    if suite not in COUNTS:
        return lines
    parameters = np.array([box.parameters for box in boxes])
    real = np.log10(np.load(shared / "camels" / f"Pk_galaxies_{suite}_LH_33_kmax=20.0.npy"))
    truth = np.array([row.values for row in read_rows(real_table(shared, suite), len(real))])
    lines = spectrum_measures(log_power, parameters, real, truth) + lines
    lines += same_row_measures(log_power, real[: len(boxes)], real)
    lines += ridge_measures(log_power, parameters, real, truth)
    for weights in sorted((shared / "reference" / "weights").glob(f"{suite}_*")):
        lines += published_measures(weights, boxes, *PUBLISHED[suite])
    return lines


def time_box(rows: list[Row]) -> Measure:
    """Return the seconds that one box takes on one core, the median of several."""
    seconds = []
    for row in rows[:10]:
        start = time.perf_counter()
        make_box("tng", row.parameters, row.index)
        seconds.append(time.perf_counter() - start)
    return Measure("seconds per box on one core (median)", float(np.median(seconds)), "-", 0.0, 1.0)


def show(title: str, lines: Iterable[Measure]) -> str:
    """Format measures as a table."""
    text = [f"{title:48s} {'ours':>9s}  {'real':>11s}  {'gate':>15s}  pass"]
    for line in lines:
        gate = "" if line.passes is None else f"{line.low:g} .. {line.high:g}"
        verdict = {True: "yes", False: "NO", None: ""}[line.passes]
        text.append(
            f"{line.quantity:48s} {line.ours:9.3f}  {line.real:>11s}  {gate:>15s}  {verdict}"
        )
    return "\n".join(text) + "\n"


def main() -> None:
    """Make the boxes, measure, print, and write JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="folder for the mock suites")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    beside = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=beside, help="folder of real data")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    tables, boxes, power = {}, {}, {}
    for suite in SUITES:
        table = real_table(arguments.shared, suite)
        make_universe(
            suite, arguments.out, arguments.boxes, table, arguments.seed, arguments.workers
        )
        rows = read_rows(table, arguments.boxes)
        boxes[suite] = read_boxes(arguments.out, suite, rows)
        power[suite] = spectra(boxes[suite])
        tables[suite] = measure_suite(arguments.shared, suite, boxes[suite], power[suite])
        print(show(f"MOCK {suite}, {arguments.boxes} boxes", tables[suite]), flush=True)
    tng, simba, astrid = (
        np.array([summary(box, row) for box, row in zip(boxes[suite], power[suite], strict=True)])
        for suite in SUITES
    )
    tables["between suites"] = [
        Measure("AUC TNG-like / SIMBA-like", classifier_auc(tng, simba), "separable", 0.95, 1.0),
        Measure("AUC TNG-like / Astrid-like", classifier_auc(tng, astrid), "-", None, None),
        Measure("AUC SIMBA-like / Astrid-like", classifier_auc(simba, astrid), "-", None, None),
        *transfer_measures(power, boxes),
        time_box(read_rows(real_table(arguments.shared, "IllustrisTNG"), 10)),
    ]
    print(show("MOCK, between suites", tables["between suites"]))
    if arguments.json:
        record = {
            name: [{**line._asdict(), "passes": line.passes} for line in lines]
            for name, lines in tables.items()
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(record, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
