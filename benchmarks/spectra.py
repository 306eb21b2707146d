"""Measure adaptation methods on **real** CAMELS power spectra: both directions, several seeds.

    python benchmarks/spectra.py --data ../shared/camels --seeds 5 --json FILE

Task: Omega_m from log10 P(k) at z = 0; source labelled, target unlabelled; 700/150/150 boxes
per suite. Target test boxes are never used, not even unlabelled, and target labels are read for
this table only. "Oracle" is the same network trained on labels of the target suite. Prints
mean ± sd over seeds.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from dagnn import run
from dagnn.config import Experiment
from dagnn.evaluation.predict import predict
from dagnn.parameters import Scaling
from dagnn.run.assemble import assemble
from dagnn.run.data import Prepared, SuiteData, prepare
from dagnn.training import fit

DIRECTIONS = (("tng", "simba"), ("simba", "tng"))
SHARED = "model.statistics=shared"
METHODS = {
    "source-only": [SHARED, "loss.terms={none: {}}"],
    "MMD, shared statistics": [SHARED, "loss.terms={mmd: {weight: 1.0}}"],
    "CORAL, shared statistics": [SHARED, "loss.terms={coral: {weight: 1.0}}"],
    "statistics per suite": ["loss.terms={statistics: {}}"],
    "  + MMD": ["loss.terms={mmd: {weight: 0.3}}"],
    "  + CORAL": ["loss.terms={coral: {weight: 0.3}}"],
    "  + moments": ["loss.terms={moments: {weight: 0.3}}"],
    "  + joint": ["loss.terms={joint: {weight: 0.3}}"],
    "  + Sinkhorn": ["loss.terms={sinkhorn: {weight: 0.3}}"],
    "  + DARE-GRAM": ["loss.terms={dare_gram: {weight: 0.1}}"],
    "  + DANN": ["loss.terms={dann: {weight: 0.1}}"],
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/camels"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--config", default="spectra_mmd")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--only", action="append", help="a method of the table; repeatable")
    parser.add_argument("--json", type=Path, help="write every number here")
    return parser.parse_args()


def scores(network: torch.nn.Module, suite: SuiteData, scaling: Scaling) -> dict[str, float]:
    """Measure a network on the test boxes of a suite."""
    made = predict(
        network,
        suite.loaded.dataset,
        suite.parts()["test"],
        scaling,
        suite=suite.name,
        role=suite.role,
        split="test",
        domain=suite.domain,
    )
    error, truth = made.mean[:, 0] - made.truth[:, 0], made.truth[:, 0]
    z = error / made.std[:, 0]
    return {
        "r2": float(1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "error": float(np.mean(np.abs(error) / truth)),
        "chi2": float(np.mean(z**2)),
        "coverage68": float(np.mean(np.abs(z) < 1)),
    }


def train(experiment: Experiment, prepared: Prepared) -> torch.nn.Module:
    """Train one network."""
    made = assemble(experiment, prepared)
    fit(made.network, made.objective, made.domains, settings=made.settings)
    return made.network


def measure(given: argparse.Namespace) -> Iterator[tuple[str, str, str, dict[str, float]]]:
    """Give (direction, suite, method, scores) of every training."""
    console = Console(quiet=True)
    for source, target in DIRECTIONS:
        for seed in range(given.seeds):
            for method in given.only or METHODS:
                overrides = METHODS[method]
                settings = [*overrides, *given.overrides]
                experiment = run.load(
                    given.config,
                    settings,
                    source=[source],
                    target=[target],
                    seed=seed,
                    data=given.data,
                )
                prepared = prepare(experiment, given.data, console)
                network = train(experiment, prepared)
                for suite in prepared.suites:
                    found = scores(network, suite, prepared.scaling)
                    yield f"{source} → {target}", suite.name, method, found


def table(rows: dict[tuple[str, str, str], list[dict[str, float]]]) -> Iterator[str]:
    """Lay out mean ± sd over seeds, the target's first."""
    names = ("r2", "error", "chi2", "coverage68")
    yield f"{'target':8s} {'method':26s}" + "".join(f"{name:>17s}" for name in names)
    for source, target in DIRECTIONS:
        direction, back = f"{source} → {target}", f"{target} → {source}"
        listed = [(method, rows[direction, target, method]) for method in METHODS]
        listed.append(("oracle (target labels)", rows[back, target, "source-only"]))
        listed = [(method, found) for method, found in listed if found]
        for method, found in listed:
            cells = [[one[name] for one in found] for name in names]
            text = "".join(f"{np.mean(c):9.3f} ± {np.std(c, ddof=1):5.3f}" for c in cells)
            yield f"{target:8s} {method:26s}{text}"


def main() -> None:
    """Run the benchmark."""
    given = arguments()
    started = time.perf_counter()
    rows: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    for direction, suite, method, found in measure(given):
        rows[direction, suite, method].append(found)
    print(f"# real CAMELS spectra, {given.seeds} seeds, {time.perf_counter() - started:.0f} s")
    print(*table(rows), sep="\n")
    if given.json:
        given.json.write_text(json.dumps({" | ".join(k): v for k, v in rows.items()}, indent=1))


if __name__ == "__main__":
    main()
