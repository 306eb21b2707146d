"""Measure every stage between files and a trained graph network, next to its peers.

    OMP_NUM_THREADS=1 python benchmarks/speed.py --quick --json FILE
    python benchmarks/speed.py --threads 2 --device cuda

One table: medians of interleaved repeats, and ratios to ours. On one CPU thread the clock
is processor time, otherwise wall time. Boxes are MOCKS or random clumps of galaxies with
the published numbers of neighbours; the network has the published size (two blocks of 64).
Nothing is compared that does not give the same numbers; that is asserted.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import ensembles
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.spatial import cKDTree
from speed_data import GALAXIES, clumps, make_dataset
from speed_growth import Curves, by_boxes, by_galaxies
from speed_peers import loop_graph
from speed_steps import BATCH, Steps, forever
from speed_timing import growth_of_memory, in_own_process, medians

from dagnn.catalogs.collection import load_suite
from dagnn.environment import collect_environment
from dagnn.graphs import build_graph, periodic_pairs
from dagnn.mocks.universe import make_universe


@dataclass(frozen=True)
class Row:
    """One line of the table; ``ratio`` is to the first line of the same stage."""

    stage: str
    case: str
    value: float
    unit: str
    ratio: float


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    files: int
    boxes: int
    repeats: int
    galaxies: tuple[int, ...]
    counts: tuple[int, ...]
    recipe: bool


QUICK = Plan(4, 64, 5, (100, 1000, 10_000, 100_000), (8, 32, 128), recipe=False)
FULL = Plan(24, 256, 11, (100, 1000, 10_000, 100_000, 1_000_000), (8, 32, 128, 512), recipe=True)
# Boxes of each suite and epochs, as published; members of an ensemble.
RECIPE_BOXES, RECIPE_EPOCHS = 1000, 500
MEMBERS = 8


def rows_of(stage: str, seconds: dict[str, float], per: int = 1) -> list[Row]:
    """Turn medians into rows in milliseconds per item; the first is the reference."""
    reference = next(iter(seconds.values()))
    return [
        Row(stage, case, 1e3 * value / per, "ms", value / reference)
        for case, value in seconds.items()
    ]


def reading(plan: Plan) -> list[Row]:
    """Read mock catalogues from HDF5, and from the cache of selected columns."""
    with tempfile.TemporaryDirectory() as folder:
        data, cache = Path(folder) / "data", Path(folder) / "cache"
        make_universe("tng", data, plan.files)
        load_suite("tng", data, cache=cache)
        cases = {
            "from the cache": lambda: load_suite("tng", data, cache=cache),
            "from HDF5": lambda: load_suite("tng", data),
        }
        return rows_of("read a catalogue", medians(cases, plan.repeats), plan.files)


def graphs(plan: Plan) -> list[Row]:
    """Build a graph; search neighbours only; loop over edges."""
    place, columns, radius = clumps(GALAXIES, 0)
    ours = build_graph(place, columns, radius, convention="published")
    edges, features = loop_graph(place, radius)
    assert np.array_equal(edges, ours.edge_index)
    assert np.abs(features - ours.edge_attr).max() < 1e-3  # the convention is single precision
    cases: dict[str, Callable[[], object]] = {
        "catalogue to graph": partial(build_graph, place, columns, radius),
        "our search and sorting only": partial(periodic_pairs, place, radius),
        "bare cKDTree.query_pairs": partial(bare_search, place, radius),
    }
    if find_spec("vesin") is not None:
        cases["bare vesin"] = partial(vesin_search, place, radius)
    if find_spec("torch_cluster") is not None:
        cases["bare torch_cluster, no periodicity"] = partial(cluster_search, place, radius)
    fast = medians(cases, 10 * plan.repeats)
    slow = medians({"plain loop over edges": partial(loop_graph, place, radius)}, plan.repeats)
    return rows_of("build a graph", fast | slow)


def bare_search(place: np.ndarray, radius: float) -> np.ndarray:
    """Find the periodic pairs, nothing more."""
    pairs: np.ndarray = cKDTree(place, boxsize=1.0).query_pairs(radius, output_type="ndarray")
    return pairs


def vesin_search(place: np.ndarray, radius: float) -> object:
    """Find every pair once with vesin."""
    import vesin

    search = vesin.NeighborList(cutoff=radius, full_list=False)
    return search.compute(points=place, box=np.eye(3), periodic=True, quantities="ij")


def cluster_search(place: np.ndarray, radius: float) -> object:
    """Find pairs with the search behind PyG's ``RadiusGraph``."""
    from torch_cluster import radius_graph

    return radius_graph(torch.from_numpy(place), radius, max_num_neighbors=1000)


