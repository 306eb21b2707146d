"""Measure adaptation on **real** CAMELS power spectra: both directions, several seeds.

    python benchmarks/spectra.py --data ../shared/camels --seeds 5 --json FILE

Task: Omega_m from log10 P(k) at z = 0; source labelled, target unlabelled; 700/150/150 boxes
per suite. Target test boxes are never used, not even unlabelled, and target labels are read for
this table only. "ORACLE" is the same network trained on labels of the target, and "Gaussian
process" an independent regression (scikit-learn) on the same splits. Five parts: adaptation
methods; the default recipe with its calibrated error bars; ways to calibrate them; other inputs
and parameters; label shift. Prints mean ± sd over seeds.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from spectra_floors import gaussian_process

from dagnn import run
from dagnn.config import Experiment
from dagnn.models import Network
from dagnn.records import Predictions
from dagnn.run.calibrate import at_other_redshift, calibrated
from dagnn.run.data import prepare
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared
from dagnn.run.ranges import guarded
from dagnn.run.selection import label_free_scores, reverse_error
from dagnn.run.trained import Training, apply_scale, on_target_labels, predict_all
from dagnn.tune.outcomes import lowest_rank_sum

QUIET = Console(quiet=True)
DIRECTIONS = (("tng", "simba"), ("simba", "tng"))
SHARED, ALONE = "model.statistics=shared", "model.members=1"
METHODS = {
    "source-only": [ALONE, SHARED, "loss.terms={none: {}}"],
    "MMD, shared statistics": [ALONE, SHARED, "loss.terms={mmd: {weight: 1.0}}"],
    "CORAL, shared statistics": [ALONE, SHARED, "loss.terms={coral: {weight: 1.0}}"],
    "statistics per suite": [ALONE],
    "  + MMD": [ALONE, "loss.terms={mmd: {weight: 0.3}}"],
    "  + CORAL": [ALONE, "loss.terms={coral: {weight: 0.3}}"],
    "  + moments": [ALONE, "loss.terms={moments: {weight: 0.3}}"],
    "  + joint": [ALONE, "loss.terms={joint: {weight: 0.3}}"],
    "  + Sinkhorn": [ALONE, "loss.terms={sinkhorn: {weight: 0.3}}"],
    "  + DARE-GRAM": [ALONE, "loss.terms={dare_gram: {weight: 0.1}}"],
    "  + DANN": [ALONE, "loss.terms={dann: {weight: 0.1}}"],
}
INPUTS = {
    "z = 0 and 1": ["data.redshifts=[0.0, 1.0]"],
    "sigma_8, z = 0": ["data.parameters=[sigma_8]"],
    "sigma_8, z = 0 and 1": ["data.parameters=[sigma_8]", "data.redshifts=[0.0, 1.0]"],
}
RESTRICTIONS = {
    "whole prior": (0.1, 0.5),
    "0.3 to 0.5": (0.3, 0.5),
    "0.1 to 0.3": (0.1, 0.3),
    "0.2 to 0.4": (0.2, 0.4),
    "0.2 to 0.5": (0.2, 0.5),
    "0.1 to 0.4": (0.1, 0.4),
    "0.35 to 0.5": (0.35, 0.5),
}
Scores = dict[str, float]
Rows = dict[tuple[str, str, str], list[Scores]]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/camels"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--config", default="spectra")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; repeatable")
    parser.add_argument("--json", type=Path, help="write every number here")
    return parser.parse_args()


def scores(made: Predictions) -> Scores:
    """Measure predictions of the first parameter."""
    error, truth = made.mean[:, 0] - made.truth[:, 0], made.truth[:, 0]
    z = error / made.std[:, 0]
    return {
        "r2": float(1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "error": float(np.mean(np.abs(error) / truth)),
        "chi2": float(np.mean(z**2)),
        "coverage68": float(np.mean(np.abs(z) < 1)),
    }


def test_scores(predictions: Sequence[Predictions]) -> dict[str, Scores]:
    """Measure the test items of every suite."""
    return {p.suite: scores(p) for p in predictions if p.split == "test"}


class Bench:
    """What all parts share: data, seeds and the way to train.

    Args:
        given: the command line.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.rows: Rows = defaultdict(list)

    def each(self) -> Iterator[tuple[str, str, int]]:
        """Give source, target and seed."""
        for source, target in DIRECTIONS:
            for seed in range(self.given.seeds):
                yield source, target, seed

    def experiment(self, source: str, target: str, seed: int, *overrides: str) -> Experiment:
        """Load the recipe with some settings changed."""
        settings = [*overrides, *self.given.overrides]
        return run.load(
            self.given.config,
            settings,
            source=[source],
            target=[target],
            seed=seed,
            data=self.given.data,
        )

    def prepared(self, experiment: Experiment) -> Prepared:
        """Read its data, guarded against narrow targets."""
        return guarded(experiment, prepare(experiment, self.given.data, QUIET), QUIET)

    def train(self, experiment: Experiment, prepared: Prepared) -> list[Predictions]:
        """Train as ``dagnn train`` does, and predict with calibrated error bars."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            training = Training("model", RunFolder(path), experiment)
            network = fit(experiment, prepared, path)
            scale = calibrated(training, prepared, network, None, QUIET, path)
            raw = predict_all(network, prepared, "model")
        return apply_scale(scale, raw, _sources(prepared))

    def add(self, part: str, target: str, name: str, found: Scores) -> None:
        """Note the scores of one training on one suite."""
        self.rows[part, target, name].append(found)


def _sources(prepared: Prepared) -> list[str]:
    return [suite.name for suite in prepared.of_role("source")]


def fit(experiment: Experiment, prepared: Prepared, folder: Path) -> Network:
    """Train one network or ensemble."""
    return fit_network(
        experiment, prepared, RunFolder(folder), QUIET, initial=None, label="", root=folder
    )


def methods(bench: Bench) -> None:
    """Compare adaptation methods, single networks, and choose between them without labels."""
    for source, target, seed in bench.each():
        free: dict[str, Scores] = {}
        r2: Scores = {}
        for name, overrides in METHODS.items():
            experiment = bench.experiment(source, target, seed, *overrides)
            prepared = bench.prepared(experiment)
            with tempfile.TemporaryDirectory() as folder:
                network = fit(experiment, prepared, Path(folder))
                free[name] = label_free_scores(network, prepared)
                free[name]["reverse_error"] = reverse_error(network, experiment, prepared)
                found = test_scores(predict_all(network, prepared, "model"))[target]
            bench.add("methods", target, name, found)
            r2[name] = found["r2"]
        best = max(r2.values())
        for criterion in ("source_error", "domain_auc", "reverse_error"):
            picked = min(free, key=lambda name: free[name][criterion])
            bench.add("selection", target, criterion, {"lost r2": best - r2[picked]})
        picked = lowest_rank_sum(free)
        bench.add("selection", target, "rank sum of all", {"lost r2": best - r2[picked]})


def default(bench: Bench) -> None:
    """Measure the default recipe against no adaptation, the oracle and a Gaussian process."""
    for source, target, seed in bench.each():
        experiment = bench.experiment(source, target, seed)
        prepared = bench.prepared(experiment)
        alone = experiment.without_adaptation()
        oracle = experiment.on_target_labels()
        r2 = {}
        for name, variant, data in (
            ("no adaptation", alone, prepared),
            ("default recipe", experiment, prepared),
            ("ORACLE (target labels)", oracle, on_target_labels(prepared)),
        ):
            found = test_scores(bench.train(variant, data))[target]
            bench.add("default", target, name, found)
            r2[name] = found["r2"]
        none, ours, best = r2.values()
        bench.add("gap", target, "gap closed", {"share": (ours - none) / (best - none)})
        moved = at_other_redshift(experiment, prepared, QUIET)
        for name, found in gaussian_process(prepared, source, target, moved).items():
            bench.add("default", target, name, scores(found))


def calibration(bench: Bench) -> None:
    """Calibrate the error bars of one network in every way that reads no target label."""
    for source, target, seed in bench.each():
        experiment = bench.experiment(source, target, seed)
        prepared = bench.prepared(experiment)
        with tempfile.TemporaryDirectory() as folder:
            network = fit(experiment, prepared, Path(folder))
        raw = predict_all(network, prepared, "model")
        for surrogate in ("none", "redshift", "halves"):
            variant = bench.experiment(source, target, seed, f"calibration.surrogate={surrogate}")
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder)
                training = Training("model", RunFolder(path), variant)
                scale = calibrated(training, prepared, network, None, QUIET, path)
            found = test_scores(apply_scale(scale, raw, _sources(prepared)))[target]
            found = {key: found[key] for key in ("chi2", "coverage68")}
            bench.add("calibration", target, f"surrogate: {surrogate}", found)


def inputs(bench: Bench) -> None:
    """Measure the default recipe on other inputs and parameters."""
    for name, overrides in INPUTS.items():
        for source, target, seed in bench.each():
            experiment = bench.experiment(source, target, seed, *overrides)
            prepared = bench.prepared(experiment)
            for label, variant, data in (
                ("no adaptation", experiment.without_adaptation(), prepared),
                ("default recipe", experiment, prepared),
                ("ORACLE", experiment.on_target_labels(), on_target_labels(prepared)),
            ):
                found = test_scores(bench.train(variant, data))[target]
                bench.add("inputs", target, f"{name}: {label}", found)


def shift(bench: Bench) -> None:
    """Restrict the target's prior: what the guard gains, and how often the alarm is right."""
    for name, (low, high) in RESTRICTIONS.items():
        ranges = [] if name == "whole prior" else [f"data.target_prior.Omega_m=[{low}, {high}]"]
        for source, target, seed in bench.each():
            plain = ["calibration.surrogate=none", *ranges]
            guard = bench.experiment(source, target, seed, *plain)
            prepared = bench.prepared(guard)
            off = bench.experiment(source, target, seed, *plain, "loss.prior_guard=false")
            for label, variant, data in (
                ("no adaptation", guard.without_adaptation(), prepared),
                ("no guard", off, bench.prepared(off)),
                ("guard", guard, prepared),
            ):
                found = test_scores(bench.train(variant, data))[target]
                found = {key: found[key] for key in ("r2", "error")}
                bench.add("shift", target, f"{name}: {label}", found)
            (interval,) = prepared.intervals
            alarm = {"alarm": float(interval.alarm), "width": interval.width}
            bench.add("alarm", target, name, alarm)


