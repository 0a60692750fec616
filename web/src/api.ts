import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { BankService, FaceService, GalleryService, SupportService } from '../../src/gen/index.js';

/** The page's own server; its session cookie goes along by itself, and to no other host. */
const transport = createConnectTransport({
  baseUrl: globalThis.location?.origin ?? 'http://localhost',
  useBinaryFormat: true,
  defaultTimeoutMs: 30_000,
});

export const support: Client<typeof SupportService> = createClient(SupportService, transport);
export const face: Client<typeof FaceService> = createClient(FaceService, transport);
export const gallery: Client<typeof GalleryService> = createClient(GalleryService, transport);
export const bank: Client<typeof BankService> = createClient(BankService, transport);
