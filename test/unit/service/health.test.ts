import { createClient, createRouterTransport } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { health } from '../../../src/gen/index.js';
import { healthService } from '../../../src/service/health.js';

it('a few may watch for as long as they like, and one more is turned away until one goes', async () => {
  const implementation = healthService(new Set(), () => true, new AbortController().signal, 2);
  const transport = createRouterTransport((router) => {
    router.service(health.Health, implementation);
  });
  const client = createClient(health.Health, transport);
  const watch = async () => {
    const stop = new AbortController();
    const answers = client.watch({ service: '' }, { signal: stop.signal })[Symbol.asyncIterator]();
    const { value } = await answers.next();
    return { status: value?.status, stop: () => stop.abort() };
  };
  const first = await watch();
  const second = await watch();
  expect([first.status, second.status]).toEqual([1, 1]);
  await expect(watch()).rejects.toThrow('too many');
  first.stop();
  await expect
    .poll(
      () =>
        watch().then(
          ({ status }) => status,
          () => 0,
        ),
      { timeout: 3000 },
    )
    .toBe(1);
  second.stop();
});
