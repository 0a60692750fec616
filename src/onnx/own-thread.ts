import { InferenceSession, Tensor } from 'onnxruntime-node';
import { FoilbankError, reasonOf } from '../errors.js';
import type { Network, NetworkHost, NetworkSource, RunOptions } from './network.js';
import { free, type TensorData, type Tensors, type ValueInfo } from './tensor.js';

/** The native binding refuses shared memory, so what comes in it is copied here, off the main thread. */
const unshared = (data: TensorData['data']) =>
  data.buffer instanceof SharedArrayBuffer ? data.slice() : data;
const toTensor = (t: TensorData): Tensor => new Tensor(t.type, unshared(t.data) as Float32Array, t.dims);
const toTensors = (tensors: Tensors): [string, Tensor][] =>
  Object.entries(tensors).map(([name, t]) => [name, toTensor(t)]);

/**
 * ONNX sessions of the thread that calls them. A run blocks that thread for its whole length, so only inference threads do this.
 * Each network is one session, kept until it is released: sessions that come and go leak.
 */
export class OwnThread implements NetworkHost {
  /** Milliseconds inside `session.run` of all networks. */
  milliseconds = 0;

  constructor(private readonly intraOpNumThreads: number) {}

  async load(source: NetworkSource): Promise<Network> {
    const { name } = source;
    const session = await this.open(source);
    const constants = Object.fromEntries(toTensors(source.constants ?? {}));
    const spent = { milliseconds: 0, runs: 0 };
    return {
      name,
      inputs: describe(session.inputMetadata),
      outputs: describe(session.outputMetadata),
      spent,
      run: async (feeds: Tensors, { outputs = session.outputNames, transfer }: RunOptions = {}) => {
        try {
          const tensors = { ...constants, ...Object.fromEntries(toTensors(feeds)) };
          const started = performance.now();
          const results = await session.run(tensors, outputs);
          const milliseconds = performance.now() - started;
          spent.milliseconds += milliseconds;
          spent.runs += 1;
          this.milliseconds += milliseconds;
          return Object.fromEntries(
            Object.entries(results).map(([output, { type, dims, data }]) => [
              output,
              { type, dims, data } as TensorData,
            ]),
          );
        } catch (error) {
          throw new FoilbankError('FB_INFERENCE_FAILED', { name, reason: reasonOf(error) }, { cause: error });
        } finally {
          if (transfer) free(Object.values(feeds));
        }
      },
      release: () => session.release(),
    };
  }

  private async open({ name, graph }: NetworkSource): Promise<InferenceSession> {
    try {
      // Either is taken, but the library's types want to know which.
      return await InferenceSession.create(graph as string, {
        intraOpNumThreads: this.intraOpNumThreads,
        interOpNumThreads: 1,
        executionProviders: ['cpu'],
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        // Helping threads sleep until there is work. By default they look out for it busily, within a run and for milliseconds after each,
        // which takes the processor from whoever else is at work (`npm run bench -- service`).
        extra: { session: { intra_op: { allow_spinning: '0' } } },
      });
    } catch (error) {
      throw new FoilbankError('FB_MODEL_LOAD_FAILED', { name, reason: reasonOf(error) }, { cause: error });
    }
  }
}

function describe(metadata: readonly InferenceSession.ValueMetadata[]): ValueInfo[] {
  return metadata.map((m) =>
    m.isTensor ? { name: m.name, type: m.type, shape: m.shape } : { name: m.name, type: 'other', shape: [] },
  );
}
