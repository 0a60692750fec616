/**
 * Tells the end of a call as an `AbortSignal` does. To make one of Node's takes 7 µs and leaves memory that only a pass over the whole heap
 * frees, because its prototype is changed (Node 20); this one takes half a microsecond. `AbortSignal.any` does not take it.
 */
export class CallSignal extends EventTarget implements AbortSignal {
  aborted = false;
  reason: unknown = undefined;
  onabort = null;

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** The first end is the end. */
  end(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.dispatchEvent(new Event('abort'));
  }
}
