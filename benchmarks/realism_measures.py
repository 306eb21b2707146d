"""The quantities by which mock boxes are compared with CAMELS; see mock_realism.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch_geometric.data import Batch, Data

from dagnn.graphs.build import build_graph
from dagnn.mocks.power import galaxy_power, shell_wavenumbers
from dagnn.models.published import load_published, published_linking_radius
from dagnn.parameters import Scaling

PARAMETERS = ("Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2")
FEATURES = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
CENTRES = shell_wavenumbers()
GROUPS = np.array_split(np.arange(len(CENTRES)), 13)  # six neighbouring bins each


@dataclass(frozen=True)
class Box:
    """Galaxies of one box: positions [n, 3] in box units, columns [n], parameters [6]."""

    position: np.ndarray
    columns: dict[str, np.ndarray]
    parameters: np.ndarray


class Measure(NamedTuple):
    """One line of the table; ``low`` and ``high`` are the gate (None: reported only)."""

    quantity: str
    ours: float
    real: str
    low: float | None
    high: float | None

    @property
    def passes(self) -> bool | None:
        """Whether the gate is met; None where there is none."""
        if self.low is None or self.high is None:
            return None
        return bool(self.low <= self.ours <= self.high)


def spectra(boxes: list[Box]) -> np.ndarray:
    """Return log10 P(k) of every box [boxes, 79]."""
    return np.log10([galaxy_power(25.0 * box.position) for box in boxes])


def responses(log_power: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Return d lg P / d lg (parameter) by least squares [6, 79]."""
    design = np.column_stack([np.ones(len(parameters)), np.log10(parameters)])
    return np.linalg.lstsq(design, log_power, rcond=None)[0][1:]


