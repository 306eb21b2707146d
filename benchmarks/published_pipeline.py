"""From files to a tested network, by the published code or by ours, in a process of its own."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from published_peer import Published, link_boxes, published_splits
from rich.console import Console
from speed import Row
from speed_timing import clock_of, resident

from dagnn import run
from dagnn.config import Experiment
from dagnn.run.data import prepare
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared
from dagnn.run.trained import predict_all

RECIPES = {"ours": "gnn_published", "default": "gnn_mmd"}
DEFAULT_EPOCHS = 30
"""Of our default recipe."""
SCRIPT = Path(__file__).resolve().with_name("published_code.py")
QUIET = Console(quiet=True)
Numbers = dict[str, Any]


def experiment_of(recipe: str, data: Path, boxes: int, epochs: int, seed: int = 0) -> Experiment:
    """Return one of our recipes on the first boxes of each suite."""
    given = {
        "training.epochs": epochs,
        "training.device": "cpu",
        "data.limit": boxes,
        "data.workers": torch.get_num_threads(),
    }
    settings = [f"{name}={value}" for name, value in given.items()]
    config = RECIPES[recipe]
    return run.load(config, settings, source=["tng"], target=["simba"], seed=seed, data=data)


def prepared_with(experiment: Experiment, splits: Mapping[str, Any]) -> Prepared:
    """Read catalogues and build graphs; the splits are given."""
    assert experiment.data.path is not None
    return prepare(experiment, experiment.data.path, QUIET, splits=splits)


def our_road(recipe: str, data: Path, boxes: int, epochs: int, seed: int, work: Path) -> Numbers:
    """Read, train and predict with ours, on the published splits and an empty cache."""
    os.environ["DAGNN_CACHE"] = str(work / "cache")
    experiment, clock = experiment_of(recipe, data, boxes, epochs, seed), clock_of("cpu")
    started = clock()
    ready = prepared_with(experiment, published_splits(boxes, seed))
    read = clock() - started
    folder = RunFolder.create(work / "run", recipe)
    network = fit_network(
        experiment, ready, folder, QUIET, initial=None, label="ours", root=folder.path
    )
    tested: list[Any] = [p for p in predict_all(network, ready, "model") if p.split == "test"]
    pairs = {one.suite: [one.truth[:, 0].tolist(), one.mean[:, 0].tolist()] for one in tested}
    return {"reading": read, "tested": pairs}


def published_pipeline(
    code: Path, data: Path, boxes: int, epochs: int, seed: int, work: Path
) -> Callable[[], Numbers]:
    """Import the published code; return a function that runs its pipeline."""
    link_boxes(data, work / "flat", boxes)
    peer, clock = Published(code, work / "flat", boxes, epochs), clock_of("cpu")
    create, read = peer.assessment.create_dataset, []

    def timed(settings: Any) -> Any:
        started = clock()
        made = create(settings)
        read.append(clock() - started)
        return made

    peer.assessment.create_dataset = timed
    return lambda: {"tested": peer.train(work / "run", seed), "reading": read[0]}


def travel(which: str, code: Path, data: Path, boxes: int, epochs: int, seed: int) -> Numbers:
    """Run one pipeline in this process; return seconds, memory and test errors, without imports."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        go: Callable[[], Numbers] = partial(our_road, which, data, boxes, epochs, seed, work)
        if which == "published":
            go = published_pipeline(code, data, boxes, epochs, seed, work)
        before, wall, processor = resident(), time.perf_counter(), time.process_time()
        found = go()
        found["wall"] = time.perf_counter() - wall
        found["processor"] = time.process_time() - processor
    found["seconds"] = found["processor" if torch.get_num_threads() == 1 else "wall"]
    found["memory"], found["epochs"] = resident() - before, epochs
    found["errors"] = {suite: relative_error(*pair) for suite, pair in found["tested"].items()}
    return found


def relative_error(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Return the mean of |predicted - true| / true."""
    known = np.array(truth)
    return float(np.mean(np.abs(np.array(predicted) - known) / known))


def in_own_process(which: str, given: argparse.Namespace, epochs: int, seed: int) -> Numbers:
    """Run one pipeline in a fresh process."""
    chosen = {"code": given.code, "data": given.data, "boxes": given.boxes, "epochs": epochs}
    chosen |= {"threads": given.threads, "seed": seed, "pipeline": which}
    words = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, str(SCRIPT), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: Numbers = json.loads(done.stdout.splitlines()[-1])
    print(f"{which}, seed {seed}, {epochs} epochs: {found['seconds']:.0f} s", file=sys.stderr)
    return found


def pipelines(given: argparse.Namespace) -> dict[str, list[Numbers]]:
    """Run every pipeline with every seed, in turns."""
    found: dict[str, list[Numbers]] = defaultdict(list)
    for seed in range(given.seeds):
        go = partial(in_own_process, given=given, seed=seed)
        ours, theirs = (go(which, epochs=given.epochs) for which in ("ours", "published"))
        for suite, (truth, _) in theirs["tested"].items():
            assert np.allclose(sorted(truth), sorted(ours["tested"][suite][0]), atol=1e-4)
        # As many epochs as the published code would have let us have in its time.
        longer = given.epochs * (theirs["seconds"] - ours["reading"])
        longer = int(longer / (ours["seconds"] - ours["reading"]))
        found[f"ours, {given.epochs} epochs"].append(ours)
        found[f"published, {given.epochs} epochs"].append(theirs)
        found["ours, as long as published"].append(go("ours", epochs=longer))
        name = f"our default recipe, {DEFAULT_EPOCHS} epochs"
        found[name].append(go("default", epochs=DEFAULT_EPOCHS))
    return dict(found)


def pipeline_rows(found: dict[str, list[Numbers]], boxes: int) -> Iterator[Row]:
    """Return medians over seeds of time and memory, and means of test errors."""
    stages: list[tuple[str, str, Callable[[Numbers], float]]] = [
        ("from files to a trained network", "s", lambda pipeline: pipeline["seconds"]),
        ("of it: from files to graphs", "s", lambda pipeline: pipeline["reading"]),
        ("growth of memory", "MiB", lambda pipeline: pipeline["memory"]),
        ("relative test error, source", "", lambda pipeline: pipeline["errors"]["tng"]),
        ("relative test error, target", "", lambda pipeline: pipeline["errors"]["simba"]),
    ]
    for stage, unit, read in stages:
        middle = median if unit else mean
        values = {case: middle(map(read, seeds)) for case, seeds in found.items()}
        first = next(iter(values.values()))
        name = f"{stage} ({boxes} + {boxes} boxes)"
        yield from (Row(name, case, v, unit, v / first) for case, v in values.items())
