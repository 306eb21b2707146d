"""Two-dimensional maps of what a network sees, source and target in one picture."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

import numpy as np

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


def standardise(latent: FloatArray) -> FloatArray:
    """Give every latent coordinate mean 0 and variance 1; constant ones stay at 0."""
    spread = latent.std(0)
    return np.asarray((latent - latent.mean(0)) / np.where(spread > 0, spread, 1.0))


def pca(latent: FloatArray, seed: int) -> FloatArray:
    """Project ``[n, W]`` on the two directions of largest variance, ``[n, 2]``.

    The sign of a direction is arbitrary; here its largest loading is positive.
    """
    centred = latent - latent.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    coords = np.zeros((len(latent), 2))
    coords[:, : len(directions)] = centred @ (signs[:, None] * directions).T
    return coords


def isomap(latent: FloatArray, seed: int) -> FloatArray:
    """Keep geodesic distances along the cloud of latents ``[n, W]``, ``[n, 2]``.

    References:
        Tenenbaum, de Silva & Langford 2000, Science 290, 2319; used for these
        latents by Roncoli et al. 2023, arXiv:2311.01588, fig. 1.
    """
    from sklearn.manifold import Isomap

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
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(latent) - 1) / 3)
    projection = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(projection.fit_transform(latent), dtype=np.float64)


PROJECTIONS: MappingProxyType[str, tuple[str, Callable[[FloatArray, int], FloatArray]]] = (
    MappingProxyType({"isomap": ("Isomap", isomap), "tsne": ("t-SNE", tsne), "pca": ("PCA", pca)})
)
"""Every projection by the name a configuration uses: title and function."""


def _choose(method: str) -> tuple[str, Callable[[FloatArray, int], FloatArray]]:
    """Return a projection, or PCA with a word about it where scikit-learn is absent."""
    if method not in PROJECTIONS:
        raise ConfigError(f"Unknown latent map {method!r}. {nearest(method, PROJECTIONS)}")
    title, projection = PROJECTIONS[method]
    if method != "pca" and find_spec("sklearn") is None:
        return f"PCA ({title} needs scikit-learn)", pca
    return title, projection


def latent_map(
    predictions: Sequence[AnyPredictions],
    name: str,
    *,
    method: str = "isomap",
    items_per_suite: int = 500,
    seed: int = 0,
) -> LatentMap:
    """Project the latents of one network on several suites to one plane.

    Args:
        predictions: of **one** model, one record per suite.
        name: which true parameter to keep for colouring; ``class`` for classes.
        method: a name in :data:`PROJECTIONS`.
        items_per_suite: larger suites are thinned at random to this number.
        seed: of thinning and of t-SNE.

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
    title, projection = _choose(method)
    values, classes = task_of(predictions[0]).colourings(predictions)[name]
    return LatentMap(
        coords=projection(standardise(latent), seed),
        suite=tuple(each.suite for each, rows in chosen for _ in rows),
        role=tuple(each.role for each, rows in chosen for _ in rows),
        values=np.concatenate([all_[rows] for all_, rows in zip(values, thinned, strict=True)]),
        parameter=name,
        method=title,
        model=models.pop(),
        classes=classes,
    )


def latent_maps(predictions: Sequence[AnyPredictions], *, method: str) -> dict[str, LatentMap]:
    """Project the latents of one network once for each colouring: parameters, or the class."""
    names = task_of(predictions[0]).colourings(predictions)
    return {name: latent_map(predictions, name, method=method) for name in names}
