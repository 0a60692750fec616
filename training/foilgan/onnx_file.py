"""Just enough of a protobuf reader to look into an ONNX file (onnx.proto3) without the onnx package."""
from collections import namedtuple

import numpy as np

Node = namedtuple('Node', 'op inputs outputs')
Tensor = namedtuple('Tensor', 'name dims type raw')
Graph = namedtuple('Graph', 'opsets nodes constants inputs outputs')


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """Yields (field number, value); value is an int or a memoryview."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
        else:
            size, at = {1: (8, at), 5: (4, at)}.get(key & 7) or _varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def _text(value):
    return bytes(value).decode()


def _tensor(data):
    dims, name, kind, raw = [], '', 0, b''
    for field, value in fields(data):
        if field == 1:
            if isinstance(value, int):
                dims.append(value)
            else:
                at = 0
                while at < len(value):
                    dim, at = _varint(value, at)
                    dims.append(dim)
        elif field == 2:
            kind = value
        elif field == 8:
            name = _text(value)
        elif field == 9:
            raw = value
    return Tensor(name, tuple(dims), kind, raw)


def array(tensor):
    """A float tensor's values as float32."""
    return np.frombuffer(tensor.raw, {1: '<f4', 10: '<f2'}[tensor.type]).reshape(tensor.dims).astype(np.float32)


def _name(data):
    return next(_text(value) for field, value in fields(data) if field == 1)


def read(path):
    model = memoryview(path.read_bytes())
    opsets = [value for field, value in fields(model) if field == 8]
    graph = next(value for field, value in fields(model) if field == 7)
    parts = list(fields(graph))
    nodes = []
    for value in (v for f, v in parts if f == 1):
        inside = list(fields(value))
        nodes.append(Node(next(_text(v) for f, v in inside if f == 4), [_text(v) for f, v in inside if f == 1],
                          [_text(v) for f, v in inside if f == 2]))
    return Graph(
        opsets=[next((v for f, v in fields(o) if f == 2), 0) for o in opsets],
        nodes=nodes,
        constants={t.name: t for t in (_tensor(v) for f, v in parts if f == 5)},
        inputs=[_name(v) for f, v in parts if f == 11],
        outputs=[_name(v) for f, v in parts if f == 12])
