"""Measure adaptation of image classifiers: **real** surveys, and a MOCK sky beside publications.

    python benchmarks/images.py --seeds 5 --json FILE                    # everything
    python benchmarks/images.py --only real --target decals --seeds 5
    python benchmarks/images.py --only real --method source-only --method MMD
    python benchmarks/images.py --only mock --seeds 3
    python benchmarks/images.py --only unknown --seeds 3 --sky DIR

Part ``real``: SDSS → DECaLS and Illustris, FIRST ↔ NVSS (``../shared/images``). Balanced accuracy
on all items of the target, which training sees without labels (``evaluation.transductive``), of
radio galaxies on the test objects only; target labels are read for this table alone. "ORACLE"
trains on target labels and is measured on the test items that it has not learned. Part ``mock``:
mergers, pristine → noisy, on ``dagnn mock sky``: accuracy and AUC of source and target beside those
of arXiv:2103.01373; the images are not theirs, so only the pattern can be compared. Part
``unknown``: the configuration ``universal`` on such a sky, lenses in the target only. Prints mean ±
sd over seeds, with the 95% interval of the mean (Student's t), and of a single seed that of a
bootstrap over its items.
"""

import argparse
import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.stats import t as student

from dagnn import run
from dagnn.config import Experiment
from dagnn.models import Network
from dagnn.records import Result
from dagnn.run.baselines import measure
from dagnn.run.data import locate_data, prepare
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared
from dagnn.run.trained import adapt, apply_novelty, fit_novelty, on_target_labels, predict_all

QUIET = Console(quiet=True)
RADIO = [
    "data.images=null", "data.classes=null", "data.unknown=[]",
    # The surveys share objects: those of the test part alone have no labelled twin.
    "evaluation.transductive=false",
]  # fmt: skip
PAIRS: dict[str, tuple[str, list[str]]] = {
    "decals": ("sdss", []),
    "illustris": ("sdss", []),
    "nvss": ("first", RADIO),
    "first": ("nvss", RADIO),
}
METHODS = {
    "source-only": "survey_source_only",
    "statistics per suite": "survey_statistics",
    "MMD": "survey_mmd",
    "DANN": "survey_dann",
    "Sinkhorn": "survey_sinkhorn",
    "Fisher + entropy": "survey_fisher_entropy",
    "universal (default)": "survey",
}
REESTIMATED = "source-only, re-estimated"
ORACLE = "ORACLE (target labels)"
# Accuracy in percent and AUC, of source and of target: arXiv:2103.01373.
PUBLISHED: dict[str, tuple[str, str]] = {
    "deepmerge_source_only": ("85 / 58", ".92 / .74"),
    "deepmerge_mmd": ("87 / 77", ".93 / .85"),
    "deepmerge_dann": ("87 / 79", ".94 / .87"),
    "deepmerge_mmd_fisher_entropy": ("84 / 77", ".93 / .86"),
    "deepmerge_dann_fisher_entropy": ("87 / 74", ".94 / .82"),
    "resnet18_source_only": ("82 / 60", "–"),
    "resnet18_mmd": ("90 / 74", "–"),
    "resnet18_dann": ("92 / 72", "–"),
}
SHOWN = (
    "balanced_accuracy", "accuracy", "auc",
    "known_accuracy", "unknown_recall", "h_score", "unknown_auroc", "ece",
)  # fmt: skip
Found = dict[str, tuple[float, float, float]]
"""Metric → value and the ends of its interval over items."""
Rows = dict[tuple[str, str, str], list[Found]]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/images"))
    parser.add_argument("--sky", type=Path, help="of the part unknown; the cached one if none")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; repeatable")
    parser.add_argument("--target", action="append", choices=PAIRS, help="repeatable")
    parser.add_argument(
        "--method", action="append", choices=[*METHODS, ORACLE, *PUBLISHED], help="repeatable"
    )
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--json", type=Path, help="write every number here")
    given = parser.parse_args()
    if given.seeds < 1:
        parser.error("--seeds counts from 1 on")
    return given


