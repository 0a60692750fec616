import { parentPort, workerData } from 'node:worker_threads';
import { FoilbankError } from '../errors.js';
import {
  type FromThread,
  packError,
  type TaskResult,
  type ThreadProgram,
  type ToThread,
} from './messages.js';
import type { Network } from './network.js';
import { OwnThread } from './own-thread.js';
import { movable } from './tensor.js';

/**
 * The thread that owns ONNX sessions: `run()` of onnxruntime-node blocks the thread that calls it, so none is ever
 * called on the main one.
 */
const host = new OwnThread((workerData as { intraOpNumThreads: number }).intraOpNumThreads);
const networks = new Map<number, Network>();
const programs = new Map<number, (input: unknown) => Promise<unknown>>();

/** Only a network that was released, or a program that did not start, is missing. */
function known<T>(map: ReadonlyMap<number, T>, id: number): T {
  const value = map.get(id);
  if (value === undefined)
    throw new FoilbankError('FB_INFERENCE_FAILED', { name: 'a network', reason: 'it was released' });
  return value;
}

async function handle(message: ToThread): Promise<TaskResult> {
  switch (message.kind) {
    case 'open': {
      const network = await host.load(message.source);
      networks.set(message.network, network);
      return { kind: 'opened', inputs: network.inputs, outputs: network.outputs };
    }
    case 'run': {
      const { feeds, outputs } = message;
      const network = known(networks, message.network);
      const options = outputs ? { outputs, transfer: true } : { transfer: true };
      return { kind: 'ran', outputs: await network.run(feeds, options) };
    }
    case 'release':
      await networks.get(message.network)?.release();
      networks.delete(message.network);
      return { kind: 'done' };
    case 'start': {
      const { default: start }: { default: ThreadProgram<unknown, unknown, unknown> } = await import(
        message.module
      );
      programs.set(message.program, await start(host, message.setup));
      return { kind: 'done' };
    }
    case 'call':
      return { kind: 'called', output: await known(programs, message.program)(message.input) };
  }
}

const port = parentPort;
if (!port) throw new Error('inference-thread runs as a worker thread only');
port.on('message', async (message: ToThread) => {
  const before = host.milliseconds;
  let reply: FromThread;
  let transfer: ArrayBuffer[] = [];
  try {
    const result = await handle(message);
    if (result.kind === 'ran') transfer = movable(Object.values(result.outputs));
    reply = { task: message.task, ok: true, milliseconds: host.milliseconds - before, result };
  } catch (error) {
    reply = { task: message.task, ok: false, error: packError(error) };
  }
  port.postMessage(reply, transfer);
});
