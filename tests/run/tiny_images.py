"""Images of two made-up surveys, and experiments on them that take seconds."""

from pathlib import Path

import numpy as np

from dagnn import run

NAMES = ["smooth", "featured", "edgeon", "merger", "odd", "lens"]
TINY = [
    "data.classes=[smooth, featured, edgeon]",
    "data.unknown=[odd, lens]",
    'data.images="gz_{suite}.npz"',
    "training.epochs=1",
    "training.batch_size=8",
    "evaluation.bootstrap=100",
    "evaluation.latent_map=pca",
    "evaluation.robustness={images: 0}",
]
EXAMINED = "evaluation.robustness={images: 6, levels: [0, 0.5], population: 4, generations: 1}"


def write_survey(folder: Path, name: str, brightness: int, seed: int, **more: object) -> None:
    """Write images whose class is the quarter that is bright."""
    random = np.random.default_rng(seed)
    labels = np.arange(36) % 3
    if name != "first":
        labels[-4:] = 4  # odd ones
    images = random.integers(0, 40, (36, 16, 16, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label) % 4, 2)
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += brightness
    arrays = {"images": images.astype(np.uint8), "labels": labels, "label_names": NAMES}
    np.savez(folder / f"gz_{name}.npz", **arrays, **more)


def write_surveys(folder: Path) -> Path:
    """Fill a folder with two tiny surveys."""
    write_survey(folder, "first", 120, 0)
    write_survey(folder, "second", 60, 1)
    return folder


def tiny(name: str, surveys: Path, *overrides: str, **values: object) -> run.Experiment:
    """Load a configuration on the tiny surveys."""
    given = {"source": ["first"], "target": ["second"], "data": surveys} | values
    return run.load(name, [*TINY, *overrides], **given)
