import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { TensorData } from '../tensor.js';

/**
 * A value inside a graph: the name of an input, an initialiser or a node's output. An empty string leaves out an
 * optional input.
 */
export type Value = string;
export type ElementType = TensorData['type'];
/** A size, or the name of a size that is free. */
export type Dimension = number | string;

/** A node's attribute. A bare number is an integer; a real one is written `{ float: 0.5 }`. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: TensorData };

const OPSET = 17;
const IR_VERSION = 8;
/** TensorProto.DataType */
const DATA_TYPE: Readonly<Record<ElementType, number>> = { float32: 1, uint8: 2, int32: 6, int64: 7 };

/**
 * Builds a serialised ONNX model (ModelProto, opset 17, IR 8). Names are numbered in the order of the calls, so the same calls
 * give the same bytes. Field numbers are those of the published onnx.proto.
 */
export class GraphBuilder {
  readonly #nodes: Uint8Array[] = [];
  readonly #initializers: Uint8Array[] = [];
  readonly #inputs: Uint8Array[] = [];
  readonly #outputs: Uint8Array[] = [];
  readonly #names = new Set<string>();

  constructor(readonly name: string) {}

  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    this.#inputs.push(valueInfo(name, type, shape));
    return this.#take(name);
  }

  /** Declares `value` as a result of the graph, under the public name `name`. */
  output(name: string, value: Value, type: ElementType, shape: readonly Dimension[]): void {
    this.#outputs.push(valueInfo(name, type, shape));
    this.#nodes.push(nodeProto('Identity', [value], {}, [this.#take(name)]));
  }

  /** A constant tensor. Its bytes are copied. */
  constant(tensor: TensorData, name = `c${this.#initializers.length}`): Value {
    this.#initializers.push(tensorProto(tensor, name));
    return this.#take(name);
  }

  floats(values: ArrayLike<number>, dims: readonly number[] = [values.length]): Value {
    return this.constant({ type: 'float32', data: Float32Array.from(values), dims });
  }

  /** A float32 scalar. */
  scalar(value: number): Value {
    return this.floats([value], []);
  }

  /** int64 values, as shapes, axes and indices want them. */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): Value {
    return this.constant({ type: 'int64', data: BigInt64Array.from(values, BigInt), dims });
  }

  /** Adds a node with one output. */
  node(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    const output = this.#take(`n${this.#nodes.length}`);
    this.#nodes.push(nodeProto(op, inputs, attributes, [output]));
    return output;
  }

  cast(value: Value, to: ElementType): Value {
    return this.node('Cast', [value], { to: DATA_TYPE[to] });
  }

  /** Adds a node with `count` outputs. */
  nodes(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
  ): Value[] {
    const outputs = Array.from({ length: count }, (_, i) => this.#take(`n${this.#nodes.length}_${i}`));
    this.#nodes.push(nodeProto(op, inputs, attributes, outputs));
    return outputs;
  }

  build(): Uint8Array {
    const w = new BinaryWriter();
    int(w, 1, IR_VERSION);
    text(w, 2, 'foilbank');
    w.tag(7, WireType.LengthDelimited).fork();
    for (const node of this.#nodes) message(w, 1, node);
    text(w, 2, this.name);
    for (const initializer of this.#initializers) message(w, 5, initializer);
    for (const input of this.#inputs) message(w, 11, input);
    for (const output of this.#outputs) message(w, 12, output);
    w.join();
    w.tag(8, WireType.LengthDelimited).fork();
    text(w, 1, '');
    int(w, 2, OPSET);
    return w.join().finish();
  }

  #take(name: string): Value {
    if (this.#names.has(name)) throw new TypeError(`graph ${this.name} already has a value named ${name}`);
    this.#names.add(name);
    return name;
  }
}

const int = (w: BinaryWriter, field: number, value: number) => w.tag(field, WireType.Varint).int64(value);
const float = (w: BinaryWriter, field: number, value: number) => w.tag(field, WireType.Bit32).float(value);
const text = (w: BinaryWriter, field: number, value: string) =>
  w.tag(field, WireType.LengthDelimited).string(value);
const message = (w: BinaryWriter, field: number, value: Uint8Array) =>
  w.tag(field, WireType.LengthDelimited).bytes(value);

function nodeProto(
  op: string,
  inputs: readonly Value[],
  attributes: Readonly<Record<string, Attribute>>,
  outputs: readonly Value[],
): Uint8Array {
  const w = new BinaryWriter();
  for (const input of inputs) text(w, 1, input);
  for (const output of outputs) text(w, 2, output);
  text(w, 4, op);
  for (const [name, value] of Object.entries(attributes)) message(w, 5, attributeProto(name, value));
  return w.finish();
}

/** AttributeProto; field 20 says which of the others holds the value. */
function attributeProto(name: string, value: Attribute): Uint8Array {
  const w = new BinaryWriter();
  text(w, 1, name);
  if (typeof value === 'number') {
    int(w, 3, value);
    int(w, 20, 2);
  } else if (typeof value === 'string') {
    text(w, 4, value);
    int(w, 20, 3);
  } else if ('float' in value) {
    float(w, 2, value.float);
    int(w, 20, 1);
  } else if ('floats' in value) {
    for (const f of value.floats) float(w, 7, f);
    int(w, 20, 6);
  } else if ('tensor' in value) {
    message(w, 5, tensorProto(value.tensor, ''));
    int(w, 20, 4);
  } else {
    for (const i of value) int(w, 8, i);
    int(w, 20, 7);
  }
  return w.finish();
}

function tensorProto(tensor: TensorData, name: string): Uint8Array {
  const length = tensor.dims.reduce((product, d) => product * d, 1);
  if (length !== tensor.data.length)
    throw new TypeError(`tensor ${name} of shape [${tensor.dims}] has ${tensor.data.length} elements`);
  const w = new BinaryWriter();
  for (const d of tensor.dims) int(w, 1, d);
  int(w, 2, DATA_TYPE[tensor.type]);
  text(w, 8, name);
  const { buffer, byteOffset, byteLength } = tensor.data;
  message(w, 9, new Uint8Array(buffer, byteOffset, byteLength));
  return w.finish();
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): Uint8Array {
  const w = new BinaryWriter();
  text(w, 1, name);
  w.tag(2, WireType.LengthDelimited).fork();
  w.tag(1, WireType.LengthDelimited).fork();
  int(w, 1, DATA_TYPE[type]);
  w.tag(2, WireType.LengthDelimited).fork();
  for (const d of shape) {
    w.tag(1, WireType.LengthDelimited).fork();
    if (typeof d === 'number') int(w, 1, d);
    else text(w, 2, d);
    w.join();
  }
  return w.join().join().join().finish();
}
