"""Time the published code of Roncoli et al. 2023 next to ours, on the same catalogues.

    git clone https://github.com/deepskies/GNN_DomainAdapt DIR
    OMP_NUM_THREADS=1 python benchmarks/published_code.py --code DIR --boxes 100 --json FILE

Catalogue to graph, a training step of 32 + 32 boxes, and the pipeline from files to a tested
network, with peak memory and test errors. Graphs, latents and gradients are asserted to be
the same. On one CPU thread the clock is processor time, otherwise wall time.
"""

import argparse
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mock_files import SUBHALOES, pad
from published_peer import SHORT, SUITES, Published, link_boxes
from published_pipeline import (
    Numbers,
    experiment_of,
    pipeline_rows,
    pipelines,
    prepared_with,
    travel,
)
from rich.console import Console
from rich.table import Table
from speed import Row, rows_of
from speed_timing import medians
from torch_geometric.data import Batch

from dagnn.catalogs.reader import read_catalog
from dagnn.environment import collect_environment
from dagnn.graphs.build import Graph, graph_of
from dagnn.mocks.universe import make_universe
from dagnn.models import load_published
from dagnn.run.assemble import assemble
from dagnn.training.loop import Loop

BATCH, RADIUS = 32, 0.015
STAGES = ("graphs", "step", "pipeline")
Cases = dict[str, Callable[[], object]]


def our_graph(file: Path, suite: str) -> Graph:
    """Read a catalogue and build its graph."""
    return graph_of(read_catalog(file, SHORT[suite]), RADIUS, convention="published")


def require_same_graph(ours: Graph, theirs: Any) -> None:
    """Compare edges and features."""
    order = np.lexsort(theirs.edge_index.numpy())
    assert np.array_equal(theirs.edge_index.numpy()[:, order], ours.edge_index)
    assert np.abs(theirs.edge_attr.numpy()[order] - ours.edge_attr).max() < 1e-5
    assert np.abs(theirs.x.numpy() - ours.x).max() < 1e-5


def graphs(peer: Published, flat: Path, boxes: Sequence[int], repeats: int) -> Iterator[Row]:
    """Read catalogues and build graphs; ours equal theirs."""
    some = [(suite, box) for suite in SUITES for box in boxes]
    files = [(flat / f"{s}_LH_{b}_fof_subhalo_tab_033.hdf5", s) for s, b in some]
    for file, one in zip(files, some, strict=True):
        require_same_graph(our_graph(*file), peer.graph(*one))
    read = [read_catalog(file, SHORT[suite]) for file, suite in files]
    places = [catalog.positions.astype(np.float32) for catalog in read]
    cases: Cases = {
        "ours": lambda: [graph_of(one, RADIUS, convention="published") for one in read],
        "published": lambda: [peer.loader.get_edges(place, RADIUS, True) for place in places],
    }
    yield from rows_of("galaxies to graph, a box", medians(cases, repeats), len(some))
    cases = {
        "ours": lambda: [our_graph(*file) for file in files],
        "published": lambda: [peer.graph(*one) for one in some],
    }
    yield from rows_of("mock file to graph, a box", medians(cases, repeats), len(some))
    for path, _ in files:
        pad(path)
    stage = f"file of {SUBHALOES} subhaloes to graph, a box"
    yield from rows_of(stage, medians(cases, repeats), len(some))


def step(peer: Published, data: Path, work: Path, repeats: int) -> list[Row]:
    """Take training steps from the same weights on the same boxes."""
    parts = {"train": range(BATCH), "valid": (BATCH, BATCH + 1), "test": (BATCH + 2, BATCH + 3)}
    ids = {part: [f"LH_{box}" for box in boxes] for part, boxes in parts.items()}
    experiment = experiment_of("ours", data, BATCH + 4, 1000)
    ready = prepared_with(experiment, dict.fromkeys(SHORT.values(), ids))
    network = peer.network()
    torch.save(network.state_dict(), work / "weights")
    made = assemble(experiment, ready)
    made.network.load_state_dict(load_published(work / "weights").state_dict())
    boxes = {suite: [peer.graph(suite, box) for box in range(BATCH)] for suite in SUITES}
    loaders = {s: peer.loader.DataLoader(g, BATCH, shuffle=True) for s, g in boxes.items()}
    chosen = peer.optimizer(network)
    loop = Loop(made.network, made.objective, made.domains, made.settings)
    cases: Cases = {
        "ours": loop.run_step,
        "published": lambda: peer.assessment.train(loaders, network, peer.settings, *chosen),
    }
    require_same_numbers(network, made.network, boxes[SUITES[0]], ready, cases)
    return rows_of(f"a training step of {BATCH} + {BATCH} boxes", medians(cases, repeats))


