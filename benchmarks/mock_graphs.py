"""Measure the default recipe on MOCK galaxy graphs: both directions, several seeds.

    python benchmarks/mock_graphs.py --boxes 300 --seeds 3 --out DIR

Trains with and without adaptation and prints, for each direction, mean ± sd over
seeds of the metrics on test boxes. These are mocks: they show that the method runs and
what adaptation is worth on them, not how CAMELS behaves.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from dagnn import run
from dagnn.records import Result

METRICS = ("relative_error", "r2", "chi2", "coverage68")
DIRECTIONS = (("tng", "simba"), ("simba", "tng"))
MODELS = ("prior-mean", "source-only", "model")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=300, help="mock boxes per suite")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--config", default="base")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--out", type=Path, default=Path("runs/mock_graphs"))
    parser.add_argument("--json", type=Path, help="write every number here")
    return parser.parse_args()


def measure(given: argparse.Namespace) -> Iterator[tuple[str, int, float, list[Result]]]:
    """Train every direction and seed; a finished run is not trained again."""
    for source, target in DIRECTIONS:
        for seed in range(given.seeds):
            experiment = run.load(
                given.config,
                [*given.overrides, f"data.mock_boxes={given.boxes}"],
                source=[source],
                target=[target],
                seed=seed,
                compare_source_only=True,
            )
            started = time.perf_counter()
            out = given.out / f"{source}-{target}-{seed}"
            done = run.train(experiment, out=out, mock=True, console=Console(quiet=True))
            yield f"{source} → {target}", seed, time.perf_counter() - started, done.results


def table(rows: dict[tuple[str, str, str, str], list[float]]) -> Iterator[str]:
    """Lay out mean ± sd over seeds."""
    yield f"{'MOCK':16s} {'suite':16s} {'predictor':12s}" + "".join(f"{m:>20s}" for m in METRICS)
    blocks = dict.fromkeys((direction, suite) for direction, suite, _, _ in rows)
    for direction, suite in blocks:
        for model in MODELS:
            cells = [rows[direction, suite, model, metric] for metric in METRICS]
            text = "".join(f"{np.mean(c):12.3f} ± {np.std(c, ddof=1):5.3f}" for c in cells)
            yield f"{direction:16s} {suite:16s} {model:12s}{text}"


def main() -> None:
    """Run the benchmark."""
    given = arguments()
    rows: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    seconds = []
    for direction, seed, took, results in measure(given):
        seconds.append(took)
        for row in held_out(results):
            rows[direction, f"{row.suite} ({row.role})", row.model, row.metric].append(row.value)
        print(f"{direction} seed {seed}: {took:.0f} s", flush=True)
    print(
        f"# {given.boxes} boxes per suite, {given.seeds} seeds, {torch.get_num_threads()} threads"
    )
    print(*table(rows), sep="\n")
    print(f"median seconds for both trainings and the report: {np.median(seconds):.0f}")
    if given.json:
        flat = {" | ".join(key): values for key, values in rows.items()}
        given.json.write_text(json.dumps({"mock": True, "seconds": seconds, **flat}, indent=1))


def held_out(results: Sequence[Result]) -> list[Result]:
    """Keep test items and the metrics of the table."""
    return [row for row in results if row.split == "test" and row.metric in METRICS]


if __name__ == "__main__":
    main()
