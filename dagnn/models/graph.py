"""The graph network of the cosmic-graphs papers, as an encoder."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dagnn.errors import UsageError, nearest
from dagnn.models.kernels import message_passing, reductions, reference
from dagnn.models.kernels.pieces import Links, link, sort_by_receiver
from dagnn.models.normalize import RunningNorm
from dagnn.nn import Standardize, at_least_float32, common_row, domain_of, mlp

KERNELS = ("auto", "fused", "reference")


class GraphBlock(nn.Module):
    """Update edges from their two galaxies, then galaxies from their edges.

    ``e' = φ_e([x_row, x_col, e]) (+ e)`` and
    ``x' = φ_x([x, ⊕_{col} e', u]) (+ x)``, where ⊕ concatenates one reduction
    over the edges that arrive at a node per name in ``aggregation``. A node
    without edges receives zeros.

    With :class:`Links` the fused kernel computes this. It reads the weights of ``edge_mlp`` and
    ``node_mlp`` without calling these modules, so hooks on them do not run. With a plain
    ``edge_index`` the reference does, which calls them.

    Args:
        node: node feature width, may be 0.
        edge: edge feature width.
        world: global feature width.
        hidden: width of the MLPs and of their outputs.
        aggregation: reductions over incoming edges: ``sum``, ``max``, ``mean``, ``min``.
        residual: whether inputs are added to outputs (needs ``node = edge = hidden``).

    References:
        Battaglia et al. 2018 (arXiv:1806.01261), algorithm 1.
    """

    def __init__(
        self,
        node: int,
        edge: int,
        world: int,
        hidden: int,
        aggregation: Sequence[str],
        residual: bool,
    ) -> None:
        super().__init__()
        self.aggregation = tuple(dict.fromkeys(aggregation))
        self.residual = residual
        self.edge_mlp = mlp([2 * node + edge, hidden, hidden])
        self.node_mlp = mlp([node + len(self.aggregation) * hidden + world, hidden, hidden])

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | Links,
        edge: Tensor,
        world: Tensor,
        degree: Tensor,
        keep_edges: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Return updated nodes ``[N, hidden]`` and edges ``[E, hidden]``.

        Args:
            x: nodes ``[N, node]``.
            edge_index: sender and receiver of each edge ``[2, E]``, or edges sorted by receiver.
            edge: their features ``[E, edge]``.
            world: global features of each node's graph ``[N, world]``.
            degree: scalar by which sums over neighbours are divided.
            keep_edges: whether the updated edges are needed; otherwise none may be returned.
        """
        options = self.aggregation, self.residual
        if isinstance(edge_index, Links):
            perceptrons = _weights(self.edge_mlp), _weights(self.node_mlp)
            return message_passing.pass_messages(
                x, edge_index, edge, world, degree, *perceptrons, *options, keep_edges
            )
        return reference.pass_messages(
            x, edge_index, edge, world, degree, self.edge_mlp, self.node_mlp, *options
        )


