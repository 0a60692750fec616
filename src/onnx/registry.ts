import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FoilbankError, reasonOf } from '../errors.js';
import { type CardOf, graphPath, type Model, type ModelCard, readCard, readIfCard } from './card.js';
import { checkGraphFits } from './graph-fit.js';
import type { Network, NetworkHost } from './network.js';

/** The folders where cards are looked for, and the one where prepared graphs are kept. */
export interface ModelFolders {
  readonly cards: readonly string[];
  readonly cache: string;
}

/**
 * Every card of the folders, by name. A later folder's card replaces an earlier one of the same name.
 *
 * @param onBadCard told of each card that cannot be read or is invalid: it is passed over
 */
export async function listModels(
  folders: ModelFolders,
  onBadCard?: (error: FoilbankError) => void,
): Promise<Model[]> {
  const models = new Map<string, Model>();
  for (const folder of folders.cards) {
    for (const file of await jsonFiles(folder)) {
      const card = await readIfCard(file).catch((error: unknown) => {
        // One bad card must not hide the others; asked for by its path it says what is wrong with it.
        if (!(error instanceof FoilbankError)) throw error;
        onBadCard?.(error);
        return undefined;
      });
      if (card) models.set(card.name, { card, graph: graphPath(card, file, folders.cache) });
    }
  }
  return [...models.values()].sort((a, b) => a.card.name.localeCompare(b.card.name));
}

async function jsonFiles(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, recursive: true });
    return entries
      .filter((e) => e.isFile() && e.name.endsWith('.json'))
      .map((e) => join(e.parentPath, e.name))
      .sort();
  } catch (error) {
    throw new FoilbankError(
      'FB_FILE_UNREADABLE',
      { file: folder, reason: reasonOf(error) },
      { cause: error },
    );
  }
}

/**
 * The model of a card's name, or of the path of a card file.
 * @throws FoilbankError FB_CARD_UNKNOWN, FB_CARD_UNREADABLE, FB_CARD_INVALID
 */
export async function findAnyModel(folders: ModelFolders, nameOrFile: string, kind?: string): Promise<Model> {
  if (nameOrFile.endsWith('.json')) {
    const card = await readCard(nameOrFile);
    return { card, graph: graphPath(card, nameOrFile, folders.cache) };
  }
  const all = await listModels(folders);
  const found = all.find((m) => m.card.name === nameOrFile);
  if (found) return found;
  const known = all.filter((m) => kind === undefined || m.card.kind === kind).map((m) => m.card.name);
  throw new FoilbankError('FB_CARD_UNKNOWN', { name: nameOrFile, known: known.join(', ') || 'none' });
}

/** As `findAnyModel`, of the wanted kind. @throws FoilbankError FB_CARD_INVALID for a card of another kind, and as there */
export async function findModel<K extends ModelCard['kind']>(
  folders: ModelFolders,
  nameOrFile: string,
  kind: K,
): Promise<Model<CardOf<K>>> {
  const { card, graph } = await findAnyModel(folders, nameOrFile, kind);
  if (card.kind !== kind)
    throw new FoilbankError('FB_CARD_INVALID', {
      card: nameOrFile,
      field: 'kind',
      reason: `is ${card.kind}, ${kind} is needed`,
    });
  return { card: card as CardOf<K>, graph };
}

/** sha256 of a file in lower-case hexadecimal digits, read in a stream. */
async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Whether the graph file is there and is the one that the card describes. @throws FB_MODEL_FILE_MISSING, FB_MODEL_HASH_MISMATCH */
export async function checkModelFile({ card, graph }: Model): Promise<void> {
  try {
    await access(graph);
  } catch (error) {
    throw new FoilbankError('FB_MODEL_FILE_MISSING', { card: card.name, file: graph }, { cause: error });
  }
  const actual = await sha256OfFile(graph);
  if (actual !== card.sha256)
    throw new FoilbankError('FB_MODEL_HASH_MISMATCH', {
      card: card.name,
      file: graph,
      actual,
      expected: card.sha256,
    });
}

/**
 * Opens a model's graph after checking its hash, and holds it against its card.
 * @throws FoilbankError FB_MODEL_FILE_MISSING, FB_MODEL_HASH_MISMATCH, FB_MODEL_LOAD_FAILED, FB_MODEL_GRAPH_MISMATCH
 */
export async function loadModel(host: NetworkHost, model: Model): Promise<Network> {
  await checkModelFile(model);
  const network = await host.load({ name: model.card.name, graph: model.graph });
  checkGraphFits(model.card, network);
  return network;
}
