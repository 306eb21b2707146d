"""Galaxy graphs in memory: a few flat tensors, gathered into batches without a loop."""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, device
from torch_geometric.data import Batch, Data, InMemoryDataset
from torch_geometric.utils import scatter

from dagnn.catalogs.catalog import COLUMNS
from dagnn.data.requests import checked_truth, truth_groups
from dagnn.errors import EmptyCatalogError, MismatchError
from dagnn.graphs.build import Graph, graph_of, join_snapshots
from dagnn.graphs.features import NODE_FEATURES
from dagnn.parameters import Scaling

if TYPE_CHECKING:
    from dagnn.catalogs.catalog import Catalog

# One row per galaxy, per edge and per graph.
_PER_NODE = ("x", "pos")
_PER_GRAPH = ("u", "y")


class GalaxyGraphs(InMemoryDataset):  # type: ignore[misc]  # PyG carries no types
    """Graphs with their truth, for our trainer and for any PyG loader.

    An item or a batch has ``x, pos, edge_index, edge_attr, u`` and ``y`` in
    **prior units**, as networks see it; ``dataset.y`` is in physical units.

    Args:
        graphs: one per box.
        ids: one name per box.
        truth: physical parameters ``[n, P]``; NaN where unknown.
        scaling: names and priors of the ``P`` parameters.
        groups: boxes with equal group share one truth; by default boxes whose
            truth is equal, and every box of unknown truth for itself.
        features: catalogue columns behind the node features, for reports.
        redshifts: snapshots that form an item, see :func:`dagnn.graphs.join_snapshots`.

    Attributes:
        domain: number of the domain, which every item and every batch carries, whatever loader
            makes it; None until it is set by :meth:`in_domain`.

    Raises:
        EmptyCatalogError: there is no graph.
        MismatchError: graphs, ids and truth differ in number, or ``P`` is wrong; a graph
            has another number of snapshots.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        ids: Sequence[str],
        truth: ArrayLike,
        scaling: Scaling,
        groups: Sequence[str] | None = None,
        features: Sequence[str] = (),
        redshifts: Sequence[float] = (0.0,),
    ) -> None:
        super().__init__()
        if not graphs:
            raise EmptyCatalogError("There is no graph to build a dataset from.")
        if graphs[0].u.shape[1] != len(redshifts):
            raise MismatchError(
                f"The graphs have {graphs[0].u.shape[1]} snapshots; {len(redshifts)} redshifts "
                "were named."
            )
        physical = checked_truth(truth, ids, scaling, len(graphs))
        self.scaling = scaling
        self._ids = tuple(ids)
        self._groups = tuple(groups) if groups is not None else truth_groups(ids, physical)
        self._physical = physical
        self._features = tuple(features)
        self._redshifts = tuple(redshifts)
        self.domain: int | None = None
        self._data = _flat(graphs, scaling.to_unit(physical).float())
        nodes = _pointer([len(graph.x) for graph in graphs])
        edges = _pointer([graph.edge_index.shape[1] for graph in graphs])
        per_graph = torch.arange(len(graphs) + 1)
        self.slices = {"edge_index": edges, "edge_attr": edges}
        self.slices |= dict.fromkeys(_PER_NODE, nodes) | dict.fromkeys(_PER_GRAPH, per_graph)

    @property
    def ids(self) -> tuple[str, ...]:
        """One name per graph."""
        return tuple(self._ids[i] for i in self.indices())

    @property
    def groups(self) -> tuple[str, ...]:
        """One group per graph; a split never cuts a group."""
        return tuple(self._groups[i] for i in self.indices())

    @property
    def y(self) -> Tensor:
        """Truth in physical units ``[n, P]``, float64; NaN where unknown."""
        return self._physical[list(self.indices())]

    @property
    def sizes(self) -> dict[str, int]:
        """Feature widths that a graph encoder needs to know."""
        data = self._data
        return {
            "node": data.x.shape[1],
            "edge": data.edge_attr.shape[1],
            "global": data.u.shape[1],
        }

    def to(self, where: device | str) -> "GalaxyGraphs":
        """Return the dataset with its tensors on a device."""
        moved = copy.copy(self)
        moved._data_list = None
        moved._data = copy.copy(self._data).to(where)
        moved.slices = {name: pointer.to(where) for name, pointer in self.slices.items()}
        moved._physical = self._physical.to(where)
        return moved

    def copy(self, idx: Any = None) -> "GalaxyGraphs":
        """Return a dataset of the chosen items, or of all, with tensors of its own."""
        chosen = self if idx is None else self.index_select(idx)
        # The number of the domain stays in one place, so that it is not copied from items.
        made: GalaxyGraphs = super(GalaxyGraphs, self.in_domain(None)).copy(idx)
        made._ids, made._groups, made._physical = chosen.ids, chosen.groups, chosen.y.clone()
        return made.in_domain(self.domain)

    def in_domain(self, domain: int | None) -> "GalaxyGraphs":
        """Return the same graphs as those of a domain, whose number every batch carries."""
        placed = copy.copy(self)
        placed.domain = domain
        return placed

    def get(self, idx: int) -> Data:
        """Return one graph, with the number of the domain, for loaders to collate."""
        item: Data = super().get(idx)
        if self.domain is not None:
            item.domain = self.domain
        return item

    def batch(self, index: Tensor) -> Batch:
        """Gather graphs into one disconnected graph, edges sorted by receiver.

        Args:
            index: which graphs ``[B]``, integers; an item may repeat.

        Returns:
            A PyG ``Batch`` with the tensors of ``Batch.from_data_list`` of the items; it
            cannot be taken apart again.
        """
        data = self._data
        index = index.to(data.x.device)
        if self._indices is not None:
            index = torch.as_tensor(list(self._indices), device=index.device)[index]
        first_galaxy, galaxies = _spans(self.slices["x"], index)
        first_edge, edges = _spans(self.slices["edge_index"], index)
        # One question to the device, which would wait at every size that it has to tell.
        nodes, links = torch.stack([galaxies.sum(), edges.sum()]).tolist()
        node, edge = _rows(first_galaxy, galaxies, nodes), _rows(first_edge, edges, links)
        ptr = _with_zero(galaxies.cumsum(0))
        first_node = ptr[:-1].repeat_interleave(edges, output_size=links)
        graph = torch.arange(len(index), device=index.device)
        made = Batch(
            x=data.x.index_select(0, node),
            edge_index=data.edge_index.index_select(1, edge) + first_node,
            edge_attr=data.edge_attr.index_select(0, edge),
            y=data.y[index],
            pos=data.pos.index_select(0, node),
            u=data.u[index],
            batch=graph.repeat_interleave(galaxies, output_size=nodes),
            ptr=ptr,
        )
        if self.domain is not None:
            made.domain = self.domain
        return made

    def summaries(self) -> dict[str, Tensor]:
        """Return per graph: log10 of the number of galaxies, mean degree, mean node features.

        Of several snapshots: the number of galaxies in all, then everything per snapshot.
        """
        data, node, edge = self._data, self.slices["x"], self.slices["edge_index"]
        several = len(self._redshifts) > 1
        mean, degree = snapshot_means(data, node, edge, len(self._redshifts))
        names = self._features or [f"feature {column}" for column in range(mean.shape[2])]
        found = {"log10 galaxies": node.diff().log10()} if several else {}
        for number, redshift in enumerate(self._redshifts):
            where = f", z={redshift:g}" if several else ""
            found[f"log10 galaxies{where}"] = data.u[:, number]
            found[f"mean degree{where}"] = degree[:, number]
            for k, name in enumerate(names):
                found[f"mean log10(1 + {name}){where}"] = mean[:, number, k]
        chosen = list(self.indices())
        return {name: values[chosen] for name, values in found.items()}

    def describe(self) -> dict[str, str]:
        """Describe what nodes, edges and graph carry."""
        nodes = {
            f"log10(1 + {name})": f"{COLUMNS[name].meaning}, {COLUMNS[name].unit}"
            for name in self._features
        }
        where = ""
        if len(self._redshifts) > 1:
            where = f" at z = {', '.join(f'{redshift:g}' for redshift in self._redshifts)}"
            nodes["snapshot"] = f"1 for the galaxies of one, 0 for others; a column each{where}"
        return nodes | {
            "edges": "distance in linking radii and two cosines from the centroid",
            "global": f"log10 of the number of galaxies{where}",
        }

    def __repr__(self) -> str:
        per_graph = (self.slices["x"][-1] / (len(self.slices["x"]) - 1)).item()
        names = ", ".join(self.scaling.names)
        return f"GalaxyGraphs({len(self)} graphs of {per_graph:.0f} galaxies; {names})"


def load_galaxies(
    catalogs: "Sequence[Catalog]",
    ids: Sequence[str],
    truth: ArrayLike,
    scaling: Scaling,
    linking_radius: float,
    features: str = "all",
    convention: str = "periodic",
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    redshifts: Sequence[float] = (0.0,),
) -> GalaxyGraphs:
    """Build the graphs of many catalogues.

    Args:
        catalogs: one per box; of several snapshots, as many consecutive ones per box.
        ids: one name per box.
        truth: physical parameters ``[n, P]``; NaN where unknown.
        scaling: names and priors of the ``P`` parameters.
        linking_radius: in units of the box.
        features: node feature set, see :data:`dagnn.graphs.NODE_FEATURES`.
        convention: see :data:`dagnn.graphs.CONVENTIONS`.
        workers: threads; the neighbour search and numpy release the interpreter lock.
        on_progress: called with (done, total).
        redshifts: snapshots that form an item.
    """
    together = len(redshifts)
    boxes = [catalogs[first : first + together] for first in range(0, len(catalogs), together)]
    build = partial(
        graph_of, linking_radius=linking_radius, features=features, convention=convention
    )

    def make(box: "Sequence[Catalog]") -> Graph:
        return join_snapshots([build(catalog) for catalog in box])

    graphs = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for graph in pool.map(make, boxes):
            graphs.append(graph)
            if on_progress is not None:
                on_progress(len(graphs), len(boxes))
    columns = NODE_FEATURES[features]
    return GalaxyGraphs(graphs, ids, truth, scaling, features=columns, redshifts=redshifts)


def _flat(graphs: Sequence[Graph], scaled: Tensor) -> Data:
    """Concatenate graphs; node numbers in ``edge_index`` stay local to each graph."""

    def joined(name: str, axis: int = 0) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(graph, name) for graph in graphs], axis))

    return Data(
        x=joined("x"),
        edge_index=joined("edge_index", 1),
        edge_attr=joined("edge_attr"),
        y=scaled,
        pos=joined("pos"),
        u=joined("u"),
    )


def _pointer(counts: Sequence[int]) -> Tensor:
    """Return the first row of every item and the end of the last, ``[n + 1]``."""
    return _with_zero(torch.tensor(counts).cumsum(0))


def _with_zero(ends: Tensor) -> Tensor:
    return torch.cat([ends.new_zeros(1), ends])


def _spans(pointer: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first row of every chosen item and the number of its rows, both ``[B]``.

    Args:
        pointer: first row of every item ``[n + 1]``.
        index: chosen items ``[B]``.
    """
    first = pointer[index]
    return first, pointer[index + 1] - first


