"""A damaged file ends in one clear error, or in the right answer: over all kinds of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tiny_images
import tiny_spectra
import torch
from damage import CASES, Harness, published_names
from PIL import Image
from rich.console import Console
from tiny_universe import write_suite

from dagnn import inspect, run
from dagnn.catalogs.collection import load_suite
from dagnn.catalogs.suites import load_suite_file
from dagnn.files import resource_folder
from dagnn.models import GraphEncoder, Network, SignedMomentsHead
from dagnn.run.data import prepare
from dagnn.run.trained import Trained

QUIET = Console(quiet=True)
Act = Callable[[], Any]


@pytest.fixture(scope="module")
def patched() -> Any:
    """Draw no figure: what is read comes before."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("dagnn.run.outputs.draw", lambda *_: {})
        monkeypatch.setattr("dagnn.run.outputs.examination_figures", lambda *_, **__: {})
        monkeypatch.setattr("dagnn.run.outputs.show_table", lambda *_: None)
        yield monkeypatch


def shown(act: Callable[..., Any], *given: Any, **options: Any) -> Act:
    return lambda: act(*given, console=QUIET, **options)


def check(harness: Harness, file: Path, acts: dict[str, Act], cases: int = CASES) -> None:
    """Damage a file in many ways."""
    found = harness.run(file, acts, same_answer, cases)
    assert not found.broken, "\n".join(found.broken)
    assert not found.silent, "\n".join(found.silent)


def same_answer(one: Any, other: Any) -> bool:
    """Whether predictions are equal; what is no prediction is not compared."""
    for name in ("mean", "probability"):
        if hasattr(other, name):
            return np.array_equal(getattr(one, name), getattr(other, name))
    return True


# Runs --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spectra_run(tmp_path_factory: pytest.TempPathFactory, patched: Any) -> Harness:
    """Give a run on spectra with its data beside it."""
    root = tmp_path_factory.mktemp("spectra")
    (root / "data").mkdir()
    tiny_spectra.write_suites(root / "data")
    experiment = tiny_spectra.load(root / "data", "training.epochs=1", "model.members=1")
    run.train(experiment, out=root / "run", console=QUIET)
    return Harness(root)


@pytest.fixture(scope="module")
def images_run(tmp_path_factory: pytest.TempPathFactory, patched: Any) -> Harness:
    """Give a run on images that were examined, with its data beside it."""
    root = tmp_path_factory.mktemp("images")
    (root / "data").mkdir()
    tiny_images.write_surveys(root / "data")
    experiment = tiny_images.tiny("survey_mmd", root / "data", tiny_images.EXAMINED)
    run.train(experiment, out=root / "run", console=QUIET)
    return Harness(root)


STORED = [
    "config.yaml", "environment.json", "metrics.jsonl", "results.csv", "predictions.csv",
    "latents.npz", "calibration.json", "checkpoints/best.pt", "checkpoints/last.pt",
]  # fmt: skip
OF_CLASSES = ["novelty.npz", "robustness.csv", "robustness.npz"]


def acts_on(folder: Path, inputs: Path) -> dict[str, Act]:
    """Give what a user does with a finished run; an examination takes too long."""
    return {
        "report": shown(run.report, folder),
        "inspect": shown(inspect.show, folder),
        "predict": shown(run.predict, folder, [inputs], out=folder.parent / "out.csv"),
        "resume": shown(run.resume, folder),
        "compare": shown(run.compare, [folder, folder], out=folder.parent / "both"),
        "open": lambda: Trained.open(folder) and None,
    }


@pytest.mark.parametrize("name", STORED)
def test_files_of_a_run(name: str, spectra_run: Harness) -> None:
    folder = spectra_run.root / "run"
    inputs = next((spectra_run.root / "data").glob("Pk_*TNG*33*.npy"))
    acts = acts_on(folder, inputs)
    del acts["compare"]
    check(spectra_run, folder / name, acts)


@pytest.mark.parametrize("name", [*STORED, *OF_CLASSES])
def test_files_of_a_run_on_images(name: str, images_run: Harness) -> None:
    folder = images_run.root / "run"
    acts = acts_on(folder, images_run.root / "data" / "gz_first.npz")
    del acts["resume"], acts["compare"]
    check(images_run, folder / name, acts)


