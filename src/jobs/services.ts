import type { BankStore } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import { fingerprint, type InferencePool, type ModelFolders } from '../onnx/index.js';
import {
  CandidateMaker,
  findNetworks,
  type LabelledPairs,
  type NetworkKind,
  type NetworkReference,
  type Networks,
} from '../pipeline/index.js';

/** What a job works with, the same in a queue's worker and without a queue. */
export interface JobServices {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly folders: ModelFolders;
  readonly makers: Makers;
  /** What a refresh must do no worse on. */
  readonly pairs?: LabelledPairs | undefined;
}

type References = Readonly<Record<NetworkKind, NetworkReference>>;
interface Opened {
  readonly networks: Networks;
  readonly maker: CandidateMaker;
}

/** Sessions live as long as their process: each set of networks is opened once, whatever the number of jobs. */
export class Makers {
  readonly #opened = new Map<string, Promise<Opened>>();

  constructor(
    private readonly pool: InferencePool,
    private readonly folders: ModelFolders,
  ) {}

  /** @throws FoilbankError FB_JOB_NETWORK_DIFFERS when this machine's cards are not those that the job was planned with */
  open(references: References): Promise<Opened> {
    const key = Object.values(references)
      .map((r) => r.fingerprint)
      .join(' ');
    let opened = this.#opened.get(key);
    if (!opened) {
      opened = this.#open(references);
      this.#opened.set(key, opened);
      // A failure is not kept: the file may be there at the next try.
      opened.catch(() => this.#opened.delete(key));
    }
    return opened;
  }

  async #open(references: References): Promise<Opened> {
    const { generator, embedder, detector, landmarks } = references;
    const networks = await findNetworks(this.folders, {
      generator: generator.card,
      embedder: embedder.card,
      detector: detector.card,
      landmarks: landmarks.card,
    });
    for (const kind of Object.keys(references) as NetworkKind[]) {
      const actual = fingerprint(networks[kind].card);
      const { card, fingerprint: expected } = references[kind];
      if (actual !== expected)
        throw new FoilbankError('FB_JOB_NETWORK_DIFFERS', { kind, card, expected, actual });
    }
    return { networks, maker: await CandidateMaker.open(this.pool, networks) };
  }
}
