"""Measure how long 1000 + 1000 catalogues take to become graphs, with one worker and with two.

    OMP_NUM_THREADS=1 python benchmarks/preparation.py --json FILE

A few MOCK catalogues, filled up to the number of subhaloes that CAMELS has, are hard-linked to
a thousand names per suite; the file system has them in memory. Wall time counts. Processor
time, of all processes together, is what two free cores would share.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mock_files import SUITES, multiply, pad
from rich.console import Console

from dagnn import run
from dagnn.environment import collect_environment
from dagnn.mocks.universe import make_universe
from dagnn.run.data import prepare


def command(data: Path, workers: int) -> None:
    """Call ``dagnn prepare``."""
    words = ["prepare", "--source", "tng", "--target", "simba", "--data", str(data)]
    words += ["--workers", str(workers)]
    subprocess.run([sys.executable, "-m", "dagnn", *words], check=True, stdout=subprocess.DEVNULL)


def to_graphs(data: Path, workers: int, boxes: int) -> None:
    """Read catalogues and build graphs, as training does when it starts."""
    overrides = [f"data.workers={workers}"]
    experiment = run.load("base", overrides, source=["tng"], target=["simba"], data=data)
    prepared = prepare(experiment, data, Console(quiet=True))
    assert [len(suite.loaded.dataset) for suite in prepared.suites] == [boxes, boxes]


def timed(call: Callable[[], None]) -> dict[str, float]:
    """Return wall time, and processor time of this process and its children."""
    wall, before = time.perf_counter(), os.times()
    call()
    processor = sum(os.times()[:4]) - sum(before[:4])
    return {"wall": time.perf_counter() - wall, "processor": processor}


def measure(data: Path, caches: Path, boxes: int) -> dict[str, dict[str, float]]:
    """Measure every way, first with an empty cache."""
    found = {}
    for workers in (1, 2):
        graphs = partial(to_graphs, data, workers, boxes)
        cases: dict[str, tuple[str, Callable[[], None]]] = {
            "dagnn prepare": ("command", partial(command, data, workers)),
            "files to graphs": ("graphs", graphs),
            "cache to graphs": ("graphs", graphs),
        }
        for name, (cache, call) in cases.items():
            os.environ["DAGNN_CACHE"] = str(caches / f"{cache}{workers}")
            found[f"{name}, --workers {workers}"] = timed(call)
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=1000, help="names per suite")
    parser.add_argument("--files", type=int, default=12, help="catalogues per suite behind them")
    parser.add_argument("--json", type=Path, help="write every number here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few", Path(folder) / "many"
        for suite in SUITES:
            make_universe(suite, few, given.files)
        for file in sorted(few.glob("FOF_Subfind/*/L25n256/LH/*/*.hdf5")):
            pad(file)
        multiply(few, many, given.boxes)
        found = measure(many, Path(folder), given.boxes)
    print(f"MOCK, {given.boxes} + {given.boxes} boxes, load {os.getloadavg()[0]:.1f}")
    for name, seconds in found.items():
        print(f"{name:32s} {seconds['wall']:6.1f} s wall, {seconds['processor']:6.1f} s processor")
    if given.json is not None:
        numbers = {
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": collect_environment(seed=0),
            "boxes": given.boxes,
            "load": os.getloadavg(),
            "seconds": found,
        }
        given.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
