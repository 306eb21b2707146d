"""Measure what a trial of ``dagnn tune`` costs beyond the training in it, on **real** spectra.

    python benchmarks/tuning_overhead.py --data ../shared/camels --trials 20

Training is what ``dagnn train`` does as well: building the network, epochs, validation after each,
checkpoints and the log of epochs. Beyond it are proposing, telling, storing, label-free scores and
the sealed file. Reverse validation is left out: it is a second training that a study asks for.
CPU seconds do not depend on what else the machine does; wall seconds hold waiting for the disk.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from rich.console import Console

from dagnn import tune
from dagnn.run import selection as run_trial
from dagnn.tune import worker
from dagnn.yaml_files import read_yaml, to_yaml

SECONDS: dict[str, list[tuple[float, float]]] = defaultdict(list)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Add wall and CPU seconds of a block."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        SECONDS[what].append((time.perf_counter() - wall, time.process_time() - cpu))


def timing(what: str, function: Callable) -> Callable:
    """Return a function that is timed."""

    def wrapped(*given, **named):
        with timed(what):
            return function(*given, **named)

    return wrapped


def shortened(folder: Path, trials: int, pruner: str) -> Path:
    """Write the shipped study without reverse validation."""
    study = read_yaml(Path("tuning/spectra.yaml"))
    study |= {"reverse_validation": False, "budget": {"trials": trials}, "pruner": pruner}
    path = folder / "spectra.yaml"
    path.write_text(to_yaml(study))
    return path


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/camels"))
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--pruner", default="none")
    given = parser.parse_args()
    whole = worker.Worker.work
    parts = {
        "training": (run_trial, "fit_network"),
        "label-free scores": (run_trial, "label_free_scores"),
        "sealed target scores": (worker, "target_scores"),
        "reporting epochs": (worker.Progress, "on_epoch"),
    }
    with tempfile.TemporaryDirectory() as place:
        study = shortened(Path(place), given.trials, given.pruner)
        patches = [
            patch.object(module, name, timing(what, getattr(module, name)))
            for what, (module, name) in parts.items()
        ]
        patches.append(patch.object(worker.Worker, "work", timing("all", whole)))
        for one in patches:
            one.start()
        tune.tune(study, data=given.data, out=Path(place) / "study", console=Console(quiet=True))
    print(f"# dagnn tune on real spectra, {given.trials} trials, pruner {given.pruner}")
    sums = {
        what: [sum(column) for column in zip(*each, strict=True)] for what, each in SECONDS.items()
    }
    # Reports are made while the network trains, and are none of the training.
    reported = sums.get("reporting epochs", [0.0, 0.0])
    sums["training"] = [a - b for a, b in zip(sums["training"], reported, strict=True)]
    for what, (wall, cpu) in sums.items():
        print(f"{what:22s} {wall:8.2f} s wall {cpu:8.2f} s CPU")
    beyond = [a - b for a, b in zip(sums["all"], sums["training"], strict=True)]
    shares = [share / train for share, train in zip(beyond, sums["training"], strict=True)]
    print(f"{'beyond training':22s} {beyond[0]:8.2f} s wall {beyond[1]:8.2f} s CPU")
    print(f"{'overhead':22s} {shares[0]:8.1%}        {shares[1]:8.1%}")


if __name__ == "__main__":
    main()
