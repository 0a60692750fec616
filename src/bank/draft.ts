import { FoilbankError } from '../errors.js';
import { type CandidateTable, faultOfTable } from './candidate.js';
import { versionName } from './layout.js';
import { type ManifestDraft, manifestFault } from './manifest.js';

/** What a version shall hold. */
export interface BankDraft extends ManifestDraft {
  readonly candidates: CandidateTable;
  /** Further files by path within the version (index.hnsw, preview.png): their bytes, or where this machine has them. */
  readonly files?: Readonly<Record<string, Uint8Array | { readonly localFile: string }>>;
}

/** @throws FoilbankError FB_BANK_DRAFT_INVALID when a version of it could not be read again */
export async function checkDraft(bank: string, draft: BankDraft): Promise<void> {
  const invalid = (field: string, reason: string) =>
    new FoilbankError('FB_BANK_DRAFT_INVALID', { bank, field, reason });
  const { candidates, files = {}, inputs, counts, parameters, gateResults } = draft;
  const rows = candidates.seeds.length;
  if (rows !== counts.accepted)
    throw invalid('counts.accepted', `${counts.accepted}, but ${rows} candidates`);
  if (candidates.dimension !== inputs.embedder.dimension)
    throw invalid('inputs.embedder.dimension', `embeddings have length ${candidates.dimension}`);
  const tableFault = await faultOfTable(candidates);
  if (tableFault) throw invalid('candidates', tableFault);
  for (const path of Object.keys(files))
    if (path === 'manifest.json' || path.startsWith('candidates/'))
      throw invalid('files', `${path} is written here`);
  const paths = ['candidates/0.arrow', ...Object.keys(files)].sort();
  // Everything the manifest will say is checked before a byte is written; what is not yet known is stood in for.
  const unknown = { bytes: 0, sha256: '0'.repeat(64) };
  const fault = manifestFault({
    format: 'foilbank.bank/1',
    ...{
      bank,
      version: versionName(1),
      createdAt: new Date(0).toISOString(),
      inputs,
      counts,
      parameters,
      gateResults,
    },
    files: paths.map((path) => ({ path, ...unknown })),
  });
  if (fault) throw invalid(fault.field, fault.reason);
}