PARTS: dict[str, Callable[[Bench], None]] = {
    "default": default,
    "methods": methods,
    "calibration": calibration,
    "inputs": inputs,
    "shift": shift,
}


def table(rows: Rows) -> Iterator[str]:
    """Lay out mean ± sd over seeds."""
    last = None
    for (part, target, name), found in sorted(rows.items(), key=lambda row: row[0][:2]):
        if (part, target) != last:
            names = list(found[0])
            yield f"\n{part}: target {target:8s}{'':14s}" + "".join(f"{n:>17s}" for n in names)
            last = (part, target)
        cells = [[one[key] for one in found] for key in found[0]]
        spread = [np.std(cell, ddof=1) if len(cell) > 1 else np.nan for cell in cells]
        text = "".join(f"{np.mean(c):9.3f} ± {s:5.3f}" for c, s in zip(cells, spread, strict=True))
        yield f"  {name:38s}{text}"


def main() -> None:
    """Run the benchmark."""
    given = arguments()
    started = time.perf_counter()
    bench = Bench(given)
    for name in given.only or PARTS:
        PARTS[name](bench)
        spent = time.perf_counter() - started
        print(f"# {name} done after {spent:.0f} s", flush=True)
    print(f"# real CAMELS spectra, config {given.config}, {given.seeds} seeds")
    print(*table(bench.rows), sep="\n")
    if given.json:
        stored = {" | ".join(key): found for key, found in bench.rows.items()}
        given.json.write_text(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main()
