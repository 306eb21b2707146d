"""The pieces of a graph, and the threads that work on them."""

import os
import signal
import threading
import time

import pytest
import torch
from tiny_batches import graph_batch

from dagnn.models.kernels import pieces


def test_pieces_cover_every_node_and_edge_once(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 20)
    batch = graph_batch([0, 1, 2, 3, 4])
    found = pieces.link(batch.edge_index, len(batch.x))
    assert len(found.pieces) > 10
    nodes, edges = torch.arange(len(batch.x)), torch.arange(batch.edge_index.shape[1])
    assert torch.equal(torch.cat([nodes[piece.nodes] for piece in found.pieces]), nodes)
    assert torch.equal(torch.cat([edges[piece.edges] for piece in found.pieces]), edges)
    for piece in found.pieces:
        local = found.local[piece.edges] + piece.nodes.start
        assert torch.equal(local, batch.edge_index[1][piece.edges])


def test_threads_get_runs_of_neighbours_and_leave_their_number_as_it_was(torch_threads):
    torch_threads(3)
    # Gradients are off in every thread, and operations of a thread stay in it.
    runs = pieces.in_threads(
        lambda items: (list(items), torch.is_grad_enabled(), torch.get_num_threads()), range(8)
    )
    assert runs == [([0, 1], False, 1), ([2, 3, 4], False, 1), ([5, 6, 7], False, 1)]
    assert torch.get_num_threads() == 3
    assert pieces.in_threads(list, range(5)) == [[0, 1], [2, 3, 4]]  # too few for a third
    assert len(pieces.in_threads(list, range(3))) == 1
    torch_threads(1)
    assert len(pieces.in_threads(list, range(8))) == 1


def test_an_error_in_a_thread_reaches_the_caller(torch_threads):
    torch_threads(2)
    with pytest.raises(ZeroDivisionError):
        pieces.in_threads(lambda items: [1 // item for item in items], range(8))


def test_a_forked_process_gets_threads_of_its_own(torch_threads):
    torch_threads(2)
    pieces.in_threads(list, range(8))
    child = os.fork()
    if child == 0:  # the threads of the parent are not here
        torch.set_num_threads(2)
        os._exit(0 if pieces.in_threads(list, range(4)) == [[0, 1], [2, 3]] else 1)
    for _ in range(200):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the forked process waits for threads that it does not have")


def test_a_thread_that_cannot_start_leaves_nobody_waiting(torch_threads, monkeypatch):
    torch_threads(3)
    pieces._team.cache_clear()
    start, started = threading.Thread.start, []

    def refuse(self: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        pieces.in_threads(list, range(8))
    monkeypatch.undo()
    for thread in started:
        thread.join(5)
        assert not thread.is_alive()
    assert torch.get_num_threads() == 3
    assert len(pieces.in_threads(list, range(8))) == 3
