"""Contractions of windows in pieces are the contractions."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gradc.backends.blocks import contraction_in_pieces, split
from gradc.backends.contract import contraction

I, J, P, Q = range(4)


@pytest.mark.parametrize("output", [(I, J), (P, Q), (), (J, P), (Q, I)])
@pytest.mark.parametrize("reach", [1, 3, 7, 100])
def test_pieces_add_up(output: tuple[int, ...], reach: int) -> None:
    rng = np.random.default_rng(3)
    image, kernel, weights = rng.normal(size=(20, 9)), rng.normal(size=(3, 2)), rng.normal(size=(18, 8))
    windows = sliding_window_view(image, (3, 2))
    lengths = {I: 18, J: 8, P: 3, Q: 2}
    labels = [(I, J, P, Q), (P, Q), (I, J)]
    whole = contraction(labels, lengths, output)(windows, kernel, weights)
    for label in lengths:
        found = contraction_in_pieces(labels, lengths, output, label, reach)(windows, kernel, weights)
        np.testing.assert_allclose(found, whole, rtol=1e-12)


def test_small_windows_are_not_split() -> None:
    assert split([(I, P), (P,)], {I: 100, P: 5}, [0]) is None
    assert split([(I, P), (P,)], {I: 100, P: 5}, []) is None


def test_large_windows_are_split_along_their_longest_label() -> None:
    label, reach = split([(I, J, P, Q), (P, Q)], {I: 1000, J: 500, P: 5, Q: 5}, [0]) or (None, 0)
    assert label == I
    assert 1 <= reach <= 4
