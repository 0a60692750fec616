import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  type BankStore,
  candidateId,
  isDrawn,
  listVersions,
  type Manifest,
  showBank,
  type VersionSummary,
} from '../bank/index.js';
import { FoilbankError, reasonOf } from '../errors.js';
import {
  CandidateSchema,
  type GalleryService,
  GateSchema,
  GetPicturesResponseSchema,
  GetVersionResponseSchema,
  HistogramSchema,
  ListCandidatesResponseSchema,
  ListEvaluationsResponseSchema,
  ListVersionsResponseSchema,
  PictureSchema,
  TuningSchema,
  type Version,
  VersionSchema,
} from '../gen/index.js';
import { evaluationsOf } from './gallery-evaluations.js';
import type { GalleryPictures } from './gallery-pictures.js';
import type { GalleryReader } from './gallery-reader.js';
import type { Spread } from './histogram.js';
import type { Lookups } from './lookup.js';
import { OnceCache } from './once-cache.js';

export interface GalleryInputs {
  readonly store: BankStore;
  readonly lookups: Lookups;
  readonly reader: GalleryReader;
  readonly pictures: GalleryPictures;
}

/** Candidates of a page that no limit was given for. */
const LISTED = 200;
/** Manifests of versions asked for by name are kept so long, since every page of pictures asks: a removed version may be seen so long, too. */
const MANIFEST_MS = 60_000;
const MANIFESTS = 64;

export function galleryService(inputs: GalleryInputs): ServiceImpl<typeof GalleryService> {
  const { store, lookups, reader, pictures } = inputs;
  const manifests = new OnceCache<Manifest>({ maxSize: MANIFESTS, sizeOf: () => 1, ttl: MANIFEST_MS });
  const manifestOf = async (named: string, version: string): Promise<Manifest> => {
    const { bank, serving } = lookups.holder(named);
    const serves = serving?.facts.manifest;
    if (version === '') return serves ?? showBank(store, bank);
    if (version === serves?.version) return serves;
    return manifests.get(`${bank}/${version}`, () => showBank(store, bank, version));
  };
  return {
    listVersions: async ({ bank: named }) => {
      const { bank } = lookups.holder(named);
      const kept = (await listVersions(store, bank)).filter(({ removed }) => !removed);
      const versions = await Promise.all(kept.map((summary) => versionOf(store, bank, summary)));
      return create(ListVersionsResponseSchema, { bank, versions: versions.reverse() });
    },

    getVersion: async ({ bank: named, version, withoutHistograms }) => {
      const { bank } = lookups.holder(named);
      const manifest = version === '' ? await showBank(store, bank) : await manifestOf(named, version);
      const summary = (await listVersions(store, bank)).find((s) => s.version === manifest.version);
      const measured = withoutHistograms ? undefined : reader.spread(manifest);
      const spread = await measured?.catch((error: unknown) => {
        // What the manifest says is worth telling all the same.
        if (error instanceof FoilbankError) return error;
        throw error;
      });
      const told = summary ? await versionOf(store, bank, summary) : create(VersionSchema, { version });
      if (spread instanceof FoilbankError) told.fault = spread.message;
      return create(GetVersionResponseSchema, {
        ...{ bank, version: told, ...factsOf(manifest) },
        ...(!spread || spread instanceof FoilbankError
          ? {}
          : { r: histogramOf(spread.r), similarity: histogramOf(spread.similarity) }),
      });
    },

    listEvaluations: async ({ bank: named, version: asked }) => {
      const { bank, version } = await manifestOf(named, asked);
      const evaluations = await evaluationsOf(store, bank, version);
      return create(ListEvaluationsResponseSchema, { bank, version, evaluations });
    },

    listCandidates: async ({ bank: named, version, offset, limit }) => {
      const manifest = await manifestOf(named, version);
      const seeds = await reader.seeds(manifest);
      const page = Array.from(seeds.subarray(offset, offset + (limit || LISTED)), (seed) =>
        create(CandidateSchema, { id: candidateId(seed), seed: BigInt(seed), drawn: isDrawn(seed) }),
      );
      const { bank } = manifest;
      return create(ListCandidatesResponseSchema, {
        ...{ bank, version: manifest.version, total: seeds.length, candidates: page },
      });
    },

    getPictures: async ({ bank: named, version, seeds: asked, size }) => {
      const manifest = await manifestOf(named, version);
      const known = await reader.seeds(manifest);
      const seeds = asked.map(Number);
      // Whoever may look at a bank may not use its generator for anything else.
      const stranger = seeds.find((seed) => !isAmong(known, seed));
      if (stranger !== undefined) {
        const { bank } = manifest;
        throw new FoilbankError('FB_SEED_UNKNOWN', { bank, version: manifest.version, seed: stranger });
      }
      const shown = [...new Set(seeds.filter((seed) => !isDrawn(seed)))];
      const made = await pictures.of(manifest, shown, size);
      const images = new Map(shown.map((seed, i) => [seed, made[i]!]));
      return create(GetPicturesResponseSchema, {
        pictures: seeds.map((seed) => {
          const image = images.get(seed);
          return create(PictureSchema, { seed: BigInt(seed), ...(image ? { image } : {}) });
        }),
      });
    },
  };
}

async function versionOf(
  store: BankStore,
  bank: string,
  { version, inService, pinned, manifest }: VersionSummary,
): Promise<Version> {
  const told = create(VersionSchema, { version, inService, pinned });
  if (manifest) {
    told.createdAt = timestampFromDate(new Date(manifest.createdAt));
    told.candidates = manifest.counts.accepted;
    return told;
  }
  // The list leaves the reason out; asked for by itself the version tells it.
  told.fault = await showBank(store, bank, version).then(() => 'it was damaged a moment ago', reasonOf);
  return told;
}

function factsOf({ inputs, counts, parameters, gateResults, files }: Manifest) {
  const { calibration, tuning } = parameters;
  return {
    ...{ generator: inputs.generator.name, embedder: inputs.embedder.name, psi: inputs.psi },
    ...{ dimension: inputs.embedder.dimension, epoch: inputs.seeds.epoch },
    ...{ generated: counts.generated, rejected: counts.rejected, drawn: counts.drawn ?? 0 },
    ...{ operator: parameters.operator, k: parameters.neighbours, lambda: parameters.lambda },
    ...{ engine: parameters.engine, calibration: calibration.kind },
    reason: [calibration.kind === 'none' ? '' : calibration.reason, tuning?.reason ?? '']
      .filter(Boolean)
      .join('; '),
    ...(tuning ? { tuning: tuningOf(tuning) } : {}),
    gates: gateResults.map(({ gate, passed, value, limit }) =>
      create(GateSchema, { name: gate, passed, value, limit }),
    ),
    bytes: BigInt(files.reduce((sum, file) => sum + file.bytes, 0)),
  };
}

const tuningOf = ({ gain: [gainFrom, gainTo], ...told }: NonNullable<Manifest['parameters']['tuning']>) => {
  const { falseAcceptRate, photos, people, raw, aligned } = told;
  return create(TuningSchema, { falseAcceptRate, photos, people, raw, aligned, gainFrom, gainTo });
};

const histogramOf = ({ from, to, counts, mean, deviation }: Spread) =>
  create(HistogramSchema, { from, to, counts: [...counts], mean, deviation });

/** @param ascending */
function isAmong(ascending: Float64Array, value: number): boolean {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return ascending[low] === value;
}
