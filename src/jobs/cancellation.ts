import type { Queues } from './queues.js';

const WEEK = 7 * 24 * 3600;
const POLL = 1000;

/** Flags that tell running handlers, wherever they run, that their flow is not wanted any more. */
export class Cancellations {
  constructor(private readonly queues: Queues) {}

  #key(flow: string): string {
    return `${this.queues.settings.prefix}:cancelled:${flow}`;
  }

  async set(flow: string): Promise<void> {
    await this.queues.settings.connection.set(this.#key(flow), '1', 'EX', WEEK);
  }

  async clear(flow: string): Promise<void> {
    await this.queues.settings.connection.del(this.#key(flow));
  }

  async isSet(flow: string): Promise<boolean> {
    return (await this.queues.settings.connection.exists(this.#key(flow))) === 1;
  }

  /** A signal that aborts soon after the flag is set. An unreachable Redis says nothing. */
  watch(flow: string): { readonly signal: AbortSignal; stop(): void } {
    const controller = new AbortController();
    const look = () =>
      this.isSet(flow).then(
        (set) => set && controller.abort(),
        () => {},
      );
    const timer = setInterval(look, POLL);
    return { signal: controller.signal, stop: () => clearInterval(timer) };
  }
}