def require_same_numbers(theirs: Any, ours: Any, boxes: Any, ready: Any, cases: Cases) -> None:
    """Compare latents, predictions and the gradients of a step, relative to the largest number."""
    with torch.no_grad():
        out, latent = theirs(Batch.from_data_list(boxes))
        answer = ours(ready.suites[0].loaded.dataset.batch(torch.arange(BATCH)))
    require_close(latent, answer.latent, 1e-5)
    require_close(out, torch.cat([*answer.prediction], 1), 1e-4)
    for take_step in cases.values():
        take_step()
    require_close(slope(theirs), slope(ours), 1e-3)


def slope(network: Any) -> torch.Tensor:
    """Return the gradient of every weight, end to end."""
    return torch.cat([weight.grad.flatten() for weight in network.parameters()])


def require_close(first: torch.Tensor, second: torch.Tensor, tolerance: float) -> None:
    """Compare tensors relative to the largest number."""
    worst = ((first - second).abs().max() / first.abs().max()).item()
    assert worst < tolerance, f"ours and the published numbers differ by {worst:.1e}"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--code", type=Path, required=True, help="checkout of GNN_DomainAdapt")
    parser.add_argument("--data", type=Path, help="CAMELS layout; MOCKS are made if not given")
    parser.add_argument("--boxes", type=int, default=48, help="per suite, at least 36")
    parser.add_argument("--only", action="append", choices=STAGES, help="a stage; repeatable")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every number here")
    parser.add_argument(
        "--pipeline", choices=["ours", "published", "default"], help=argparse.SUPPRESS
    )
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run the benchmark."""
    given = arguments()
    torch.set_num_threads(given.threads)
    if given.pipeline:
        pipeline = (given.pipeline, given.code, given.data, given.boxes, given.epochs, given.seed)
        print(json.dumps(travel(*pipeline)))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["DAGNN_CACHE"] = str(work / "cache")
        if given.data is None:
            given.data = work / "data"
            for suite in SHORT.values():
                make_universe(suite, given.data, given.boxes, workers=2)
        link_boxes(given.data, work / "flat", given.boxes)
        peer = Published(given.code, work / "flat", given.boxes, given.epochs)
        stages, rows, found = given.only or STAGES, [], {}
        if "step" in stages:
            rows = step(peer, given.data, work, given.repeats)
        if "graphs" in stages:  # after the step: it makes the catalogues larger
            rows = [*graphs(peer, work / "flat", range(8), 3 * given.repeats), *rows]
        if "pipeline" in stages:
            found = pipelines(given)
            rows += pipeline_rows(found, given.boxes)
    show(rows, found, peer.deviations, given)


def show(
    rows: list[Row],
    found: dict[str, list[Numbers]],
    deviations: Sequence[str],
    given: argparse.Namespace,
) -> None:
    """Print the table and the deviations, and write the numbers."""
    table, console = Table("stage", "case", "median", "ratio", title="MOCK"), Console(width=130)
    for stage, members in itertools.groupby(rows, key=lambda row: row.stage):
        for row in members:
            table.add_row(stage, row.case, f"{row.value:.3g} {row.unit}", f"{row.ratio:.2f}")
        table.add_section()
    clock = "processor time" if given.threads == 1 else "wall time"
    console.print(table)
    console.print(f"CPU threads: {given.threads}; clock: {clock}; seeds: {given.seeds} from 0 on")
    for deviation in deviations:
        console.print(f"Deviation: {deviation}", highlight=False)
    if given.json is not None:
        numbers = {
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": collect_environment(seed=0),
            "arguments": {name: str(value) for name, value in vars(given).items()},
            "clock": clock,
            "deviations": list(deviations),
            "rows": [asdict(row) for row in rows],
            "pipelines": found,
        }
        given.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
