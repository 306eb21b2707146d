"""What does choosing without target labels cost? The shipped study on **real** spectra.

    python benchmarks/tuning.py --data ../shared/camels --seeds 2

Runs `tuning/spectra.yaml` in both directions and with several seeds of the split. Target labels are
read afterwards, from the sealed file of every trial. The oracle takes the trial with the lowest
error on the target's test items, the same items that it is measured on: no choice could do that.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from dagnn import tune
from dagnn.tune.outcomes import choices
from dagnn.tune.study import read_study
from dagnn.yaml_files import read_yaml, to_yaml

DIRECTIONS = (("tng", "simba"), ("simba", "tng"))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/camels"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=30)
    given = parser.parse_args()
    started = time.perf_counter()
    print(f"# tuning/spectra.yaml on real spectra, {given.trials} trials, {given.seeds} seeds")
    print("direction      seed choice                         source_error      R²    lost")
    lost: dict[str, list[float]] = {}
    for source, target in DIRECTIONS:
        for seed in range(given.seeds):
            with tempfile.TemporaryDirectory() as place:
                found = search(Path(place), source, target, seed, given)
            best = next(one.outcome.target["r2"] for one in found if one.oracle)
            for one in found:
                r2 = one.outcome.target["r2"]
                lost.setdefault(one.label, []).append(best - r2)
                print(
                    f"{source} → {target:8s} {seed:3d} {one.label:30s} "
                    f"{one.outcome.scores['source_error']:12.4f} {r2:7.3f} {best - r2:7.3f}",
                    flush=True,
                )
    for label, each in lost.items():
        print(f"# {label}: R² lost against the oracle's choice {np.mean(each):.3f} on average, "
              f"at most {max(each):.3f}")  # fmt: skip
    print(f"# {time.perf_counter() - started:.0f} s")


def search(place: Path, source: str, target: str, seed: int, given: argparse.Namespace) -> list:
    """Run the study in one direction and return what could be taken."""
    study = read_yaml(Path("tuning/spectra.yaml"))
    study["experiment"] |= {"source": [source], "target": [target]}
    study["experiment"]["set"]["seed"] = seed
    file = place / "spectra.yaml"
    file.write_text(to_yaml(study))
    result = tune.tune(
        file,
        data=given.data,
        out=place / "study",
        trials=given.trials,
        console=Console(quiet=True),
    )
    read = read_study(file, data=given.data)
    return choices(result.outcomes, read.objectives, read.default())


if __name__ == "__main__":
    main()
