"""Target batches pass through the network, and nothing pulls on them."""

from torch import Tensor

from dagnn.losses.term import DomainTerm
from dagnn.records import Pair


class StatisticsOnly(DomainTerm):
    """Ask for target batches and add nothing to the loss.

    Normalisation layers that keep statistics per suite learn those of the target
    from the batches that pass through them. This term makes them pass, which is
    the whole of AdaBN-style adaptation and the baseline of every other term.

    References:
        Li et al. 2016, arXiv:1603.04779 (adaptive batch normalisation).

    Example:
        >>> StatisticsOnly().needs_target
        True
    """

    pairwise = False
    vectorises = True

    def forward(self, pair: Pair) -> Tensor:
        """Return zero, on the device of the outputs, without a gradient to either domain."""
        return pair.source.latent.new_zeros(())