def _grouped(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
    chosen = [group[keep[group]] for group in GROUPS]
    return np.array([values[group].mean() for group in chosen if len(group)])


def spectrum_measures(
    ours: np.ndarray, parameters: np.ndarray, real: np.ndarray, real_parameters: np.ndarray
) -> list[Measure]:
    """Compare spectra and their responses with the real ones (all 1000 boxes)."""
    shift = ours.mean(0) - real.mean(0)
    spread = ours.std(0) / real.std(0)
    lines = [
        Measure("mean log10 P: max |difference|, dex", np.abs(shift).max(), "0", 0.0, 0.06),
        Measure("mean log10 P: rms difference, dex", np.sqrt((shift**2).mean()), "0", 0.0, 0.03),
        Measure("scatter of log10 P: lowest ratio", spread.min(), "1", 0.75, 1.2),
        Measure("scatter of log10 P: highest ratio", spread.max(), "1", 0.75, 1.2),
    ]
    gap = responses(ours, parameters) - responses(real, real_parameters)
    for row, name, start, gate in ((0, "Omega_m", 0.0, 0.2), (2, "A_SN1", 8.0, 0.1),
                                   (1, "sigma_8", 12.0, 0.15)):  # fmt: skip
        keep = start <= CENTRES
        title = f"d lg P/d lg {name}" + (f", k >= {start:g}" if start else "")
        lines += [
            Measure(f"{title}: mean difference", gap[row, keep].mean(), "0", -gate, gate),
            Measure(f"{title}: max over 6-bin groups", np.abs(_grouped(gap[row], keep)).max(),
                    "0", 0.0, gate),
        ]  # fmt: skip
    return lines


def same_row_measures(ours: np.ndarray, same: np.ndarray, real: np.ndarray) -> list[Measure]:
    """Compare with the real spectra of the same rows, which differ by chance from all."""
    shift, chance = ours.mean(0) - same.mean(0), same.mean(0) - real.mean(0)
    return [
        Measure("same rows: max |difference| of mean", np.abs(shift).max(), "0", None, None),
        Measure("same rows: rms difference of mean", np.sqrt((shift**2).mean()), "0", None, None),
        Measure("  (real rows: rms from real 1000)", np.sqrt((chance**2).mean()), "-", None, None),
    ]


def galaxy_measures(
    boxes: list[Box], gate: tuple[float | None, float | None], real: str, gated: bool
) -> list[Measure]:
    """Counts, stellar masses, the mass-velocity relation and how clustered galaxies are."""
    mass = np.log10(np.concatenate([box.columns["stellar_mass"] for box in boxes])) + 10.0
    speed = np.log10(np.concatenate([box.columns["vmax"] for box in boxes]))
    counts = np.array([len(box.position) for box in boxes])
    shares = 100.0 * np.array([(mass < 9).mean(), ((mass >= 9) & (mass < 10)).mean(),
                               (mass >= 10).mean()])  # fmt: skip
    edges = [build_graph(b.position, b.columns, 0.015).edge_index for b in boxes]
    degree = np.concatenate([[(e[0] != e[1]).sum() / len(b.position)]
                             for e, b in zip(edges, boxes, strict=True)])  # fmt: skip
    lines = [
        Measure("mean number of galaxies", counts.mean(), real, *gate),
        Measure("fewest galaxies", counts.min(), "~100 (TNG)", None, None),
        Measure("most galaxies", counts.max(), ">1500 (TNG)", None, None),
        Measure("share M* < 1e9, %", shares[0], "45", 39, 51),
        Measure("share 1e9-1e10, %", shares[1], "37", 31, 43),
        Measure("share above 1e10, %", shares[2], "18", 12, 24),
        Measure("corr(lg M*, lg Vmax)", np.corrcoef(mass, speed)[0, 1], "0.7-0.9", 0.7, 0.92),
        Measure("mean degree at 0.015", degree.mean(), "2.3 (TNG)", None, None),
        Measure("sd of degree between boxes", degree.std(), "1.3 (TNG)", None, None),
    ]
    return lines if gated else [line._replace(real="-", low=None, high=None) for line in lines]


def transfer_measures(power: dict[str, np.ndarray], boxes: dict[str, list[Box]]) -> list[Measure]:
    """How a ridge for Omega_m learnt on one mock suite does there and on the other."""
    truth = {s: np.array([box.parameters[0] for box in b]) for s, b in boxes.items()}
    known = {"IllustrisTNG": ("0.77", "0.24"), "SIMBA": ("0.60", "-0.20")}
    lines = []
    for source, target in (("IllustrisTNG", "SIMBA"), ("SIMBA", "IllustrisTNG")):
        within = cross_val_predict(_ridge(), power[source], truth[source], cv=5)
        across = _ridge().fit(power[source], truth[source]).predict(power[target])
        short = source.replace("Illustris", "")
        lines += [
            Measure(f"ridge {short}-like, same suite: R2", _r2(truth[source], within), "-",
                    None, None),
            Measure(f"ridge {short}-like, other suite: R2", _r2(truth[target], across),
                    f"{' -> '.join(known[source])}", None, None),
        ]  # fmt: skip
    return lines


def _ridge() -> object:
    return make_pipeline(StandardScaler(), RidgeCV(np.geomspace(1e-1, 1e4, 26)))


def _r2(truth: np.ndarray, guess: np.ndarray) -> float:
    return float(1.0 - ((guess - truth) ** 2).mean() / truth.var())


def ridge_measures(
    ours: np.ndarray, parameters: np.ndarray, real: np.ndarray, real_parameters: np.ndarray
) -> list[Measure]:
    """Omega_m by ridge on log10 P(k): learnt on mocks, tested on real boxes."""
    truth = real_parameters[:, 0]
    across = _ridge().fit(ours, parameters[:, 0]).predict(real)
    within = cross_val_predict(_ridge(), real, truth, cv=5)
    return [
        Measure("ridge on mock P(k), real P(k): R2", _r2(truth, across), "0.5-0.6", 0.4, 1.0),
        Measure("  (the same, real on real)", _r2(truth, within), "0.5-0.6", None, None),
    ]


def shuffled(boxes: list[Box], seed: int = 0) -> list[Box]:
    """Give every galaxy the features of a random galaxy of the suite (the null test)."""
    rng = np.random.default_rng(seed)
    pool = np.stack([np.concatenate([b.columns[name] for b in boxes]) for name in FEATURES])
    mixed = []
    for box in boxes:
        drawn = pool[:, rng.integers(pool.shape[1], size=len(box.position))]
        columns = dict(zip(FEATURES, drawn, strict=True))
        mixed.append(Box(box.position, columns, box.parameters))
    return mixed


def published_prediction(weights: Path, boxes: list[Box]) -> np.ndarray:
    """Return Omega_m as a published network sees it in every box."""
    network, radius = load_published(weights), published_linking_radius(weights)
    items = []
    for box in boxes:
        graph = build_graph(box.position, box.columns, radius, "all", "published")
        parts = {k: torch.as_tensor(getattr(graph, k)) for k in ("x", "edge_index", "edge_attr")}
        items.append(Data(**parts, u=torch.as_tensor(graph.u)))
    with torch.no_grad():
        mean = network(Batch.from_data_list(items)).prediction.mean.numpy()
    return Scaling.of(["Omega_m"]).mean_to_physical(mean[:, :1])[:, 0]


def published_measures(
    weights: Path, boxes: list[Box], r_gate: float, error_gate: float
) -> list[Measure]:
    """How well published weights read Omega_m from mocks, and from mocks of shuffled features.

    The real values are those printed for SIMBA-trained networks on SIMBA (arXiv:2311.01588).
    """
    truth = np.array([box.parameters[0] for box in boxes])
    guess = published_prediction(weights, boxes)
    null = published_prediction(weights, shuffled(boxes))
    kind = "NoDA" if "NoDA" in weights.name else "MMD"
    gated = kind == "NoDA"
    error = float((np.abs(guess - truth) / truth).mean())
    return [
        Measure(f"published {kind}: r", np.corrcoef(guess, truth)[0, 1], "R2 ~0.97",
                r_gate if gated else None, 1.0),
        Measure(f"published {kind}: relative error", error, "~0.05", 0.0 if gated else None,
                error_gate),
        Measure(f"published {kind}: r on pooled features", np.corrcoef(null, truth)[0, 1], "-",
                -1.0 if gated else None, 0.75),
    ]  # fmt: skip


def summary(box: Box, log_power: np.ndarray) -> np.ndarray:
    """Return the numbers by which a classifier may distinguish the suites."""
    logs = np.log10(np.stack([box.columns[name] for name in FEATURES]))
    shape = [log_power[group].mean() for group in GROUPS]
    return np.concatenate([[np.log10(len(box.position))], logs.mean(1), logs.std(1), shape])


def classifier_auc(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cross-validated AUC of a logistic regression between two suites."""
    x, y = np.concatenate([one, other]), np.repeat([0, 1], [len(one), len(other)])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000))
    return float(roc_auc_score(y, cross_val_predict(model, x, y, cv=5, method="decision_function")))
