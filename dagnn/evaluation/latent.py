"""Two-dimensional maps of the latents of a network, source and target in one picture."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap
from sklearn.preprocessing import StandardScaler

from dagnn.errors import ConfigError, nearest
from dagnn.records import FloatArray
from dagnn.tasks import AnyPredictions, task_of


@dataclass(frozen=True)
class LatentMap:
    """Latents of several suites, projected together.

    Attributes:
        coords: ``[n, 2]``, without unit.
        suite: suite of each item, ``n`` of them.
        role: ``source``, ``target`` or ``other``, ``n`` of them.
        values: true parameter of each item ``[n]``; NaN where unknown.
        parameter: name of that parameter.
        method: how it was projected, in words.
        model: which network's latents these are.
        classes: names of the classes whose numbers are the values; the last may be
            ``unknown``. Empty where the values are those of a parameter.
    """

    coords: FloatArray
    suite: tuple[str, ...]
    role: tuple[str, ...]
    values: FloatArray
    parameter: str
    method: str
    model: str = "model"
    classes: tuple[str, ...] = ()


def pca(latent: FloatArray, seed: int) -> FloatArray:
    """Project ``[n, W]`` on the two directions of largest variance, ``[n, 2]``."""
    coords = PCA(min(2, *latent.shape), svd_solver="full").fit_transform(latent)
    return np.pad(coords, ((0, 0), (0, 2 - coords.shape[1])))


def isomap(latent: FloatArray, seed: int) -> FloatArray:
    """Keep geodesic distances along the cloud of latents ``[n, W]``, ``[n, 2]``.

    References:
        Tenenbaum, de Silva & Langford 2000, Science 290, 2319; used for these
        latents by Roncoli et al. 2023, arXiv:2311.01588, fig. 1.
    """
    with warnings.catch_warnings():
        # Separated suites make the neighbour graph fall apart. scikit-learn then joins the
        # pieces by their closest points, which shows the separation: no cause for a warning.
        warnings.simplefilter("ignore", UserWarning)
        warnings.filterwarnings("ignore", message="Changing the sparsity structure")
        neighbours = min(10, len(latent) - 1)
        return np.asarray(Isomap(n_neighbors=neighbours).fit_transform(latent), dtype=np.float64)


def tsne(latent: FloatArray, seed: int) -> FloatArray:
    """Keep the neighbours of each latent ``[n, W]``; distances between groups mean little.

    References:
        van der Maaten & Hinton 2008, JMLR 9, 2579.
    """
    perplexity = min(30.0, (len(latent) - 1) / 3)
    projection = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(projection.fit_transform(latent), dtype=np.float64)


PROJECTIONS: MappingProxyType[str, tuple[str, Callable[[FloatArray, int], FloatArray]]] = (
    MappingProxyType({"isomap": ("Isomap", isomap), "tsne": ("t-SNE", tsne), "pca": ("PCA", pca)})
)
"""Every projection by the name a configuration uses: title and function."""


def latent_maps(
    predictions: Sequence[AnyPredictions],
    *,
    method: str = "isomap",
    items_per_suite: int = 500,
    seed: int = 0,
) -> dict[str, LatentMap]:
    """Project the latents of one network on several suites to one plane.

    Args:
        predictions: of **one** model, one record per suite.
        method: a name in :data:`PROJECTIONS`.
        items_per_suite: larger suites are thinned at random to this number.
        seed: of thinning and of t-SNE.

    Returns:
        One map for each colouring: every parameter, or ``class``.

    Raises:
        ConfigError: the method is unknown.
        ValueError: fewer than three items, or predictions of several models.
    """
    models = {each.model for each in predictions}
    if len(models) != 1:
        raise ValueError(f"A latent map shows one network, got {sorted(models) or 'none'}.")
    generator = np.random.default_rng(seed)
    thinned = [
        np.sort(generator.permutation(len(each.ids))[:items_per_suite]) for each in predictions
    ]
    chosen = list(zip(predictions, thinned, strict=True))
    latent = np.concatenate([each.latent[rows] for each, rows in chosen])
    if len(latent) < 3:
        raise ValueError(f"A map needs at least three items, got {len(latent)}.")
    if method not in PROJECTIONS:
        raise ConfigError(f"Unknown latent map {method!r}. {nearest(method, PROJECTIONS)}")
    title, projection = PROJECTIONS[method]
    coords = projection(StandardScaler().fit_transform(latent.astype(np.float64)), seed)
    return {
        name: LatentMap(
            coords=coords,
            suite=tuple(each.suite for each, rows in chosen for _ in rows),
            role=tuple(each.role for each, rows in chosen for _ in rows),
            values=np.concatenate([of[rows] for of, rows in zip(values, thinned, strict=True)]),
            parameter=name,
            method=title,
            model=predictions[0].model,
            classes=classes,
        )
        for name, (values, classes) in task_of(predictions[0]).colourings(predictions).items()
    }
