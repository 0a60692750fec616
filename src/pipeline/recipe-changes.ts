import type { Manifest } from '../bank/index.js';
import type { BuildOptions } from './build-options.js';

export interface Fresh {
  readonly inputs: Manifest['inputs'];
  readonly options: Pick<BuildOptions, 'size' | 'neighbours' | 'operator' | 'lambda'>;
}

/** What a new version shares with the one in service, so that its figures must be alike. */
export interface RecipeChanges {
  /** Generator, truncation, detector and its threshold. */
  readonly sameDetection: boolean;
  readonly sameEmbedder: boolean;
  /** Both of these, and the ceiling of near-duplicates. */
  readonly sameFaces: boolean;
  /** Faces, and the share K/size of them that makes up a support set, and its ceiling. */
  readonly sameSupport: boolean;
  /** What was changed and what follows, undefined where nothing was. */
  readonly sentence: string | undefined;
}

/** Rounding of K to a whole number must not count as a change: K/size may differ by so much of itself. */
const SAME_SHARE = 0.02;

export function changesSince(service: Manifest, { inputs, options }: Fresh): RecipeChanges {
  const old = service.inputs;
  const share = service.parameters.neighbours / service.counts.accepted;
  const shares = Math.abs(options.neighbours / options.size / share - 1);
  const detection = [
    ['generator', old.generator.cardSha256 !== inputs.generator.cardSha256],
    ['psi', old.psi !== inputs.psi],
    ['detector', old.detector?.cardSha256 !== inputs.detector?.cardSha256],
    ['minimum score', old.gates.minimumScore !== inputs.gates.minimumScore],
  ] as const;
  const embedder = [['embedder', old.embedder.cardSha256 !== inputs.embedder.cardSha256]] as const;
  const duplicates = [
    ['duplicate ceiling', old.gates.duplicateCeiling !== inputs.gates.duplicateCeiling],
  ] as const;
  const support = [['K as a share of the size', shares > SAME_SHARE]] as const;
  const changed = [...detection, ...embedder, ...duplicates, ...support].flatMap(([name, is]) =>
    is ? [name] : [],
  );
  const none = (list: readonly (readonly [string, boolean])[]) => list.every(([, is]) => !is);
  const sameDetection = none(detection);
  const sameEmbedder = none(embedder);
  const sameFaces = sameDetection && sameEmbedder && none(duplicates);
  return {
    ...{ sameDetection, sameEmbedder, sameFaces },
    sameSupport: sameFaces && none(support),
    sentence:
      changed.length === 0
        ? undefined
        : `changed since version ${service.version}: ${changed.join(', ')}; figures that hang on it are ${sameEmbedder ? 'recorded, not held against it' : 'not comparable'}`,
  };
}
