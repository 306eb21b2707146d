"""Public weight files of CosmoGraphNet and GNN_DomainAdapt, loaded into our modules.

Both programs save a plain state dict with the names ``layers.{i}.edge_model.edge_mlp.{j}``,
``layers.{i}.node_model.node_mlp.{j}`` and ``outlayer.{j}``; every size follows
from the shapes. Only the linking radius is written nowhere but in the file name.
"""

import re
from pathlib import Path

from torch import Tensor

from dagnn.errors import CheckpointError
from dagnn.models.graph import GraphEncoder
from dagnn.models.heads import SignedMomentsHead
from dagnn.models.network import Network
from dagnn.nn import read_weights

_RENAMED = {
    r"^(?:module\.)?layers\.(\d+)\.edge_model\.edge_mlp\.": r"encoder.blocks.\1.edge_mlp.",
    r"^(?:module\.)?layers\.(\d+)\.node_model\.node_mlp\.": r"encoder.blocks.\1.node_mlp.",
    r"^(?:module\.)?outlayer\.": "head.layers.",
}
_FIRST_EDGE = "encoder.blocks.0.edge_mlp.0.weight"
_FIRST_NODE = "encoder.blocks.0.node_mlp.0.weight"
_LINKING_RADIUS = re.compile(r"rlink_(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", re.IGNORECASE)


def published_linking_radius(path: Path | str) -> float | None:
    """Return the linking radius, in units of the box, that a file name states, or None.

    Example:
        >>> published_linking_radius("SIMBA_LH_NoDA_onlypos_0_rlink_1.48e-02_nlayers_4")
        0.0148
    """
    found = _LINKING_RADIUS.search(Path(path).name)
    return float(found[1]) if found else None


def load_published(path: Path | str) -> Network:
    """Load a published weight file; the network predicts in prior units.

    The standard deviation keeps its sign. Weights trained on positions alone
    give an encoder with node width 0 (``sizes["node"] == 0``).

    Args:
        path: a state dict written by ``torch.save``, also of a DataParallel model.

    Raises:
        CheckpointError: the file is absent, cannot be read, holds something else, or values
            that are not finite.
    """
    path = Path(path)
    state = _renamed(read_weights(path), path)
    try:
        network = _empty_network(state)
        _, unexpected = network.load_state_dict(state, strict=False)
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: the layers do not fit together as a published graph network ({error})."
        ) from error
    missing = {name for name, _ in network.named_parameters()} - state.keys()
    if missing or unexpected:
        raise CheckpointError(
            f"{path}: not a complete published graph network; "
            f"missing: {sorted(missing)}, unknown: {sorted(unexpected)}."
        )
    return network.eval()


def _renamed(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Translate the published names of layers to ours."""
    renamed = {}
    for name, value in state.items():
        known = [re.sub(old, new, name) for old, new in _RENAMED.items() if re.match(old, name)]
        if not known:
            raise CheckpointError(
                f"{path}: unknown entry {name!r}. Published weights hold only "
                "layers.*.edge_model.edge_mlp, layers.*.node_model.node_mlp and outlayer."
            )
        renamed[known[0]] = value
    return renamed


def _empty_network(state: dict[str, Tensor]) -> Network:
    """Build the network whose sizes follow from the shapes of its weights."""
    hidden, edge_inputs = state[_FIRST_EDGE].shape
    node_inputs = state[_FIRST_NODE].shape[1]
    blocks = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder."))
    # Two equations, 2·node + edge = edge_inputs and node + 3·hidden + global = node_inputs,
    # for three widths: the published graphs always have one global feature.
    node = node_inputs - 3 * hidden - 1
    sizes = {"node": node, "edge": edge_inputs - 2 * node, "global": 1}
    if node < 0 or sizes["edge"] < 1:
        raise ValueError(f"node width {node}, edge width {sizes['edge']}")
    encoder = GraphEncoder(sizes, hidden, blocks, standardize=False, batch_norm=False)
    weights = [v for name, v in state.items() if name.startswith("head.") and v.ndim == 2]
    outputs = len(weights[-1])
    if outputs % 2:
        raise ValueError(f"{outputs} outputs are not a mean and a std per parameter")
    return Network(
        encoder, SignedMomentsHead(encoder.width, outputs // 2, [len(w) for w in weights[:-1]])
    )
