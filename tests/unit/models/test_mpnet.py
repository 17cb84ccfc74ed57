"""Graph of the sentence encoder: buckets of distances, and matrices in 8 bits. The vectors: contract/models."""

from __future__ import annotations

import io
import json
import struct

import numpy as np

from voice_agent.models.mpnet import BLOCK, distances, packed, tensors


def test_near_tokens_have_buckets_of_their_own_and_far_ones_share() -> None:
    buckets = distances(200)
    assert buckets[5, :10].tolist() == [5, 4, 3, 2, 1, 0, 17, 18, 19, 20]
    assert buckets[199, [191, 190, 150, 71, 0]].tolist() == [8, 8, 13, 15, 15]
    assert buckets[0, [8, 199]].tolist() == [24, 31]
    assert buckets.max() == 31


def test_eight_bits_keep_a_weight_to_a_hundredth_of_the_largest_of_its_block() -> None:
    matrix = np.random.default_rng(7).normal(size=(3, 2 * BLOCK)).astype(np.float32)
    matrix[0, :BLOCK] *= 1000
    matrix[2] = 0
    weights, scales = packed(matrix)
    assert (weights.shape, scales.shape) == ((3, 2, BLOCK), (3, 2))
    again = (weights.astype(np.float32) - 128) * scales[..., None]
    blocks = matrix.reshape(3, 2, BLOCK)
    assert (np.abs(again - blocks) <= np.abs(blocks).max(axis=2, keepdims=True) / 200 + 1e-9).all()


def test_tensors_are_read_one_after_the_other() -> None:
    first, second = np.arange(4, dtype="<f4"), np.arange(3, dtype="<i8")
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "second": {"dtype": "I64", "shape": [3], "data_offsets": [16, 40]},
            "first": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        }
    ).encode()
    file = io.BytesIO(struct.pack("<Q", len(header)) + header + first.tobytes() + second.tobytes())
    [(name, values)] = tensors(file)  # positions are counted, not read
    assert name == "first"
    assert values.tolist() == [[0, 1], [2, 3]]
