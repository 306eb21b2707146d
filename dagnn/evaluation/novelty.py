r"""How far an item lies from all that a network has been taught.

A network that knows ``K`` classes puts everything into one of them, and is often sure of
it. What it has never seen shows in its latent: far from those of the items that taught it.
The distance is that of Mahalanobis, with one Gaussian for the latents of all classes
together, isotropic outside the directions in which they spread most (probabilistic PCA):

.. math:: d^2 = \sum_{i \le r} \frac{(v_i \cdot x)^2}{\lambda_i}
                + \frac{|x|^2 - \sum_{i \le r} (v_i \cdot x)^2}{\sigma^2},
          \quad x = z - \langle z \rangle

It reads no label of a target, and no target at all.

References:
    Lee et al. 2018, arXiv:1807.03888 (distance in latents); Kamoi & Kobayashi 2020,
    arXiv:2003.00402 (one Gaussian does as well as one per class); Tipping & Bishop 1999,
    J. R. Stat. Soc. B 61, 611 (probabilistic PCA).
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.linalg import eigh

from dagnn.errors import DataError
from dagnn.files import atomic_path
from dagnn.records import ClassPredictions, FloatArray

DIRECTIONS = 16
"""Directions whose spread is measured one by one, at most."""
FAMILIAR = 0.95
"""Share of the source's validation items whose novelty is at most 1."""
FEWEST = 3
"""Items without which there is nothing to learn from."""
FLATTEST = 1e-6
"""Smallest variance, in units of the largest: latents may lie in a plane."""


def called_unknown(novelty: FloatArray) -> np.ndarray:
    """Return which items look like nothing that was taught, booleans ``[n]``."""
    return np.asarray(novelty > 1)


@dataclass(frozen=True)
class Novelty:
    """Where the latents of taught items lie; ``W`` is their width, ``r`` at most 16.

    Attributes:
        mean: ``[W]``.
        axes: orthonormal directions of largest spread ``[r, W]``.
        variance: along each of them ``[r]``.
        rest: variance along every other direction.
        unit: distance within which 95% of the source's validation items lie.
    """

    mean: FloatArray
    axes: FloatArray
    variance: FloatArray
    rest: float
    unit: float

    @classmethod
    def fit(
        cls, training: Sequence[ClassPredictions], validation: Sequence[ClassPredictions]
    ) -> "Novelty | None":
        """Learn the latents of training items; validation items, not learned from, set the unit.

        Args:
            training: training items of the sources, by one network. Items of a class that it
                does not know are left out.
            validation: validation items of the sources, by the same network.

        Returns:
            Nothing where there are fewer than :data:`FEWEST` items on a side.

        Raises:
            ValueError: predictions of anything else.
        """
        for wanted, given in (("train", training), ("valid", validation)):
            if any((each.role, each.split) != ("source", wanted) for each in given):
                raise ValueError(f"What is familiar is learned from {wanted} items of a source.")
        taught, held = (
            np.concatenate([p.latent[_is_taught(p)] for p in given] or [np.zeros((0, 1))])
            for given in (training, validation)
        )
        if min(len(taught), len(held)) < FEWEST:
            return None
        mean = taught.mean(0)
        axes, variance, rest = _spread(taught - mean)
        raw = cls(mean, axes, variance, rest, unit=1.0)
        return replace(raw, unit=float(np.quantile(raw.of(held), FAMILIAR)) or 1.0)

    def of(self, latent: FloatArray) -> FloatArray:
        """Return the novelty of latents ``[n, W]``, ``[n]``: their distance in units.

        Raises:
            ValueError: the latents have another width.
        """
        if latent.shape[1] != len(self.mean):
            raise ValueError(
                f"What is familiar has latents of width {len(self.mean)}, got {latent.shape[1]}."
            )
        shifted = latent - self.mean
        along = shifted @ self.axes.T
        outside = np.maximum(np.square(shifted).sum(1) - np.square(along).sum(1), 0.0)
        square = (np.square(along) / self.variance).sum(1) + outside / self.rest
        return np.asarray(np.sqrt(square) / self.unit)

    def apply(self, predictions: ClassPredictions) -> ClassPredictions:
        """Return the same predictions with the novelty of each item."""
        return replace(predictions, novelty=self.of(predictions.latent))

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file, whole or not at all."""
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **vars(self))

    @classmethod
    def load(cls, path: Path) -> "Novelty":
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                numbers = {name: stored[name] for name in ("mean", "axes", "variance")}
                return cls(**numbers, rest=float(stored["rest"]), unit=float(stored["unit"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path} is damaged ({error}). Delete it to have classes without novelty."
            ) from error


def _is_taught(predictions: ClassPredictions) -> np.ndarray:
    truth = predictions.truth
    return np.asarray((truth >= 0) & (truth < len(predictions.classes)))


def _spread(centred: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Return directions of largest spread, the variance along each, and that along all others."""
    items, width = centred.shape
    rank = max(1, min(DIRECTIONS, width - 1, items - 1))
    wide = width > items
    gram = centred @ centred.T if wide else centred.T @ centred  # the smaller of the two
    end = len(gram)
    sums, vectors = eigh(gram, subset_by_index=[end - rank, end - 1])
    least = max(FLATTEST * float(sums[-1]), np.finfo(float).tiny)
    sums = np.maximum(sums, least)
    axes = (vectors.T / np.sqrt(sums)[:, None]) @ centred if wide else vectors.T
    others = (float(np.square(centred).sum()) - float(sums.sum())) / max(width - rank, 1)
    return axes, sums / (items - 1), max(others, least) / (items - 1)
