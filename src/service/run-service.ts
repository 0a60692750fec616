import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ConnectRouter } from '@connectrpc/connect';
import { openStore } from '../bank/index.js';
import {
  BankService,
  FaceService,
  GalleryService,
  health,
  reflection,
  reflectionAlpha,
  SupportService,
} from '../gen/index.js';
import { InferencePool } from '../onnx/index.js';
import { BankHolder } from './bank-holder.js';
import { deferred } from './deferred.js';
import { Door } from './door.js';
import type { EngineThread } from './engine-spare.js';
import { Entrance, scopeOf } from './entrance.js';
import type { GalleryPictures } from './gallery-pictures.js';
import { GalleryReader } from './gallery-reader.js';
import { healthService } from './health.js';
import { observed, validated } from './interceptors.js';
import { KeyRing, openDoor } from './key-ring.js';
import { openListener } from './listener.js';
import { Lookups } from './lookup.js';
import { ServiceMetrics } from './metrics.js';
import { Observation } from './observation.js';
import { pages, type Readiness } from './pages.js';
import { QueueDoor } from './queue-door.js';
import { alphaReflectionService, reflectionService } from './reflection.js';
import { rpcHandler } from './rpc-handler.js';
import type { ServeInputs, Service } from './serve-inputs.js';
import { Sessions } from './sessions.js';
import { studio } from './studio.js';
import { supportService } from './support-service.js';

/** @param threads one for each bank, started already. @throws FoilbankError as `openService`, which frees the threads then */
export async function runService(
  { config, settings, redis, log }: ServeInputs,
  threads: readonly EngineThread[],
): Promise<Service> {
  const { banks, batches, limits, pollMs, olderIdleMs, shutdownSeconds } = settings;
  const store = openStore(config.store);
  const gatekeeper = settings.keys === undefined ? openDoor : await KeyRing.open(settings.keys, log);
  const door = new Door(gatekeeper, new Sessions(gatekeeper, settings.sessions));
  const holders = new Map<string, BankHolder>();
  const metrics = new ServiceMetrics(() =>
    [...holders].map(([bank, { serving }]) => [bank, serving?.depth ?? 0] as const),
  );
  banks.forEach((bank, i) => {
    const common = { store, threads: config.threads, batches, pollMs, olderIdleMs, log, metrics };
    holders.set(bank, new BankHolder({ ...common, bank, thread: threads[i] }));
  });
  const loaded = Promise.all([...holders.values()].map((holder) => holder.start())).then(() => {});
  const lookups = new Lookups(holders, limits);
  const queues = new QueueDoor(redis);
  // Threads for photos and pictures; lookups have their own.
  let pool: InferencePool | undefined;
  const inPool = () => {
    pool ??= new InferencePool({ threads: config.threads });
    return pool;
  };
  const folders = { cards: config.cards, cache: config.cache };
  const reader = new GalleryReader(store.location);
  let pictures: GalleryPictures | undefined;
  metrics.watch('foilbank_sessions', 'Sessions of browsers', () => door.sessions.count);
  metrics.watch(
    'foilbank_picture_bytes',
    "Bytes of virtual faces' pictures kept",
    () => pictures?.bytes ?? 0,
  );
  let draining = false;
  // Ends streams that have no end of their own; all other requests finish.
  const stopping = new AbortController();
  const readiness = (): Readiness => {
    const unready = [...holders.values()].filter((h) => !h.serving);
    const reasons = [
      ...(draining ? ['it is stopping'] : []),
      ...unready.map((h) => h.notes.join('; ') || `bank ${h.bank}: it is being loaded`),
    ];
    const notes = [
      ...[...holders.values()].filter((h) => h.serving).flatMap((h) => h.notes),
      ...gatekeeper.notes,
    ];
    return { ready: reasons.length === 0, reasons, notes };
  };
  const own = [SupportService, BankService, FaceService, GalleryService];
  const reflections = [reflection.ServerReflection, reflectionAlpha.ServerReflection];
  const services = [...own, health.Health, ...reflections];
  // A method whose contract names no scope is noticed here, not by who calls it.
  for (const service of services) service.methods.forEach(scopeOf);
  const support = supportService(lookups);
  const routes = (router: ConnectRouter) => {
    router.service(SupportService, support);
    const banksOf = deferred(BankService, async () => {
      const { bankService } = await import('./bank-service.js');
      return bankService(store, queues, async (bank) => holders.get(bank)?.look(), stopping.signal);
    });
    const faces = deferred(FaceService, async () => {
      const { faceService, PhotoReading } = await import('./face-service.js');
      return faceService(lookups, new PhotoReading(inPool(), folders));
    });
    const gallery = deferred(GalleryService, async () => {
      const [{ galleryService }, { GalleryPictures }] = await Promise.all([
        import('./gallery-service.js'),
        import('./gallery-pictures.js'),
      ]);
      pictures = new GalleryPictures(inPool(), folders, settings.pictureBytes);
      return galleryService({ store, lookups, reader, pictures });
    });
    router.service(BankService, banksOf);
    router.service(FaceService, faces);
    router.service(GalleryService, gallery);
    router.service(
      health.Health,
      healthService(new Set(services.map((s) => s.typeName)), () => readiness().ready, stopping.signal),
      // Who has no key may ask, but not at length.
      { readMaxBytes: 1024 },
    );
    const files = services.map((s) => s.file);
    router.service(reflection.ServerReflection, reflectionService(files));
    router.service(reflectionAlpha.ServerReflection, alphaReflectionService(files));
  };
  const plain = pages(readiness, metrics.registry, door);
  const inStudio = settings.studio ? studio({ folder: settings.studio, door, queues, log }) : undefined;
  const entrance = new Entrance({
    admit: ({ method, url, header }, scope) =>
      door.admit({ method, url, header: (name) => header.get(name) }, scope),
    ...{ concurrency: limits.concurrency, draining: () => draining, log, metrics },
  });
  const { handler, take } = rpcHandler({
    routes,
    entrance: (method, request) => entrance.refusal(method, request),
    unread: (method, { header }, error) => new Observation(log, metrics, method, header).fail(error),
    interceptors: [observed(log, metrics), entrance.counting(), validated()],
    // A field that is mistyped is said, not left out: it might be the threshold.
    jsonOptions: { ignoreUnknownFields: false },
    readMaxBytes: limits.messageBytes,
    maxTimeoutMs: limits.deadlineMs,
    fallback: (request: IncomingMessage, response: ServerResponse) => {
      if (!inStudio?.(request, response)) plain(request, response);
    },
    unary: [
      { method: SupportService.method.estimateDiscrepancy, answer: support.estimateDiscrepancy },
      { method: SupportService.method.findNeighbors, answer: support.findNeighbors },
      { method: SupportService.method.alignScores, answer: support.alignScores },
    ],
    onDefect: (error) => log.error({ err: error }, 'defect'),
  });
  const { host, port, tls, patienceMs: patience } = settings;
  const closeHolders = () => Promise.all([...holders.values()].map((h) => h.close()));
  const listening = async () => {
    await redis;
    return openListener({ host, port, tls, handler, take, patience });
  };
  const listener = await listening().catch(async (error) => {
    gatekeeper.close();
    await loaded;
    await closeHolders();
    throw error;
  });
  return {
    url: listener.url,
    readiness,
    loaded,
    close: async () => {
      draining = true;
      log.info({ seconds: shutdownSeconds }, 'stopping');
      await loaded;
      stopping.abort();
      await listener.close(shutdownSeconds * 1000);
      gatekeeper.close();
      await Promise.all([closeHolders(), queues.close(), reader.close()]);
      await pool?.close();
    },
  };
}
