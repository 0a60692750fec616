import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { reasonOf } from '../errors.js';
import type { FromThread, NetworkSource, TaskResult, ToThread } from './messages.js';
import { movable, type TensorData, type ValueInfo } from './tensor.js';

/**
 * The thread that owns ONNX sessions: `run()` of onnxruntime-node blocks the thread that calls it, so none is ever
 * called on the main one. Each network gets one session, kept until it is released: sessions that come and go leak.
 */
interface Opened {
  readonly session: InferenceSession;
  readonly constants: Readonly<Record<string, Tensor>>;
}
const networks = new Map<number, Opened>();
const { intraOpNumThreads } = workerData as { intraOpNumThreads: number };

/** The native binding refuses shared memory, so what comes in it is copied here, off the main thread. */
const unshared = (data: TensorData['data']) =>
  data.buffer instanceof SharedArrayBuffer ? data.slice() : data;
const toTensor = (t: TensorData): Tensor => new Tensor(t.type, unshared(t.data) as Float32Array, t.dims);

function describe(metadata: readonly InferenceSession.ValueMetadata[]): ValueInfo[] {
  return metadata.map((m) =>
    m.isTensor ? { name: m.name, type: m.type, shape: m.shape } : { name: m.name, type: 'other', shape: [] },
  );
}

async function open(network: number, source: NetworkSource): Promise<TaskResult> {
  const options: InferenceSession.SessionOptions = {
    intraOpNumThreads,
    interOpNumThreads: 1,
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  };
  // Either is taken, but the library's types want to know which.
  const session = await InferenceSession.create(source.graph as string, options);
  const constants = Object.fromEntries(
    Object.entries(source.constants ?? {}).map(([name, t]) => [name, toTensor(t)]),
  );
  networks.set(network, { session, constants });
  return {
    kind: 'opened',
    inputs: describe(session.inputMetadata),
    outputs: describe(session.outputMetadata),
  };
}

async function run(message: Extract<ToThread, { kind: 'run' }>): Promise<TaskResult> {
  const network = networks.get(message.network);
  if (!network) throw new Error('the network was released');
  const feeds: Record<string, Tensor> = { ...network.constants };
  for (const [name, tensor] of Object.entries(message.feeds)) feeds[name] = toTensor(tensor);
  const wanted = message.outputs ?? network.session.outputNames;
  const started = performance.now();
  const results = await network.session.run(feeds, wanted);
  const milliseconds = performance.now() - started;
  const outputs: Record<string, TensorData> = {};
  for (const name of wanted) {
    const value = results[name];
    if (value) outputs[name] = { type: value.type, dims: value.dims, data: value.data } as TensorData;
  }
  return { kind: 'ran', outputs, milliseconds };
}

async function handle(message: ToThread): Promise<TaskResult> {
  switch (message.kind) {
    case 'open':
      return open(message.network, message.source);
    case 'run':
      return run(message);
    case 'release':
      await networks.get(message.network)?.session.release();
      networks.delete(message.network);
      return { kind: 'released' };
  }
}

const port = parentPort;
if (!port) throw new Error('inference-thread runs as a worker thread only');
port.on('message', async (message: ToThread) => {
  let reply: FromThread;
  let transfer: ArrayBuffer[] = [];
  try {
    const result = await handle(message);
    if (result.kind === 'ran') transfer = movable(result.outputs);
    reply = { task: message.task, ok: true, result };
  } catch (error) {
    reply = { task: message.task, ok: false, reason: reasonOf(error) };
  }
  port.postMessage(reply, transfer);
});