@pytest.mark.parametrize("name", ["environment.json", "results.csv", "predictions.csv"])
def test_a_comparison(name: str, spectra_run: Harness) -> None:
    folder = spectra_run.root / "run"
    compare = acts_on(folder, folder)["compare"]
    check(spectra_run, folder / name, {"compare": compare})


# Data --------------------------------------------------------------------------------------------


def reading_of(experiment: run.Experiment) -> Act:
    return lambda: prepare(experiment, experiment.data.path, QUIET) and None


@pytest.mark.parametrize(
    "pattern", ["Pk_*TNG*33*.npy", "k_values.txt", "params/SIMBA/*.txt", "params/Ill*/*.txt"]
)
def test_spectra(pattern: str, spectra_run: Harness) -> None:
    data = spectra_run.root / "data"
    file = next(data.glob(pattern))
    acts = {
        "read": reading_of(tiny_spectra.load(data)),
        "inspect": shown(inspect.show, data),
        "inspect file": shown(inspect.show, file),
    }
    if file.suffix == ".npy":
        acts["predict"] = shown(
            run.predict, spectra_run.root / "run", [file], out=spectra_run.root / "out.csv"
        )
    check(spectra_run, file, acts)


@pytest.mark.parametrize("suffix", [".npz", ".png", ".npy", ".h5"])
def test_images(suffix: str, images_run: Harness, tmp_path: Path) -> None:
    folder, name = tmp_path / "data", "gz_first.npz"
    folder.mkdir()
    with np.load(images_run.root / "data" / name) as stored:
        arrays = {key: stored[key] for key in stored.files}
    file = folder / f"gz_first{suffix}"
    if suffix == ".npz":
        np.savez(file, **arrays)
    elif suffix == ".npy":
        np.save(file, arrays["images"])
    elif suffix == ".h5":
        with h5py.File(file, "w") as archive:
            for key in ("images", "labels"):
                archive[key] = arrays[key]
    else:
        Image.fromarray(arrays["images"][0]).save(file)
    acts = {
        "predict": shown(run.predict, images_run.root / "run", [file], out=tmp_path / "out.csv"),
        "inspect": shown(inspect.show, folder),
        "inspect file": shown(inspect.show, file),
    }
    (tmp_path / "other.txt").write_text("LH_0 0.3 0.8\n")
    check(Harness(tmp_path), file, acts)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one suite of catalogues and published weights of a made-up network."""
    root = tmp_path_factory.mktemp("catalogues")
    write_suite(root / "data", "IllustrisTNG", 1.0, 0)
    encoder = GraphEncoder({"node": 4, "edge": 3, "global": 1}, 16, 2, standardize=False,
                           batch_norm=False)  # fmt: skip
    network = Network(encoder, SignedMomentsHead(encoder.width, 1, [16] * 3))
    torch.save(published_names(network.state_dict()), root / "weights_rlink_1.50e-02.pt")
    (root / "suite.yaml").write_text((resource_folder("catalogs") / "simba.yaml").read_text())
    (root / "config.yaml").write_text((resource_folder("configs") / "base.yaml").read_text())
    return root


@pytest.mark.parametrize(
    "pattern",
    ["*.pt", "data/**/LH_0/*.hdf5", "data/**/*.txt", "cache/*.npz", "suite.yaml", "config.yaml"],
)
def test_catalogues_weights_and_configurations(pattern: str, box: Path) -> None:
    data, cache = box / "data", box / "cache"
    first = next(data.glob("**/LH_0/*.hdf5"))
    weights = next(box.glob("*.pt"))
    load_suite("tng", data, cache=cache)
    harness = Harness(box)
    file = next(box.glob(pattern))
    predict = shown(run.predict_published, weights, [first], out=box / "out.csv")
    seen = shown(inspect.show, file)
    acts: dict[str, Act] = {
        "*.pt": {"predict": predict, "inspect": seen},
        "data/**/LH_0/*.hdf5": {
            "predict": predict, "inspect": seen, "read": lambda: load_suite("tng", data) and None
        },
        "data/**/*.txt": {
            "read": lambda: load_suite("tng", data) and None,
            "inspect": seen,
            "inspect folder": shown(inspect.show, data),
        },
        "cache/*.npz": {"read": lambda: load_suite("tng", data, cache=cache).fingerprint},
        "suite.yaml": {"load": lambda: load_suite_file(file) and None, "inspect": seen},
        "config.yaml": {"load": lambda: run.load(file) and None, "inspect": seen},
    }[pattern]  # fmt: skip
    check(harness, file, acts)
