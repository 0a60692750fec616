import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { afterEach, expect, it } from 'vitest';
import { createFoilbankClient, ListBanksResponseSchema, SupportService } from '../../src/client.js';
import { VERSION } from '../../src/version.js';

let close = () => {};
afterEach(() => close());

/** A server of the contract that says to be of some version. */
async function serverOf(version: string | undefined): Promise<string> {
  const server = createServer(
    connectNodeAdapter({
      routes: (router) => {
        router.service(SupportService, {
          listBanks: (_, { responseHeader }) => {
            if (version !== undefined) responseHeader.set('foilbank-version', version);
            return create(ListBanksResponseSchema);
          },
          getBank: () => {
            const metadata = new Headers(version === undefined ? {} : { 'foilbank-version': version });
            throw new ConnectError('no', Code.NotFound, metadata);
          },
        });
      },
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => void server.close();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const [major = 0, minor = 0] = VERSION.split('.').map(Number);
const told = async (version: string | undefined, protocol: 'grpc' | 'grpc-web' | 'connect' = 'grpc') => {
  const warnings: string[] = [];
  const { support } = createFoilbankClient({
    ...{ baseUrl: await serverOf(version), protocol, onWarning: (warning) => warnings.push(warning) },
  });
  for (let i = 0; i < 3; i++) await support.listBanks({});
  return warnings;
};

it.each(['grpc', 'grpc-web', 'connect'] as const)(
  'a server of another version is told of, once, by %s',
  async (protocol) => {
    const newer = `${major}.${minor + 1}.0`;
    const warnings = await told(newer, protocol);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(newer);
    expect(warnings[0]).toContain(VERSION);
  },
);

it('also when its first answer is an error', async () => {
  const warnings: string[] = [];
  const { support } = createFoilbankClient({
    ...{ baseUrl: await serverOf('99.0.0'), onWarning: (warning) => warnings.push(warning) },
  });
  await expect(support.getBank({})).rejects.toThrow('no');
  expect(warnings).toHaveLength(1);
});

it('nothing is said of a server that differs by a patch, or does not say', async () => {
  expect(await told(`${major}.${minor}.99`)).toEqual([]);
  expect(await told(undefined)).toEqual([]);
});

it('without a callback it is a warning of the process', async () => {
  const seen = new Promise<Error>((resolve) => process.once('warning', resolve));
  const { support } = createFoilbankClient({ baseUrl: await serverOf('99.0.0') });
  await support.listBanks({});
  expect((await seen).message).toContain('99.0.0');
});
