"""Message passing twice: as a plain reference, and as fused kernels with a gradient of their own.

``reference`` is the definition, to be read first. ``message_passing`` computes the same numbers
and gradients faster and holds the gradient; ``block`` is the forward pass, ``pieces`` cuts a
graph into what fits the cache, and ``reductions`` are sums, means and extremes by group.
"""
