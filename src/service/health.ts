import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { health } from '../gen/index.js';

const { HealthCheckResponseSchema, HealthCheckResponse_ServingStatus: Status } = health;
/** Milliseconds between looks of `Watch`. */
const LOOK = 250;
/** Watches at once: nobody needs a key for one. */
const MOST_WATCHES = 1000;

/** The gRPC health protocol. @param services those that there are; '' is the server as a whole */
export function healthService(
  services: ReadonlySet<string>,
  ready: () => boolean,
  stopping: AbortSignal,
  mostWatches = MOST_WATCHES,
): ServiceImpl<typeof health.Health> {
  let watches = 0;
  const statusOf = (service: string) => {
    if (service !== '' && !services.has(service)) return undefined;
    return ready() ? Status.SERVING : Status.NOT_SERVING;
  };
  return {
    check: ({ service }) => {
      const status = statusOf(service);
      if (status === undefined) throw new ConnectError('unknown service', Code.NotFound);
      return create(HealthCheckResponseSchema, { status });
    },
    async *watch({ service }, { signal }) {
      if (watches >= mostWatches) throw new ConnectError('too many watch already', Code.ResourceExhausted);
      const ended = AbortSignal.any([signal, stopping]);
      let told: number | undefined;
      watches++;
      // Also of one whose answer nobody takes any more. The signal aborts when a call ends, however it does.
      ended.addEventListener('abort', () => watches--, { once: true });
      while (!ended.aborted) {
        const status = statusOf(service) ?? Status.SERVICE_UNKNOWN;
        if (status !== told) yield create(HealthCheckResponseSchema, { status });
        told = status;
        await sleep(LOOK, undefined, { signal: ended }).catch(() => {});
      }
    },
  };
}
