"""Measure on MOCK galaxy graphs what adaptation and edges are worth, against controls.

    python benchmarks/mock_graphs.py --boxes 300 --seeds 5 --out DIR

Every contestant is trained in both directions with several seeds (of split and weights);
error bars are calibrated on the source alone. Prints mean ± sd over seeds on the target's test
boxes, and the default recipe minus each contestant, paired over seeds, with a 95% interval
of the mean (Student's t). Finished runs in DIR are not trained again, so it may be run in pieces
(``--only``, ``--direction``) and repeated. These are mocks: not how CAMELS behaves.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy import stats

from dagnn import run
from dagnn.records import Result

METRICS = ("relative_error", "r2", "chi2", "coverage68")
DIRECTIONS = {"tng-simba": ("tng", "simba"), "simba-tng": ("simba", "tng")}
DEFAULT = "statistics + MMD (default)"
NO_EDGES = "data.linking_radius=1e-6"
CONTESTANTS = {
    "source-only": ["model.statistics=shared", "loss.terms={none: {}}"],
    "MMD": ["model.statistics=shared", "loss.terms={mmd: {weight: 1.0}}"],
    "statistics": ["loss.terms={statistics: {}}"],
    DEFAULT: [],
    "statistics, no edges": ["loss.terms={statistics: {}}", NO_EDGES],
    "statistics + MMD, no edges": [NO_EDGES],
}
BASELINES = ("prior-mean", "galaxy-count", "ridge", "ridge-aligned")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=300, help="mock boxes per suite")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=CONTESTANTS, help="repeatable")
    parser.add_argument("--direction", action="append", choices=DIRECTIONS, help="repeatable")
    parser.add_argument("--out", type=Path, default=Path("runs/mock_graphs"))
    parser.add_argument("--json", type=Path, help="write every number here")
    return parser.parse_args()


def results_of(given: argparse.Namespace, direction: str, name: str, seed: int) -> list[Result]:
    """Train one contestant once, or read what a finished run measured."""
    source, target = DIRECTIONS[direction]
    out = given.out / direction / f"{list(CONTESTANTS).index(name)}-seed-{seed}"
    quiet = Console(quiet=True)
    if (out / "config.yaml").is_file():
        return run.resume(out, console=quiet).results
    settings = [
        *CONTESTANTS[name],
        f"data.mock_boxes={given.boxes}",
        "calibration.surrogate=none",
        "loss.prior_guard=false",  # the suites span the whole prior, and its alarms may be false
    ]
    experiment = run.load("base", settings, source=[source], target=[target], seed=seed)
    return run.train(experiment, out=out, mock=True, console=quiet).results


Rows = dict[tuple[str, str, str], list[float]]


def measure(given: argparse.Namespace) -> Rows:
    """Return direction, predictor and metric → one number per seed, target test boxes."""
    rows: Rows = {}
    for direction in given.direction or DIRECTIONS:
        for name in given.only or CONTESTANTS:
            for seed in range(given.seeds):
                for row in results_of(given, direction, name, seed):
                    if (row.role, row.split) != ("target", "test") or row.metric not in METRICS:
                        continue
                    if row.model != "model" and (row.model not in BASELINES or name != DEFAULT):
                        continue
                    predictor = name if row.model == "model" else row.model
                    rows.setdefault((direction, predictor, row.metric), []).append(row.value)
                print(f"# {direction}: {name}, seed {seed}", flush=True)
    return rows


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the mean difference over seeds, and the half width of its 95% interval."""
    difference = np.subtract(first, second)
    error = stats.sem(difference) if len(difference) > 1 else np.nan
    return float(difference.mean()), float(error * stats.t.ppf(0.975, len(difference) - 1))


def table(rows: Rows) -> Iterator[str]:
    """Lay out mean ± sd over seeds, and what the default gains over each, in points of error."""
    for direction in dict.fromkeys(key[0] for key in rows):
        yield f"\nMOCK, {direction}, target test boxes"
        yield (
            f"  {'':28s}" + "".join(f"{m:>17s}" for m in METRICS) + "   default minus this, points"
        )
        for name in dict.fromkeys(key[1] for key in rows if key[0] == direction):
            cells = [rows[direction, name, metric] for metric in METRICS]
            text = "".join(f"{np.mean(c):9.3f} ± {np.std(c, ddof=1):5.3f}" for c in cells)
            ours = rows.get((direction, DEFAULT, "relative_error"))
            if ours and name != DEFAULT:
                mean, half = paired(ours, cells[0])
                text += (
                    f"   {100 * mean:+.1f} [{100 * (mean - half):+.1f}, {100 * (mean + half):+.1f}]"
                )
            yield f"  {name:28s}{text}"


def main() -> None:
    """Run the benchmark."""
    given = arguments()
    rows = measure(given)
    print(f"# {given.boxes} boxes per suite, {given.seeds} seeds")
    print(*table(rows), sep="\n")
    if given.json:
        stored = {" | ".join(key): values for key, values in rows.items()}
        given.json.write_text(json.dumps({"mock": True, **stored}, indent=1))


if __name__ == "__main__":
    main()
