"""Does the weight of a domain term act? The published objective and ours, on **real** spectra.

    python benchmarks/weight_effect.py --data ../shared/camels --seeds 3 --out benchmarks/results

Everything but the objective is the same: network, task loss, MMD, one set of statistics for both
suites, so that only the term can bring them together. The published objective (Roncoli et al. 2023)
takes the logarithm of a product, in which the weight is a constant; `weighted_sum` does not. Target
labels are read for the last column only.
"""

import argparse
import json
import time
from pathlib import Path

import matplotlib
import numpy as np
from rich.console import Console

from dagnn import run
from dagnn.report.figures.style import BLUE, ORANGE, STYLE, panels, save_figure
from dagnn.run.assemble import assemble
from dagnn.run.data import prepare
from dagnn.run.selection import label_free_scores, target_scores
from dagnn.training import fit

WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
"""The range of the published study."""
OBJECTIVES = {"log_sum": "published (log of a product)", "weighted_sum": "weighted sum"}
MEASURES = {
    "source_error": "source validation error",
    "domain_auc": "domain AUC − ½",
    "target_r2": "ORACLE: target R²",
}


def measure(objective: str, weight: float, seed: int, data: Path) -> dict[str, float]:
    """Train one network and measure it."""
    settings = [
        "model.statistics=shared",
        "model.members=1",
        "loss.prior_guard=false",
        "loss.task={name: moments, pooled: true}",
        f"loss.objective={objective}",
        f"loss.terms={{mmd: {{weight: {weight!r}}}}}",
    ]
    experiment = run.load(
        "spectra_mmd", settings, source=["tng"], target=["simba"], seed=seed, data=data
    )
    prepared = prepare(experiment, data, Console(quiet=True))
    made = assemble(experiment, prepared)
    fit(made.network, made.objective, made.domains, settings=made.settings)
    scores = label_free_scores(made.network, prepared)
    return scores | {"target_r2": target_scores(made.network, prepared)["r2"]}


@matplotlib.rc_context(STYLE)
def draw(found: dict[str, np.ndarray]) -> matplotlib.figure.Figure:
    """Draw mean ± sd over seeds of every measure against the weight."""
    figure, grid = panels(
        1, len(MEASURES), "Weight of the domain term · real spectra, TNG → SIMBA",
        panel=(3.4, 3.0),
    )  # fmt: skip
    for axes, (column, label) in zip(grid[0], enumerate(MEASURES.values()), strict=True):
        for (name, colour), text in zip(
            zip(found, (ORANGE, BLUE), strict=True), OBJECTIVES.values(), strict=True
        ):
            values = found[name][..., column]
            axes.errorbar(
                WEIGHTS, values.mean(0), values.std(0, ddof=1), color=colour, marker="o",
                markersize=4, capsize=2, label=text,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("weight")
        axes.set_ylabel(label)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/camels"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args()
    started = time.perf_counter()
    found = {
        objective: np.array(
            [
                [list(_picked(objective, weight, seed, given.data)) for weight in WEIGHTS]
                for seed in range(given.seeds)
            ]
        )
        for objective in OBJECTIVES
    }
    lines = [f"# real spectra, TNG → SIMBA, {given.seeds} seeds, mean ± sd over seeds"]
    lines.append(f"{'objective':14s}{'weight':>10s}" + "".join(f"{m:>20s}" for m in MEASURES))
    for objective, values in found.items():
        for place, weight in enumerate(WEIGHTS):
            each = values[:, place]
            cells = zip(each.mean(0), each.std(0, ddof=1), strict=True)
            text = "".join(f"{mean:12.4f} ± {sd:5.3f}" for mean, sd in cells)
            lines.append(f"{objective:14s}{weight:10g}{text}")
    spread = {name: float(np.ptp(values, axis=1).max()) for name, values in found.items()}
    lines.append(f"# largest change over weights within a seed: {spread}")
    lines.append(f"# {time.perf_counter() - started:.0f} s")
    print(*lines, sep="\n")
    (given.out / "weight_effect.txt").write_text("\n".join(lines) + "\n")
    plain = {name: values.tolist() for name, values in found.items()}
    (given.out / "weight_effect.json").write_text(json.dumps(plain, indent=1))
    save_figure(draw(found), given.out, "weight_effect")


def _picked(objective: str, weight: float, seed: int, data: Path) -> list[float]:
    scores = measure(objective, weight, seed, data)
    return [scores[name] for name in MEASURES]


if __name__ == "__main__":
    main()
