"""ONNX graph of the sentence encoder all-mpnet-base-v2, built from its published weights. Runs nothing.

The registries hold the weights as they were published, 438 MB of 32-bit floats. In 8 bits, by blocks of 64 with a scale
each, they are a quarter of that, and vectors keep a cosine of 0.999 with those of the published weights
(docs/adr/0011-facts-and-recall.md). Reading and building takes some seconds at each start.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

WIDTH: Final = 768
HEADS: Final = 12
LAYERS: Final = 12
BLOCK: Final = 64
_MIDDLE: Final = 128
"""Zero of an unsigned weight of 8 bits."""
_FIRST_POSITION: Final = 2
_BUCKETS: Final = 32
_FARTHEST: Final = 128
"""Buckets of distances between two tokens, and the distance from which on they are one."""
_FOLDER: Final = "all-mpnet-base-v2"
_TABLE: Final = "embeddings.word_embeddings.weight"
_RELATIVE: Final = "encoder.relative_attention_bias.weight"
_CONTRIB: Final = "com.microsoft"


class Packed(NamedTuple):
    """Matrix in 8 bits, and the scale of each block of a row."""

    weights: NDArray[np.uint8]
    scales: Floats

    def __mul__(self, factor: Any) -> Packed:
        return Packed(self.weights, self.scales * np.float32(factor))


Weights = Mapping[str, Floats | Packed]


def tokenizer_json(archive: Path) -> str:
    with zipfile.ZipFile(archive) as zipped:
        return zipped.read(f"{_FOLDER}/tokenizer.json").decode()


def graph(archive: Path, longest: int) -> bytes:
    """`longest`: most tokens of one text."""
    with zipfile.ZipFile(archive) as zipped, zipped.open(f"{_FOLDER}/model.safetensors") as file:
        weights = {name: packed(values) if _is_matrix(name) else values for name, values in tensors(file)}
    return _Graph(weights).built(longest).SerializeToString()


def _is_matrix(name: str) -> bool:
    return name == _TABLE or (
        name.startswith("encoder.layer.") and name.endswith(".weight") and "LayerNorm" not in name
    )


def tensors(file: IO[bytes]) -> Iterator[tuple[str, Floats]]:
    """The tensors of a safetensors file, in the order of their bytes: one at a time is in memory."""
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"][0]):
        begin, end = entry["data_offsets"]
        data = file.read(end - begin)
        if entry["dtype"] == "F32":
            yield name, np.frombuffer(data, "<f4").reshape(entry["shape"])


def packed(matrix: Floats) -> Packed:
    rows, columns = matrix.shape
    blocks = matrix.reshape(rows, columns // BLOCK, BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=2) / (_MIDDLE - 1), 1e-12).astype(np.float32)
    weights = np.clip(np.rint(blocks / scales[..., None]) + _MIDDLE, 0, 255).astype(np.uint8)
    return Packed(weights, scales)


def distances(tokens: int) -> NDArray[np.int64]:
    """The bucket of the distance of each two tokens: near ones apart, far ones by the logarithm."""
    place = np.arange(tokens)
    back = place[:, None] - place[None]
    half, exact = _BUCKETS // 2, _BUCKETS // 4
    far = np.abs(back)
    growth = np.log(np.maximum(far, 1) / exact) / math.log(_FARTHEST / exact)
    coarse = np.minimum(exact + (growth * (half - exact)).astype(np.int64), half - 1)
    buckets: NDArray[np.int64] = np.where(back < 0, half, 0) + np.where(far < exact, far, coarse)
    return buckets


class _Graph:
    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def built(self, longest: int) -> onnx.ModelProto:
        self._shared_constants(longest)
        count = self._op("Shape", "input_ids", start=1, end=2)
        square = self._op("Concat", count, count, axis=0)
        bias = self._op("Slice", "bias", "origin", square, "last_two")
        positions = self._op("Slice", "positions", "zero", count, "zero")
        hidden = self._normalised(self._op("Add", self._token_vectors(), positions), "embeddings.LayerNorm")
        for number in range(LAYERS):
            hidden = self._layer(hidden, bias, f"encoder.layer.{number}")
        self._nodes.append(helper.make_node("Identity", [hidden], ["last_hidden_state"]))
        tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])
        vectors = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [1, "tokens", WIDTH])
        made = helper.make_graph(self._nodes, "mpnet", [tokens], [vectors], list(self._constants.values()))
        return helper.make_model(
            made, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_CONTRIB, 1)]
        )

    def _shared_constants(self, longest: int) -> None:
        positions = self._floats("embeddings.position_embeddings.weight")
        self._constant("positions", positions[_FIRST_POSITION : _FIRST_POSITION + longest])
        self._constant("bias", self._floats(_RELATIVE)[distances(longest)].transpose(2, 0, 1)[None])
        for name, values in (
            ("zero", [0]),
            ("origin", [0, 0]),
            ("last_two", [2, 3]),
            ("by_head", [0, 0, 3, HEADS, WIDTH // HEADS]),
            ("joined", [0, 0, WIDTH]),
            ("query", 0),
            ("key", 1),
            ("value", 2),
        ):
            self._constant(name, np.array(values, np.int64))

    def _token_vectors(self) -> str:
        table = self._weights[_TABLE]
        assert isinstance(table, Packed)
        signed = (table.weights.astype(np.int16) - _MIDDLE).astype(np.int8)
        rows = self._op("Gather", self._constant("table", signed), "input_ids")
        scales = self._op("Gather", self._constant("table.scales", table.scales[..., None]), "input_ids")
        scaled = self._op("Mul", self._op("Cast", rows, to=TensorProto.FLOAT), scales)
        return self._op("Reshape", scaled, "joined")

    def _layer(self, hidden: str, bias: str, name: str) -> str:
        attended = self._attention(hidden, bias, f"{name}.attention.attn")
        hidden = self._normalised(self._op("Add", hidden, attended), f"{name}.attention.LayerNorm")
        wide = self._op("Gelu", self._linear(hidden, f"{name}.intermediate.dense"), domain=_CONTRIB)
        narrow = self._linear(wide, f"{name}.output.dense")
        return self._normalised(self._op("Add", hidden, narrow), f"{name}.output.LayerNorm")

    def _attention(self, hidden: str, bias: str, name: str) -> str:
        # Queries, keys and values are one product; the usual division by the root of a head's width is in the weights.
        size = 1 / math.sqrt(WIDTH // HEADS)
        matrices = [self._matrix(f"{name}.{part}.weight") for part in "qkv"]
        matrices[0] *= size
        offsets = [self._floats(f"{name}.{part}.bias") for part in "qkv"]
        together = Packed(
            np.concatenate([one.weights for one in matrices]), np.concatenate([one.scales for one in matrices])
        )
        offset = np.concatenate([offsets[0] * np.float32(size), *offsets[1:]])
        parts = self._op("Reshape", self._product(hidden, f"{name}.qkv", together, offset), "by_head")
        parts = self._op("Transpose", parts, perm=[2, 0, 3, 1, 4])
        query, key, value = (self._op("Gather", parts, which, axis=0) for which in ("query", "key", "value"))
        alike = self._op("MatMul", query, self._op("Transpose", key, perm=[0, 1, 3, 2]))
        shares = self._op("Softmax", self._op("Add", alike, bias), axis=-1)
        mixed = self._op("Transpose", self._op("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self._linear(self._op("Reshape", mixed, "joined"), f"{name}.o")

    def _linear(self, given: str, name: str) -> str:
        return self._product(given, name, self._matrix(f"{name}.weight"), self._floats(f"{name}.bias"))

    def _product(self, given: str, name: str, matrix: Packed, offset: Floats) -> str:
        rows, blocks, _ = matrix.weights.shape
        product = self._op(
            "MatMulNBits",
            given,
            self._constant(f"{name}.weight", matrix.weights),
            self._constant(f"{name}.scales", matrix.scales.reshape(-1)),
            domain=_CONTRIB,
            K=blocks * BLOCK,
            N=rows,
            bits=8,
            block_size=BLOCK,
            accuracy_level=4,  # products in 8 bits, too: ten times as fast as in floats
        )
        return self._op("Add", product, self._constant(f"{name}.bias", offset))

    def _normalised(self, given: str, name: str) -> str:
        weight = self._constant(f"{name}.weight", self._floats(f"{name}.weight"))
        offset = self._constant(f"{name}.bias", self._floats(f"{name}.bias"))
        return self._op("LayerNormalization", given, weight, offset, axis=-1, epsilon=1e-5)

    def _matrix(self, name: str) -> Packed:
        matrix = self._weights[name]
        assert isinstance(matrix, Packed)
        return matrix

    def _floats(self, name: str) -> Floats:
        values = self._weights[name]
        assert not isinstance(values, Packed)
        return values

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        self._constants[name] = numpy_helper.from_array(np.require(values, requirements="C"), name)
        return name

    def _op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        output = f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))
        return output
