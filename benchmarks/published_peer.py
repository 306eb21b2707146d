"""The published code of Roncoli et al. 2023, imported from a checkout and called as it is.

Nothing of it lies in this repository. What has to give way for it to run here is done from
outside, and every such deviation is listed with the numbers.
"""

import contextlib
import importlib
import random
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch_geometric.utils import scatter

SUITES = ("IllustrisTNG", "SIMBA")
"""Source and target, in the order in which the published code shuffles them."""
SHORT = {"IllustrisTNG": "tng", "SIMBA": "simba"}
HELD_OUT = 0.15
"""Share of the boxes for validation, and again for the test."""
FIGURES = ("plot_losses", "plot_out_true_scatter", "plot_isomap")
NO_ENCODINGS = (None, None, None)

Ids = dict[str, dict[str, list[str]]]


def link_boxes(data: Path, flat: Path, boxes: int) -> None:
    """Show CAMELS files under the names that the published loader expects, by links."""
    flat.mkdir()
    for suite in SUITES:
        (table,) = (data / "Parameters" / suite).glob("CosmoAstroSeed_*_LH.txt")
        (flat / f"CosmoAstroSeed_params_{suite}.txt").symlink_to(table.absolute())
        for box in range(boxes):
            file = catalogue(data, suite, box)
            (flat / f"{suite}_LH_{box}_fof_subhalo_tab_033.hdf5").symlink_to(file.absolute())


def catalogue(data: Path, suite: str, box: int) -> Path:
    """Return where a box lies in the layout of CAMELS."""
    return data / "FOF_Subfind" / suite / "L25n256" / "LH" / f"LH_{box}" / "groups_090.hdf5"


def published_splits(boxes: int, seed: int) -> Ids:
    """Return which boxes the published code trains, validates and tests on."""
    dice, held, found = random.Random(seed), int(HELD_OUT * boxes), {}
    for suite in SUITES:
        order = [f"LH_{box}" for box in range(boxes)]
        dice.shuffle(order)
        valid, test, train = order[:held], order[held : 2 * held], order[2 * held :]
        found[SHORT[suite]] = {"train": train, "valid": valid, "test": test}
    return found


class Published:
    """The published modules, reading catalogues from a folder of links.

    Args:
        code: checkout of the published repository.
        flat: folder that :func:`link_boxes` filled.
        boxes: per suite.
        epochs: of a training.
    """

    def __init__(self, code: Path, flat: Path, boxes: int, epochs: int) -> None:
        self.deviations = _stand_ins()
        sys.path.insert(0, str(code.absolute() / "src"))
        with contextlib.redirect_stdout(sys.stderr):
            self.assessment: Any = importlib.import_module("assessment")
        self.loader: Any = importlib.import_module("scripts.load_data")
        self.loader.datapath = f"{flat.absolute()}/"
        pipeline = self.assessment
        pipeline.N_SIMS, pipeline.ISOMAP_ON_ALL_DATA = boxes, False
        pipeline.compute_encodings = lambda *_: NO_ENCODINGS
        chosen = dict(zip(pipeline.params_keys, pipeline.params_values, strict=True))
        self.settings = pipeline.HyperParameters(**chosen | {"n_sims": boxes, "n_epochs": epochs})
        self.table = {s: str(flat.absolute() / f"CosmoAstroSeed_params_{s}.txt") for s in SUITES}

    def graph(self, suite: str, box: int) -> Any:
        """Read a catalogue and build its graph."""
        return self.loader.sim_graph(suite, box, self.table[suite], self.settings)

    def network(self) -> Any:
        """Return the published network with fresh weights."""
        return self.assessment.define_model(self.settings, 4, 2)

    def optimizer(self, network: Any) -> tuple[Any, Any]:
        """Return optimiser and learning-rate schedule as the published pipeline makes them."""
        chosen = self.settings
        adam = torch.optim.Adam(
            network.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay
        )
        cyclic = torch.optim.lr_scheduler.CyclicLR(
            adam, chosen.learning_rate, self.assessment.MAX_LR, 1000, cycle_momentum=False
        )
        return adam, cyclic

    def train(self, work: Path, seed: int) -> dict[str, list[list[float]]]:
        """Run the published pipeline from files to a tested network.

        Returns:
            Suite → truth and prediction of Omega_m of its test boxes.
        """
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the generator that the published code uses
        torch.manual_seed(seed)
        for name in ("Models", "Outputs", "Plots", "logs"):
            (work / name).mkdir(parents=True)
        with contextlib.chdir(work):
            self.assessment.main(self.settings)
        stem = str(work / "Outputs" / self.settings.name_model())
        return {
            SHORT[suite]: [
                (0.1 + 0.4 * np.load(f"{stem}_{what}_{which}.npy")[1:, 0]).tolist()
                for what in ("trues", "outputs")
            ]
            for suite, which in zip(SUITES, ("samesuite", "testsuite"), strict=True)
        }


def _stand_ins() -> Sequence[str]:
    """Make the published imports and calls work here; return what deviates."""
    figures = ModuleType("scripts.plotting")
    for name in FIGURES:
        setattr(figures, name, lambda *_, **__: None)
    sys.modules["scripts.plotting"] = figures
    deviations = [
        "data folder, numbers of boxes and epochs and the seed are set after import",
        "figures, and the encodings computed for them alone, are left out",
    ]
    if not torch.cuda.is_available():
        torch.Tensor.cuda = lambda self: self  # type: ignore[method-assign,assignment]
        deviations.append(
            "`.cuda()` in the published MMD returns the tensor as it is: there is no GPU"
        )
    if find_spec("torch_scatter") is None:
        module: Any = ModuleType("torch_scatter")
        module.scatter_add = _scatter("sum")
        module.scatter_mean = _scatter("mean")
        module.scatter_max = lambda *given, **named: (_scatter("max")(*given, **named), None)
        sys.modules["torch_scatter"] = module
        deviations.append(
            "torch_geometric.utils.scatter stands in for torch_scatter, not installed"
        )
    else:
        deviations.append("torch_scatter is the compiled package")
    return deviations


def _scatter(reduce: str) -> Any:
    def call(values: Any, index: Any, dim: int, dim_size: int) -> Any:
        return scatter(values, index, dim, dim_size, reduce)

    return call
