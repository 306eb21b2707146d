"""Where configuration becomes objects: every verb of the command line.

From Python, the same in a few lines:

    from dagnn import run
    experiment = run.load("gnn_mmd", source=["tng"], target=["simba"])
    result = run.train(experiment, out=Path("runs/first"))
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dagnn.catalogs.suites import SUITE_FILES
from dagnn.config import Experiment, Override, load_experiment
from dagnn.run.compare import compare, holds_runs
from dagnn.run.data import make_mocks
from dagnn.run.evaluate import evaluate
from dagnn.run.outputs import RunResult, report
from dagnn.run.predict import predict, predict_published
from dagnn.run.prepare import prepare
from dagnn.run.sweep import train_matrix, train_seeds
from dagnn.run.train import resume, train
from dagnn.run.trained import load_network

__all__ = [
    "RunResult",
    "compare",
    "evaluate",
    "holds_runs",
    "load",
    "load_network",
    "make_mocks",
    "predict",
    "predict_published",
    "prepare",
    "report",
    "resume",
    "train",
    "train_matrix",
    "train_seeds",
]


def load(
    config: str | Path | None = None,
    overrides: Sequence[Override] = (),
    *,
    source: list[str] | None = None,
    target: list[str] | None = None,
    seed: int | None = None,
    data: Path | None = None,
    init_from: Path | None = None,
    members: int | None = None,
    compare_source_only: bool = False,
    compare_oracle: bool = False,
    target_prior: Mapping[str, tuple[float, float]] | None = None,
) -> Experiment:
    """Load an experiment as the command line does.

    Args:
        config: YAML file or shipped name; ``base`` if None.
        overrides: ``key=value`` with dotted keys, or pairs of key and value.
        source: labelled suites; with these and no target, the file's target is dropped.
        target: unlabelled suites.
        seed: of split, weights and batches.
        data: data folder.
        init_from: run whose weights to start from; its splits are kept, so that what it
            was trained on does not come back as a test.
        members: number of networks of a deep ensemble.
        compare_source_only: also train without adaptation.
        compare_oracle: also train on target labels, stamped ORACLE.
        target_prior: parameter → range that targets are restricted to, a stress test.

    Raises:
        ConfigError: a name, an option or a value is invalid.
    """
    overrides = list(overrides)
    if data is not None:
        overrides.append(("data.path", str(data)))
    if members is not None:
        overrides.append(f"model.members={members}")
    if compare_source_only:
        overrides.append("evaluation.compare_source_only=true")
    if compare_oracle:
        overrides.append("evaluation.compare_oracle=true")
    for name, (low, high) in (target_prior or {}).items():
        overrides.append((f"data.target_prior.{name}", [low, high]))
    if source is not None and target is None:
        target = []
    if init_from is not None:
        overrides.append(("init_from", str(init_from.absolute())))
    roles = (None if names is None else list(map(_lasting, names)) for names in (source, target))
    source, target = roles
    return load_experiment(config, overrides, source=source, target=target, seed=seed)


def _lasting(suite: str) -> str:
    """Return the name of a suite, or the path of its file, in a way that any folder understands."""
    return str(Path(suite).absolute()) if Path(suite).suffix in SUITE_FILES else suite