def _rows(first: Tensor, counts: Tensor, total: int) -> Tensor:
    """Return the rows of some items, one item after the other ``[total]``.

    Args:
        first: first row of every item ``[B]``.
        counts: rows of every item ``[B]``.
        total: rows of all items.
    """
    new_first = counts.cumsum(0) - counts
    offset = (first - new_first).repeat_interleave(counts, output_size=total)
    return offset + torch.arange(total, device=offset.device)


def snapshot_means(data: Any, node: Tensor, edge: Tensor, snapshots: int) -> tuple[Tensor, Tensor]:
    """Average node features and degrees over the galaxies of every snapshot.

    Args:
        data: flat ``x [N, F + S]`` (``[N, F]`` for one snapshot, see
            :func:`dagnn.graphs.join_snapshots`) and ``edge_index [2, E]``, local to graphs.
        node: first node of every graph ``[n + 1]``.
        edge: first edge of every graph ``[n + 1]``.
        snapshots: ``S``.

    Returns:
        Means ``[n, S, F]``, edges per galaxy ``[n, S]``.
    """
    galaxies, edges = node.diff(), edge.diff()
    graphs = len(galaxies)
    part = torch.arange(graphs, device=node.device).repeat_interleave(galaxies) * snapshots
    features = data.x.shape[1] - (snapshots if snapshots > 1 else 0)
    if snapshots > 1:
        part = part + data.x[:, features:].argmax(1)
    mean = scatter(data.x[:, :features], part, 0, graphs * snapshots, "mean")
    receiver = data.edge_index[1] + node[:-1].repeat_interleave(edges)
    arriving = part[receiver].bincount(minlength=graphs * snapshots)
    degree = arriving / part.bincount(minlength=graphs * snapshots)
    return mean.view(graphs, snapshots, features), degree.view(graphs, snapshots)
