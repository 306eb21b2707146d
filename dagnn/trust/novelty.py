r"""How far an item lies from the training set of a network.

A network that knows ``K`` classes puts everything into one of them, and is often sure of
it. An item out of distribution shows in its latent ``z``: far from those of the training set.
The distance is that of Mahalanobis, with one Gaussian for all classes, isotropic
outside the directions of largest spread (probabilistic PCA):

.. math:: d^2 = \sum_{i \le r} \frac{(v_i \cdot x)^2}{\lambda_i}
                + \frac{|x|^2 - \sum_{i \le r} (v_i \cdot x)^2}{\sigma^2},
          \quad x = z - \langle z \rangle

The novelty is ``d`` in units of the distance that 5% of further items of the source exceed;
above 1 an item is called unknown. It reads no label of a target, or a target at all.

References:
    Lee et al. 2018, arXiv:1807.03888 (distance in latents); Kamoi & Kobayashi 2020,
    arXiv:2003.00402 (one Gaussian does as well as one per class); Tipping & Bishop 1999,
    J. R. Stat. Soc. B 61, 611 (probabilistic PCA).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.linalg import eigh

from dagnn.errors import MismatchError
from dagnn.files import atomic_path
from dagnn.records import ClassPredictions, FloatArray
from dagnn.stored import read_arrays, reading

DIRECTIONS = 16
"""Directions whose spread is measured one by one, at most."""
INSIDE = 0.95
"""Share of further items of the source that lie within the unit of distance."""
FEWEST = 3
"""Items below which nothing is fitted."""
FLATTEST = 1e-6
"""Smallest variance, in units of the largest: latents may lie in a plane."""


@dataclass(frozen=True)
class Novelty:
    """Where the latents of training items lie; ``W`` is their width, ``r`` at most 16.

    Attributes:
        mean: ``[W]``.
        axes: directions of largest spread ``[r, W]``, orthonormal where there is any spread.
        variance: along each of them ``[r]``.
        rest: variance along every other direction.
        unit: distance that 5% of further items of the sources exceed, by validation items.
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
        """Fit the latents of training items; validation items, not fitted, set the unit.

        Args:
            training: training items of the sources, by one network.
            validation: validation items of the sources, by the same network. On either side
                items without label, or of a class that it does not know, are left out.

        Returns:
            Nothing where there are fewer than :data:`FEWEST` items on a side, or a latent is
            not finite.

        Raises:
            ValueError: predictions of anything else.
        """
        for wanted, given in (("train", training), ("valid", validation)):
            if any((each.role, each.split) != ("source", wanted) for each in given):
                raise ValueError(f"Novelty is fitted on {wanted} items of a source here.")
        latents, held = (
            np.concatenate([p.latent[_is_known(p)] for p in given] or [np.zeros((0, 1))])
            for given in (training, validation)
        )
        if (
            min(len(latents), len(held)) < FEWEST
            or not np.isfinite(np.concatenate([latents, held])).all()
        ):
            return None
        return cls.around(latents, held)

    @classmethod
    def around(cls, training: FloatArray, held: FloatArray, share: float = INSIDE) -> "Novelty":
        """Fit where vectors ``[n, W]`` lie.

        Args:
            training: of training items.
            held: of further items like them ``[m, W]``, which set the unit.
            share: of further items that lie within the unit.
        """
        mean = training.mean(0)
        raw = cls(mean, *_spread(training - mean, float(np.square(mean).sum())), unit=1.0)
        return replace(raw, unit=_conformal(raw.of(held), share))

    def of(self, latent: FloatArray) -> FloatArray:
        """Return the novelty of latents ``[n, W]``, ``[n]``.

        Raises:
            MismatchError: the latents have another width.
        """
        if latent.shape[1] != len(self.mean):
            raise MismatchError(
                f"What is familiar has latents of width {len(self.mean)}, got {latent.shape[1]}: "
                "it was learned by another network."
            )
        shifted = latent - self.mean
        along = shifted @ self.axes.T
        length = np.einsum("nw,nw->n", shifted, shifted)
        outside = np.maximum(length - np.square(along).sum(1), 0.0)
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
        again = "Delete it: dagnn evaluate learns it again."
        stored = read_arrays(path, again)
        with reading(path, again):
            numbers = {name: stored[name] for name in ("mean", "axes", "variance")}
            rest, unit = float(stored["rest"]), float(stored["unit"])
            if not all(
                np.isfinite(values).all() for values in [*numbers.values(), np.array([rest, unit])]
            ):
                raise ValueError("it holds NaN or infinite values")
            width = (numbers["mean"].size,)
            shapes = {"mean": width, "axes": numbers["variance"].shape + width}
            if any(numbers[name].shape != shape for name, shape in shapes.items()):
                raise ValueError("its arrays do not fit together")
            if not (numbers["variance"] > 0).all() or min(rest, unit) <= 0:
                raise ValueError("its variances are not positive")
            return cls(**numbers, rest=rest, unit=unit)


def _is_known(predictions: ClassPredictions) -> np.ndarray:
    truth = predictions.truth
    return np.asarray((truth >= 0) & (truth < len(predictions.classes)))


def _conformal(distance: FloatArray, share: float) -> float:
    """Return the distance within which a further item of the same kind lies in a share of cases.

    With fewer than 19 items no distance is that of 95%; the largest is the best there is.
    """
    place = min(math.ceil(share * (len(distance) + 1)), len(distance))
    return float(np.sort(distance)[place - 1]) or 1.0


def _spread(centred: FloatArray, square: float) -> tuple[FloatArray, FloatArray, float]:
    """Return directions of largest spread, the variance along each, and that along all others.

    Args:
        centred: latents about their mean ``[n, W]``.
        square: squared length of that mean, in which rounding is small.
    """
    items, width = centred.shape
    rank = max(1, min(DIRECTIONS, width - 1, items - 1))
    wide = width > items
    gram = centred @ centred.T if wide else centred.T @ centred  # the smaller of the two
    end = len(gram)
    sums, vectors = eigh(gram, subset_by_index=[end - rank, end - 1])
    total = float(np.einsum("nw,nw->", centred, centred))
    rounding = items * np.finfo(np.float32).eps ** 2 * (square + total / items) or 1.0
    least = max(FLATTEST * float(sums[-1]), rounding)
    others = (total - float(sums.sum())) / max(width - rank, 1)
    sums = np.maximum(sums, least)
    axes = (vectors.T / np.sqrt(sums)[:, None]) @ centred if wide else vectors.T
    return axes, sums / (items - 1), max(others, least) / (items - 1)