def batching(plan: Plan, device: str) -> list[Row]:
    """Gather a batch of boxes from memory; collate it with PyG's loader."""
    dataset = make_dataset(plan.boxes).to(device)
    order = torch.randperm(plan.boxes)[:BATCH]
    loader = forever(make_dataset(plan.boxes))
    cases = {
        "gathered by tensor operations": lambda: dataset.batch(order),
        "PyG DataLoader": lambda: next(loader).to(device),
    }
    return rows_of(f"a batch of {BATCH} boxes, {device}", medians(cases, plan.repeats, device))


def stepping(plan: Plan, device: str) -> list[Row]:
    """Take training steps, with drawing the batches."""
    steps = Steps(plan.boxes, device)
    steps.require_same_numbers()
    batches = [dataset.to(device).batch(torch.arange(BATCH)) for dataset in steps.datasets]
    cases = {
        "ours": steps.our_step,
        "MetaLayer and DataLoader": steps.plain_step,
        "MetaLayer on ready batches": lambda: steps.plain_step(batches),
    }
    name = f"a training step of {BATCH} + {BATCH} boxes, {device}"
    return rows_of(name, medians(cases, plan.repeats, device, warm_up=2))


def epochs(plan: Plan, device: str) -> list[Row]:
    """Train for one pass over the source."""
    steps = Steps(plan.boxes, device)
    number = plan.boxes // BATCH
    cases = {
        "ours": lambda: [steps.our_step() for _ in range(number)],
        "MetaLayer and DataLoader": lambda: [steps.plain_step() for _ in range(number)],
    }
    name = f"an epoch of {plan.boxes} + {plan.boxes} boxes, {device}"
    return rows_of(name, medians(cases, max(3, plan.repeats // 3), device))


def recipe(plan: Plan, device: str) -> list[Row]:
    """Train as long as published, going by the median of a few epochs; on a CPU on request."""
    if device == "cpu" and not plan.recipe:
        return []
    steps = Steps(RECIPE_BOXES, device)
    number = RECIPE_BOXES // BATCH

    def epoch() -> None:
        for _ in range(number):
            steps.our_step()

    seconds = medians({"ours": epoch}, 3, device)["ours"] * RECIPE_EPOCHS
    stage = f"the published recipe, {RECIPE_BOXES} + {RECIPE_BOXES} boxes, {device}"
    return [Row(stage, f"ours, {RECIPE_EPOCHS} epochs by the median of 3", seconds, "s", 1.0)]


def several(plan: Plan, device: str) -> list[Row]:
    """Take a step with one graph network, and with an ensemble as training runs it.

    Members of graph networks take turns within a step; under ``vmap`` they are slower.
    """
    name = next(name for name in ensembles.CASES if name.startswith("graphs"))
    alone = ensembles.measure(name, 1, None, device, plan.repeats)
    of_members = ensembles.measure(name, MEMBERS, False, device, plan.repeats)
    cases = {"one network": 1e-3 * alone, f"{MEMBERS} members": 1e-3 * of_members}
    return rows_of(f"a training step of {name}, {device}", cases)


def step_memory(which: str, device: str) -> float:
    """Return by how many MiB training steps raise the peak memory."""
    steps = Steps(QUICK.boxes, device)
    run = {"ours": steps.our_step, "plain": steps.plain_step}[which]
    if device == "cpu":
        return growth_of_memory(lambda: [run() for _ in range(3)])
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def memory(plan: Plan, device: str) -> list[Row]:
    """Measure peak memory, each in a process of its own."""
    found = {
        case: in_own_process(__file__, which, "--device", device)
        for case, which in {"ours": "ours", "MetaLayer and DataLoader": "plain"}.items()
    }
    stage = f"peak memory of training steps, {device}"
    rows = [Row(stage, case, value, "MiB", value / found["ours"]) for case, value in found.items()]
    largest = plan.galaxies[-1]
    built = in_own_process(__file__, "graph", "--galaxies", str(largest))
    return [*rows, Row("peak memory of a graph", f"{largest} galaxies", built, "MiB", 1.0)]


def graph_memory(galaxies: int) -> float:
    """Return by how many MiB building one graph raises the peak memory."""
    place, columns, radius = clumps(galaxies, 0)
    return growth_of_memory(lambda: build_graph(place, columns, radius))


def growth(plan: Plan) -> tuple[list[Row], Curves]:
    """Measure how cost grows with galaxies per box and with boxes."""
    found = by_galaxies(plan.galaxies, plan.repeats) | by_boxes(plan.counts, plan.repeats)
    rows = []
    for name, curve in found.items():
        cost, what = name.split(" / ")
        case = f"{cost}, {curve['sizes'][0]} to {curve['sizes'][-1]} {what}"
        rows.append(Row("growth", case, curve["exponent"], "exponent", 1.0))
    return rows, found


def ratios(rows: list[Row], devices: list[str]) -> dict[str, float]:
    """Return the ratios that the project promises to keep."""
    value = {(row.stage, row.case): row.value for row in rows}
    build = {case: v for (stage, case), v in value.items() if stage == "build a graph"}
    ours = build["catalogue to graph"]
    found = {
        "graph_vs_neighbour_search": ours / build["bare cKDTree.query_pairs"],
        "plain_loop_graph_vs_ours": build["plain loop over edges"] / ours,
    }
    for device in devices:
        step = f"a training step of {BATCH} + {BATCH} boxes, {device}"
        ours, plain, ready = (
            value[step, case]
            for case in ("ours", "MetaLayer and DataLoader", "MetaLayer on ready batches")
        )
        found[f"plain_step_vs_ours_{device}"] = plain / ours
        found[f"plain_step_on_ready_batches_vs_ours_{device}"] = ready / ours
    for row in rows:
        device = row.stage.rpartition(", ")[2]
        if row.stage.startswith("the published recipe"):
            found[f"published_recipe_seconds_{device}"] = row.value
        if row.case == f"{MEMBERS} members":
            found[f"ensemble_of_{MEMBERS}_vs_one_{device}"] = row.ratio
    return found


def measure(plan: Plan, devices: list[str]) -> tuple[list[Row], Curves]:
    """Measure every stage."""
    console = Console(stderr=True)
    stages: list[Callable[[], list[Row]]] = [partial(reading, plan), partial(graphs, plan)]
    for device in devices:
        of_device = (batching, stepping, epochs, memory, several, recipe)
        stages += [partial(stage, plan, device) for stage in of_device]
    rows: list[Row] = []
    for stage in stages:
        found = stage()
        rows += found
        for name in dict.fromkeys(row.stage for row in found):
            console.print(f"{name}: done")
    grown, curves = growth(plan)
    return rows + grown, curves


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="minutes instead of a quarter hour")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="CPU threads; by default those of torch")
    parser.add_argument("--json", type=Path, help="write every number here")
    parser.add_argument("--memory", choices=["ours", "plain", "graph"], help=argparse.SUPPRESS)
    parser.add_argument("--galaxies", type=int, default=GALAXIES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    if given.memory is not None:
        of_graph = given.memory == "graph"
        print(graph_memory(given.galaxies) if of_graph else step_memory(given.memory, given.device))
        return
    devices = list(dict.fromkeys(["cpu", given.device]))
    rows, curves = measure(QUICK if given.quick else FULL, devices)
    show(rows, ratios(rows, devices), curves, given.json)


def show(rows: list[Row], promised: dict[str, float], curves: Curves, path: Path | None) -> None:
    """Print the table and write the numbers."""
    table = Table("stage", "case", "median", "ratio")
    for stage, members in itertools.groupby(rows, key=lambda row: row.stage):
        for row in members:
            ratio = "" if row.unit == "exponent" else f"{row.ratio:.2f}"
            table.add_row(stage, row.case, f"{row.value:.3g} {row.unit}", ratio)
        table.add_section()
    console = Console(width=130)
    console.print(table)
    for name, value in promised.items():
        console.print(f"{name}: {value:.2f}")
    clock = "processor time" if torch.get_num_threads() == 1 else "wall time"
    console.print(f"CPU threads: {torch.get_num_threads()}; CPU clock: {clock}")
    if path is not None:
        numbers = {
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": collect_environment(seed=0),
            "threads": torch.get_num_threads(),
            "clock": clock,
            "ratios": promised,
            "rows": [asdict(row) for row in rows],
            "growth": curves,
        }
        path.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