def fit(experiment: Experiment, prepared: Prepared) -> Network:
    """Train one network, of which nothing stays on disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        return fit_network(
            experiment, prepared, RunFolder(path), QUIET, initial=None, label="", root=path
        )


def measured(
    experiment: Experiment,
    prepared: Prepared,
    network: Network,
    *,
    trained_on: Prepared | None = None,
    seen_by: Network | None = None,
) -> list[Result]:
    """Predict and measure as ``dagnn train`` does.

    Args:
        experiment: how to measure.
        prepared: what is measured.
        network: trained network.
        trained_on: what it was trained on, where that is something else, as of the oracle.
        seen_by: the same network with other statistics, to predict with.
    """
    together = experiment.evaluation.transductive and trained_on is None
    raw = predict_all(seen_by or network, prepared, "model", transductive=together)
    trained_on = trained_on or prepared
    predictions = apply_novelty(fit_novelty(network, trained_on, trained_on.trained), raw)
    return measure(experiment, prepared, predictions)


def of_suite(results: Sequence[Result], suite: str) -> Found:
    """Return the metrics of all classes together on the held-out items of one suite."""
    return {
        row.metric: (row.value, row.low, row.high)
        for row in results
        if row.suite == suite and row.model == "model" and row.split in ("test", "all")
        if row.metric in SHOWN and row.parameter == "class"
    }


def reestimated(experiment: Experiment, prepared: Prepared, network: Network) -> Found:
    """Measure a network whose statistics are estimated anew on the unlabelled target."""
    (target,) = prepared.of_role("target")
    items = np.concatenate([part.numpy() for part in target.parts().values()])
    own = adapt(
        network, target.loaded.dataset, next(iter(target.parts().values())).new_tensor(items)
    )
    as_first = target.numbered(target.role, 0)
    alone = replace(prepared, suites=(*prepared.of_role("source"), as_first))
    return of_suite(measured(experiment, alone, network, seen_by=own), target.name)


def progress(place: str, name: str, seed: int, found: Found) -> None:
    """Print the result of one training."""
    value, low, high = found["balanced_accuracy"]
    line = f"# {place}, {name}, seed {seed}: balanced accuracy {value:.3f} [{low:.3f}, {high:.3f}]"
    print(line, flush=True)


def real(given: argparse.Namespace, rows: Rows) -> None:
    """Compare adaptation methods on real surveys."""
    methods = [name for name in (*METHODS, ORACLE) if name in (given.method or (*METHODS, ORACLE))]
    for target in given.target or PAIRS:
        source, changes = PAIRS[target]
        for seed in range(given.seeds):
            for name in methods:
                experiment = run.load(
                    METHODS.get(name, "survey_source_only"), [*changes, *given.overrides],
                    source=[source], target=[target], seed=seed, data=given.data,
                )  # fmt: skip
                prepared = prepare(experiment, given.data, QUIET)
                if name == ORACLE:
                    variant, on = experiment.on_target_labels(), on_target_labels(prepared)
                    network = fit(variant, on)
                    results = measured(variant, prepared, network, trained_on=on)
                else:
                    network = fit(experiment, prepared)
                    results = measured(experiment, prepared, network)
                    rows["real", f"{source}, test items of the source", name].append(
                        of_suite(results, source)
                    )
                rows["real", f"{source} → {target}", name].append(of_suite(results, target))
                progress(f"{source} → {target}", name, seed, of_suite(results, target))
                if name == "source-only":
                    found = reestimated(experiment, prepared, network)
                    rows["real", f"{source} → {target}", REESTIMATED].append(found)


def mock(given: argparse.Namespace, rows: Rows) -> None:
    """Train the published recipes on a mock sky of mergers."""
    default = [name for name in PUBLISHED if not name.startswith("resnet")]
    for name in given.method or default:
        if name not in PUBLISHED:
            continue
        for seed in range(given.seeds):
            experiment = run.load(name, given.overrides, seed=seed)
            prepared = prepare(experiment, locate_data(experiment, True, QUIET), QUIET)
            results = measured(experiment, prepared, fit(experiment, prepared))
            for suite in ("pristine", "noisy"):
                rows["MOCK", suite, name].append(of_suite(results, suite))
                progress(f"MOCK {suite}", name, seed, of_suite(results, suite))


def unknown(given: argparse.Namespace, rows: Rows) -> None:
    """Look for lenses, which no source teaches, with and without adaptation."""
    for seed in range(given.seeds):
        adapted = run.load("universal", given.overrides, seed=seed, data=given.sky)
        place = locate_data(adapted, given.sky is None, QUIET)
        prepared = prepare(adapted, place, QUIET)
        alone = adapted.without_adaptation()
        for name, variant in (("universal, source-only", alone), ("universal", adapted)):
            results = measured(variant, prepared, fit(variant, prepared))
            for suite in ("wide", "deep"):
                rows["MOCK", suite, name].append(of_suite(results, suite))
            progress("MOCK deep", name, seed, of_suite(results, "deep"))


PARTS = {"real": real, "mock": mock, "unknown": unknown}


def written(values: Sequence[tuple[float, float, float]]) -> str:
    """Write a mean over seeds with sd and interval, or a single seed with its own interval."""
    found = np.array([value for value, _, _ in values])
    if len(found) == 1:
        return f"{found[0]:.3f} [{values[0][1]:.3f}, {values[0][2]:.3f}]"
    sd = float(found.std(ddof=1))
    reach = sd / math.sqrt(len(found)) * float(student.ppf(0.975, len(found) - 1))
    mean = float(found.mean())
    return f"{mean:.3f} ± {sd:.3f} [{mean - reach:.3f}, {mean + reach:.3f}]"


def table(rows: Rows) -> Iterator[str]:
    """Lay out every metric of every method."""
    last = None
    for (part, place, name), found in sorted(rows.items(), key=lambda row: row[0][:2]):
        names = [metric for metric in SHOWN if any(metric in one for one in found)]
        if (part, place) != last:
            yield f"\n{part}: {place} ({len(found)} seeds)"
            last = (part, place)
        cells = [f"{m} {written([one[m] for one in found if m in one])}" for m in names]
        yield f"  {name:30s}" + "  ".join(cells)
    yield from beside_published(rows)


def beside_published(rows: Rows) -> Iterator[str]:
    """Set ours on a mock sky beside the published numbers on simulated images."""
    names = [name for name in PUBLISHED if ("MOCK", "noisy", name) in rows]
    if names:
        yield "\nMOCK sky beside arXiv:2103.01373 (source / target; other images, so other numbers)"
        yield f"  {'':30s}{'accuracy':>14s}{'published':>12s}{'AUC':>14s}{'published':>14s}"
    for name in names:
        pair = [rows["MOCK", suite, name] for suite in ("pristine", "noisy")]
        percent, area = (
            [float(np.mean([one[metric][0] for one in found])) for found in pair]
            for metric in ("accuracy", "auc")
        )
        ours = f"{percent[0]:.0%} / {percent[1]:.0%}", f"{area[0]:.2f} / {area[1]:.2f}"
        theirs = PUBLISHED[name]
        yield f"  {name:30s}{ours[0]:>14s}{theirs[0]:>12s}{ours[1]:>14s}{theirs[1]:>14s}"


def main() -> None:
    """Run the benchmark."""
    given = arguments()
    started = time.perf_counter()
    rows: Rows = defaultdict(list)
    for name in given.only or PARTS:
        PARTS[name](given, rows)
        print(f"# {name} done after {time.perf_counter() - started:.0f} s", flush=True)
    print(f"# {given.seeds} seeds; mean ± sd over seeds [95% interval]")
    print(*table(rows), sep="\n")
    if given.json:
        stored = {" | ".join(key): found for key, found in rows.items()}
        given.json.write_text(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main()
