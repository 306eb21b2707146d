"""Neighbourhood clustering: every target draws near to a few others, or to a known class."""

import torch
from torch import Tensor
from torch.nn import functional

from dagnn.losses.classes import class_scores
from dagnn.losses.samples import require_items
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair

# As good as minus infinity in a softmax, without 0 · ∞ in its entropy.
NEVER = -1e9


def neighbourhood_entropy(similarity: Tensor, absent: Tensor) -> Tensor:
    r"""Return the mean entropy of who is whose neighbour.

    .. math:: L = -\Big\langle \sum_j p_{ij} \log p_{ij} \Big\rangle_i, \quad
              p_{ij} = \mathrm{softmax}_j \, s_{ij}

    Args:
        similarity: ``s`` of items to places they may belong to, ``[B, N]``.
        absent: which places do not exist for an item, ``[B, N]``.

    Returns:
        A scalar; zero where every item belongs to one place, or has none at all.

    References:
        Saito et al. 2020, arXiv:2002.07953 (DANCE).

    Example:
        >>> value = neighbourhood_entropy(torch.zeros(2, 4), torch.zeros(2, 4, dtype=torch.bool))
        >>> print(f"{value:.4f}")  # log 4
        1.3863
    """
    log_share = similarity.masked_fill(absent, NEVER).log_softmax(1)
    return -(log_share.exp() * log_share).masked_fill(absent, 0).sum(1).mean()


class Neighbourhood(DomainTerm):
    """Module form of :func:`neighbourhood_entropy`, with a memory of all target latents.

    Places are the remembered directions of all *other* targets, compared by the
    cosine over ``temperature``, and the classes, compared by the scores of the
    network. Scores are on the same footing where they are cosines too: use a
    prototype head of the same temperature. Targets that have not been seen yet
    are no places. The memory is written in training only.

    Args:
        items: number of target training items, from the data.
        width: latent width ``W``.
        temperature: small ones make few neighbours.
        prototypes: whether classes are places as well.

    Attributes:
        memory: direction of each target as last seen, ``[N, W]``.
        seen: which targets the memory knows, ``[N]``.

    Raises:
        ValueError: items or temperature are not positive.

    References:
        Saito et al. 2020, arXiv:2002.07953 (DANCE).

    Example:
        >>> Neighbourhood(items=100, width=8)
        Neighbourhood(items=100, width=8, temperature=0.05, prototypes=True)
    """

    needs_classes = True
    pairwise = False

    memory: Tensor
    seen: Tensor

    def __init__(
        self, items: int, width: int, temperature: float = 0.05, prototypes: bool = True
    ) -> None:
        super().__init__()
        if items < 1:
            raise ValueError(f"A memory needs target items, got items={items}.")
        if temperature <= 0:
            raise ValueError(f"The temperature of neighbours must be positive, got {temperature}.")
        self.temperature = temperature
        self.prototypes = prototypes
        self.register_buffer("memory", torch.zeros(items, width))
        self.register_buffer("seen", torch.zeros(items, dtype=torch.bool))

    def forward(self, pair: Pair) -> Tensor:
        """Return the entropy for target latents ``[B, W]`` and, in training, remember them."""
        direction = functional.normalize(pair.target.latent, dim=1)
        scores = class_scores(pair.target.prediction)
        require_items("Neighbourhood clustering", scores)
        similarity = direction @ self.memory.to(direction).T / self.temperature
        absent = self._absent(pair)
        if self.prototypes:
            similarity = torch.cat([scores, similarity], 1)
            absent = torch.cat([torch.zeros_like(scores, dtype=torch.bool), absent], 1)
        value = neighbourhood_entropy(similarity, absent)
        if self.training:
            self._remember(direction.detach(), pair.target_index)
        return value

    def _absent(self, pair: Pair) -> Tensor:
        """Return which memories are unseen, or an item's own, ``[B, N]``."""
        absent = (~self.seen).expand(len(pair.target.latent), -1)
        if not self.training:  # validation items are not in the memory
            return absent
        places = torch.arange(len(self.seen), device=self.seen.device)
        return absent | (pair.target_index[:, None] == places)

    def _remember(self, direction: Tensor, index: Tensor) -> None:
        # New tensors: the old ones belong to a graph that is still to be differentiated.
        self.memory = self.memory.index_copy(0, index, direction.to(self.memory))
        self.seen = self.seen.index_fill(0, index, True)

    def extra_repr(self) -> str:
        """Return the size of the memory and what is compared as text."""
        items, width = self.memory.shape
        return (
            f"items={items}, width={width}, temperature={self.temperature:g}, "
            f"prototypes={self.prototypes}"
        )
