"""What a domain term is, and the term that does nothing."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from dagnn.records import Pair


class DomainTerm(nn.Module, ABC):
    """Base of the domain terms: ``forward(pair) → scalar``, smaller where domains agree.

    A term that has parameters of its own keeps them as a module does; the
    objective owns the term, so they reach the optimiser and the checkpoint.

    Attributes:
        needs_target: whether the term reads ``pair.target``. Where no term
            does, the trainer never draws a target batch.
        needs_classes: whether the term reads class scores, which parameters have none of.
        pairwise: whether the term compares a source with a target domain. With several of them
            its value is the mean over all such pairs: a pool of targets displaced by opposite
            shifts would look aligned. Other terms see all items at once.
        positive: whether the value is above zero for any two samples that differ, and tends to
            zero as domains agree, so that its logarithm may be minimised.
        vectorises: whether ``forward`` may run under ``torch.func.vmap`` for all
            members of an ensemble at once: it has no parameters and no memory, and
            no branch depends on a value.
    """

    needs_target: bool = True
    needs_classes: bool = False
    pairwise: bool = True
    positive: bool = False
    vectorises: bool = False

    @abstractmethod
    def forward(self, pair: Pair) -> Tensor:
        """Return the scalar value of the term."""


class NoAdaptation(DomainTerm):
    """Training on the source alone: the term is zero and asks for no target."""

    needs_target = False
    pairwise = False
    vectorises = True

    def forward(self, pair: Pair) -> Tensor:
        """Return zero, on the device of the outputs."""
        return pair.source.latent.new_zeros(())