class GraphEncoder(nn.Module):
    """Encode graphs of galaxies into ``[⊕ over galaxies, u]``.

    The latent has ``len(pooling) · hidden + global`` numbers: 193 as published.
    With ``batch_norm`` and ``standardize`` off and ``domains=1`` it is the
    published network. The defaults train in hundreds of steps instead of
    thousands: inputs are standardised, sums over galaxies and over neighbours
    are divided by the mean number of them in the training data, and the pooled
    vector is normalised.

    Edge features are of order one by construction and are not standardised.

    Args:
        sizes: feature widths: ``node``, ``edge``, ``global``.
        hidden: width of all hidden layers.
        blocks: number of message-passing blocks.
        aggregation: reductions over incoming edges: ``sum``, ``mean``, ``max``, ``min``.
        pooling: reductions over galaxies, from the same names.
        standardize: whether node and global features are standardised.
        batch_norm: whether the pooled vector is normalised, see :class:`RunningNorm`.
        domains: number of domains that keep statistics of their own.
        kernel: ``fused`` computes message passing by hand-written kernels with a first
            derivative only; ``reference`` by plain PyTorch, slower, for every transform and
            derivative. ``auto`` takes the reference under ``torch.export``, ``torch.compile``,
            ``torch.jit.trace``, derivatives of ``torch.func`` (such as ``vmap(grad)`` and
            ``jacrev``) and forward-mode differentiation, and the fused kernels otherwise; for
            second derivatives by ``torch.autograd`` choose ``reference``. Both give the same
            numbers and gradients up to rounding. Use ``eval()`` under transforms.

    Raises:
        ValueError: no block, or a reduction or kernel that does not exist.

    References:
        Villanueva-Domingo & Villaescusa-Navarro 2022 (arXiv:2204.13713), sec. 3;
        Roncoli et al. 2023 (arXiv:2311.01588), sec. 3.
    """

    input_statistics: ClassVar[tuple[str, ...]] = ("sum_scale",)
    sum_scale: Tensor

    def __init__(
        self,
        sizes: Mapping[str, int],
        hidden: int = 64,
        blocks: int = 2,
        aggregation: Sequence[str] = ("sum", "max", "mean"),
        pooling: Sequence[str] = ("sum", "mean", "max"),
        standardize: bool = True,
        batch_norm: bool = True,
        domains: int = 1,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        _check(blocks, [*aggregation, *pooling], kernel)
        node, edge, world = sizes["node"], sizes["edge"], sizes["global"]
        first = GraphBlock(node, edge, world, hidden, aggregation, residual=False)
        later = [
            GraphBlock(hidden, hidden, world, hidden, aggregation, residual=True)
            for _ in range(blocks - 1)
        ]
        self.blocks = nn.ModuleList([first, *later])
        self.pooling = tuple(dict.fromkeys(pooling))
        self.sizes = {"x": node, "edge_attr": edge, "u": world}
        self.width = len(self.pooling) * hidden + world
        self.standardize = standardize
        self.kernel = kernel
        self.node_input = Standardize(node, domains)
        self.global_input = Standardize(world, domains)
        self.norm = RunningNorm(self.width, domains) if batch_norm else None
        # Mean number of galaxies per graph and of edges per galaxy.
        self.register_buffer("sum_scale", torch.ones(2))

    def fit_inputs(self, *batches: Any) -> None:
        """Fit input statistics on batches of training graphs; a no-op without ``standardize``.

        The divisors of the sums are set by the first call for domain 0 and
        stay: one network must count the galaxies of all domains alike.
        """
        if not self.standardize:
            return
        for batch in batches:
            self._require_inputs(batch)
        row = common_row(batches, len(self.node_input.mean))
        self.node_input.fit(torch.cat([batch.x for batch in batches]), row)
        self.global_input.fit(torch.cat([batch.u for batch in batches]), row)
        if row == 0 and bool((self.sum_scale == 1).all()):
            galaxies = sum(len(batch.x) for batch in batches)
            edges = sum(batch.edge_index.shape[1] for batch in batches)
            graphs = sum(len(batch.u) for batch in batches)
            counts = [galaxies / graphs, max(edges / galaxies, 1.0)]
            self.sum_scale.copy_(self.sum_scale.new_tensor(counts))

    def forward(self, batch: Any) -> Tensor:
        """Encode a batch of graphs.

        Args:
            batch: has ``x [N, node]``, ``edge_index [2, E]``, ``edge_attr [E, edge]``,
                ``u [B, global]``, ``batch [N]`` (graph of each node) and, where
                statistics are per domain, ``domain``: one number for the whole batch, or the
                same one for each of its graphs. A PyG ``Batch`` will do.

        Returns:
            Latents ``[B, width]``.

        Raises:
            UsageError: the batch lacks an attribute, one has another width than the encoder
                was made for, or its graphs are of several domains;
                statistics are per domain, and the batch does not carry one.
        """
        self._require_inputs(batch)
        domain = domain_of(batch)
        galaxies, degree = self.sum_scale
        x = self.node_input(batch.x, domain)
        edge_index, edge = batch.edge_index, batch.edge_attr
        plain = self.kernel == "reference" or (self.kernel == "auto" and reference.is_transformed())
        if not plain:
            sorted_index, edge = sort_by_receiver(edge_index, edge)
            edge_index = link(sorted_index, len(x))
        reduce_by = reference.reduce_by if plain else reductions.reduce_by
        u = self.global_input(batch.u, domain)
        world = u.index_select(0, batch.batch)
        for block in self.blocks:
            x, edge = block(x, edge_index, edge, world, degree, block is not self.blocks[-1])
        # A sum over many galaxies, so not in the lower precision of autocast.
        pooled = reduce_by(at_least_float32(x), batch.batch, u.shape[0], self.pooling, galaxies)
        latent = torch.cat([*pooled, u], dim=1)
        return latent if self.norm is None else self.norm(latent, domain)

    def _require_inputs(self, batch: Any) -> None:
        """Refuse what would be broadcast, or read as something else."""
        for name in (*self.sizes, "edge_index", "batch"):
            if getattr(batch, name, None) is None:
                raise UsageError(
                    f"The batch has no {name!r}. A graph encoder reads x, edge_index, edge_attr, "
                    "u and batch, as PyG's Batch.from_data_list collates them."
                )
        for name, width in self.sizes.items():
            found = list(getattr(batch, name).shape)
            if found[1:] != [width]:
                raise UsageError(
                    f"The encoder was made for {width} numbers in every row of {name}, got {found}."
                )
        edges = batch.edge_index.shape[1]
        if batch.edge_attr.shape[0] != edges:
            raise UsageError(f"There are {edges} edges and {len(batch.edge_attr)} edge_attr.")


def _weights(perceptron: nn.Sequential) -> tuple[Tensor, ...]:
    """Return the weights and biases of a perceptron of one hidden layer.

    Raises:
        UsageError: it is no longer what :func:`~dagnn.nn.mlp` makes.
    """
    if [type(layer) for layer in perceptron] != [nn.Linear, nn.ReLU, nn.Linear]:
        raise UsageError(
            "The fused kernel computes perceptrons as Linear, ReLU and Linear; it cannot use "
            f"{perceptron}. Build the encoder with kernel='reference'."
        )
    return tuple(perceptron.parameters())


def _check(blocks: int, names: Sequence[str], kernel: str) -> None:
    if blocks < 1:
        raise ValueError(f"blocks must be at least 1, got {blocks}.")
    known = reductions.REDUCTIONS
    for name in names:
        if name not in known:
            raise ValueError(f"There is no reduction {name!r}. {nearest(name, known)}")
    if kernel not in KERNELS:
        raise ValueError(f"There is no kernel {kernel!r}. {nearest(kernel, KERNELS)}")
