"""Which source items domain terms may compare the target with."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dagnn.records import Pair

FEWEST = 4
"""Items that are kept in any case, the nearest ones: terms need a few to compare."""


class Window(nn.Module):
    """Keep source items whose truth lies in the interval that the target seems to span.

    Task losses see every source item; domain terms see those within, so that a
    target with a narrower prior is not stretched over the source's whole one.

    Args:
        low: lower ends ``[P]``, in prior units.
        high: upper ends ``[P]``.
        without: numbers of target domains that domain terms do not see.

    Example:
        >>> Window([0.5], [1.0])
        Window([0.50, 1.00])
    """

    low: Tensor
    high: Tensor

    def __init__(
        self, low: Sequence[float], high: Sequence[float], without: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.without = tuple(without)
        self.register_buffer("low", torch.tensor(low), persistent=False)
        self.register_buffer("high", torch.tensor(high), persistent=False)

    def forward(self, pair: Pair) -> Pair:
        """Return the pair with fewer items."""
        outside = torch.maximum(self.low - pair.labels, pair.labels - self.high).amax(-1)
        order = outside.clamp_min(0.0).argsort(stable=True)
        count = max(int((outside <= 0).sum()), min(FEWEST, len(order)))
        seen = torch.ones_like(pair.target_domain, dtype=torch.bool)
        for domain in self.without:
            seen &= pair.target_domain != domain
        return pair.take(order[:count], torch.nonzero(seen).flatten())

    def __repr__(self) -> str:
        ends = zip(self.low.tolist(), self.high.tolist(), strict=True)
        return f"Window({', '.join(f'[{low:.2f}, {high:.2f}]' for low, high in ends)})"
