export {
  type CandidateTable,
  candidateId,
  emptyTable,
  FIRST_DRAWN_SEED,
  isDrawn,
  joinTables,
  keepRows,
  rowOf,
  sliceTable,
} from './candidate.js';
export type { Attempt } from './claim.js';
export { collectGarbage } from './collect.js';
export type { BankDraft } from './draft.js';
export { type KeptEvaluation, keepEvaluation, keptEvaluations } from './evaluations.js';
export { FileStore } from './file-store.js';
export { isBankName } from './layout.js';
export { listBanks, listVersions, showBank, type VersionSummary } from './list.js';
export { facesOf, type Manifest, type ManifestDraft, type ManifestFile } from './manifest.js';
export { type Bank, fileInService, openBank } from './open.js';
export { openStore } from './open-store.js';
export { type Part, PartFolder, type PartRecipe, type SeedRange } from './parts.js';
export { type PublishOptions, publishBank } from './publish.js';
export { publishedBy } from './published-by.js';
export { type Pruned, type PruneOptions, pinVersion, pruneBank, unpinVersion } from './retention.js';
export { rollbackBank } from './rollback.js';
export { S3Store, type S3StoreOptions } from './s3-store.js';
export type { BankStore, Body, Expected, StoredObject } from './store.js';
export { type Verification, verifyBank } from './verify.js';
