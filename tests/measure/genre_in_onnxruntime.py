"""Times onnxruntime on one core with the weights of a genre network, for `cargo xtask bench`.

usage: genre_in_onnxruntime.py WEIGHTS.safetensors INPUT.f32 FRAMES RUNS
INPUT holds one window, [2, 128, FRAMES] of 32-bit floats, and its texture as the network takes it. Prints one JSON object: the median time of a run,
milliseconds, and the scores before the softmax.
"""

import json
import struct
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    kinds = {"F16": np.float16, "F32": np.float32}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[begin:end], kinds[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"]).astype(np.float32)
    return tensors


class Graph:
    """Nodes and constants of an ONNX graph, each node's output the next one's input."""

    def __init__(self, tensors):
        self.tensors, self.nodes, self.constants, self.last = tensors, [], [], "input"

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind, *others, source=None, **attributes):
        output = f"{kind}{len(self.nodes)}"
        inputs = [source or self.last, *others]
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        self.last = output
        return output

    def convolution(self, path, norm):
        """Convolution with the normalisation that follows it folded into its weights, and the rectifier."""
        weight = self.tensors[f"{path}.weight"]
        deviation = np.sqrt(self.tensors[f"{norm}.running_variance"] + 1e-5)
        scale = self.tensors[f"{norm}.weight"] / deviation
        shift = self.tensors[f"{norm}.bias"] - self.tensors[f"{norm}.running_mean"] * scale
        pad = weight.shape[2] // 2
        self.add(
            "Conv",
            self.constant(f"{path}.folded", weight * scale[:, None, None, None]),
            self.constant(f"{path}.shift", shift),
            pads=[pad] * 4,
            kernel_shape=list(weight.shape[2:]),
        )
        self.add("Relu")


def build(tensors, frames):
    graph = Graph(tensors)
    for block, pool in enumerate([(2, 1), (2, 2), (2, 2), (2, 1)]):
        graph.convolution(f"block{block}.convolution", f"block{block}.norm")
        graph.add("MaxPool", kernel_shape=pool, strides=pool)
    hidden, inputs = tensors["time.convolution.weight"].shape[:2]
    graph.add("Reshape", graph.constant("flat", np.array([1, inputs, 1, -1], np.int64)))
    graph.convolution("time.convolution", "time.norm")
    flat = graph.add("Reshape", graph.constant("line", np.array([1, hidden, -1], np.int64)))
    mean = graph.add("ReduceMean", graph.constant("axis", np.array([2], np.int64)), keepdims=1)
    apart = graph.add("Sub", mean, source=flat)
    graph.add("Mul", apart)
    graph.add("ReduceMean", "axis", keepdims=1)
    graph.add("Add", graph.constant("floor", np.array(1e-4, np.float32)))
    deviation = graph.add("Sqrt")
    loudest = graph.add("ReduceMax", "axis", source=flat, keepdims=1)
    graph.add("Concat", loudest, deviation, source=mean, axis=1)
    graph.add("Reshape", graph.constant("row", np.array([1, 3 * hidden], np.int64)))
    weight = graph.constant("genre", tensors["genre.weight"].T)
    heard = graph.add("Gemm", weight, graph.constant("bias", tensors["genre.bias"]))
    weight = graph.constant("texture.genre", tensors["texture.weight"].T)
    graph.add("MatMul", weight, source="texture")
    graph.add("Add", heard)
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "genre",
        [
            value("input", TensorProto.FLOAT, [1, 2, 128, frames]),
            value("texture", TensorProto.FLOAT, [1, tensors["texture.weight"].shape[1]]),
        ],
        [value(graph.last, TensorProto.FLOAT, [1, len(tensors["genre.bias"])])],
        graph.constants,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def main():
    weights, window, frames, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = build(read(weights), frames).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    values = np.fromfile(window, np.float32)
    given = {
        "input": values[: 2 * 128 * frames].reshape(1, 2, 128, frames),
        "texture": values[2 * 128 * frames :].reshape(1, -1),
    }
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        (scores,) = session.run(None, given)
        times.append(time.perf_counter() - start)
    print(json.dumps({"milliseconds": 1e3 * float(np.median(times)), "scores": scores[0].tolist()}))


main()
