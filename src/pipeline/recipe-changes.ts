import type { Manifest } from '../bank/index.js';
import type { BuildOptions } from './build-options.js';

export interface Fresh {
  readonly inputs: Manifest['inputs'];
  readonly options: Pick<BuildOptions, 'size' | 'neighbours' | 'operator' | 'lambda'>;
}

/**
 * What a new version shares with the one in service, so that its figures must be alike. Another network by another name was
 * asked for. One that changed under its name was not, and is held to the old one's figures.
 */
export interface RecipeChanges {
  /** Generator, truncation, detector and its threshold. */
  readonly sameDetection: boolean;
  readonly sameEmbedder: boolean;
  /** Both of these, and the ceiling of near-duplicates. */
  readonly sameFaces: boolean;
  /** Faces, their number, and K: r and σ hang on each. */
  readonly sameSupport: boolean;
  /** What was changed and what follows. */
  readonly sentences: readonly string[];
}

type Network = Manifest['inputs']['detector'];
type Change = readonly [what: string, changed: boolean];

export function changesSince(service: Manifest, { inputs, options }: Fresh): RecipeChanges {
  const old = service.inputs;
  const detection: Change[] = [
    ['generator', old.generator.name !== inputs.generator.name],
    ['psi', old.psi !== inputs.psi],
    ['detector', old.detector?.name !== inputs.detector?.name],
    ['minimum score', old.gates.minimumScore !== inputs.gates.minimumScore],
  ];
  const embedder: Change[] = [
    ['embedder', old.embedder.name !== inputs.embedder.name],
    // Cannot be compared, whatever the networks are called.
    ['embedding length', old.embedder.dimension !== inputs.embedder.dimension],
  ];
  const duplicates: Change[] = [
    ['duplicate ceiling', old.gates.duplicateCeiling !== inputs.gates.duplicateCeiling],
  ];
  const support: Change[] = [
    ['size', service.counts.accepted !== options.size],
    ['K', service.parameters.neighbours !== options.neighbours],
  ];
  const [sameDetection, sameEmbedder] = [none(detection), none(embedder)];
  const sameFaces = sameDetection && sameEmbedder && none(duplicates);
  const asked = namesOf([...detection, ...embedder, ...duplicates, ...support]);
  const silent = namesOf([
    ['generator', isOther(old.generator, inputs.generator)],
    ['detector', isOther(old.detector, inputs.detector)],
    ['embedder', isOther(old.embedder, inputs.embedder)],
  ]);
  const since = `since version ${service.version}`;
  return {
    ...{ sameDetection, sameEmbedder, sameFaces, sameSupport: sameFaces && none(support) },
    sentences: [
      ...(asked.length > 0
        ? [
            `changed ${since}: ${asked.join(', ')}; figures that hang on it are ${sameEmbedder ? 'recorded, not held against it' : 'not comparable'}`,
          ]
        : []),
      ...(silent.length > 0
        ? [`changed ${since} under the same name: ${silent.join(', ')}; held to its figures all the same`]
        : []),
    ],
  };
}

const none = (changes: readonly Change[]): boolean => changes.every(([, changed]) => !changed);
const namesOf = (changes: readonly Change[]): string[] =>
  changes.flatMap(([what, changed]) => (changed ? [what] : []));

const isOther = (old: Network, now: Network): boolean =>
  old?.name === now?.name && old?.cardSha256 !== now?.cardSha256;
