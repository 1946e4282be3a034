"""An ONNX graph that takes as long as its texts say: model.onnx of token states, for tests of deadlines.

Needs only Python's standard library.
"""
import struct

from onnx_exporter import FLOAT, INT64, Graph, tensor, value_info

BOOL = 9


def slow_model(vocab_size, width, rounds):
    """States are rows of a table; a token of `rounds` {id: rounds} keeps the graph in a loop for so many of them."""
    graph = Graph()
    table = tensor("table", FLOAT, [vocab_size, width], struct.pack(f"<{vocab_size * width}f", *(i % 7 + 0.5 for i in range(vocab_size * width))))
    graph.initializers += [table, tensor("always", BOOL, [], b"\x01")]
    count, one = graph.scalar(0), graph.scalar(1.0)
    for token, each in rounds.items():
        is_there = graph.op("ReduceMax", graph.op("Cast", graph.op("Equal", "input_ids", graph.scalar(token)), to=INT64), keepdims=0)
        count = graph.op("Add", count, graph.op("Mul", is_there, graph.scalar(each)))
    body = Graph()
    body.op("Identity", "go", output="go_on")
    body.op("Add", "sum", one, output="next")
    total = graph.op("Loop", count, "always", one, body=body.graph(
        [value_info("round", INT64, []), value_info("go", BOOL, []), value_info("sum", FLOAT, [])],
        [value_info("go_on", BOOL, []), value_info("next", FLOAT, [])]))
    # The sum is at least 1.
    graph.op("Mul", graph.op("Gather", "table", "input_ids"), graph.op("Min", total, one), output="last_hidden_state")
    dims = ["batch_size", "sequence_length"]
    return graph.bytes([value_info("input_ids", INT64, dims)], [value_info("last_hidden_state", FLOAT, [*dims, width])])
