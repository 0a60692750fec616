import { useEffect, useState } from 'preact/hooks';
import type { Bank, GetVersionResponse, Version } from '../../src/gen/index.js';
import { gallery } from './api.js';
import { currentBank } from './banks.js';
import type { LookupChoice } from './parts/lookup-controls.js';
import { useTask } from './use-task.js';

/** The chosen bank with its versions, the lookup settings of a page, and the statistics of the version that they name. */
export function useBank(): {
  bank: Bank | undefined;
  versions: readonly Version[];
  choice: LookupChoice;
  setChoice: (c: LookupChoice) => void;
  facts: GetVersionResponse | undefined;
  problem: ReturnType<typeof useTask>['problem'];
} {
  const bank = currentBank();
  const [choice, setChoice] = useState<LookupChoice>({ k: bank?.k || 16, estimator: 'virtual', version: '' });
  useEffect(() => {
    if (bank?.k) setChoice({ k: bank.k, estimator: 'virtual', version: '' });
  }, [bank?.name, bank?.k, bank?.estimators.length]);
  const name = bank?.version ? bank.name : undefined;
  const versions = useTask(name ? (signal) => gallery.listVersions({ bank: name }, { signal }) : undefined, [
    ...[name, bank?.version],
  ]);
  const facts = useTask(
    name ? (signal) => gallery.getVersion({ bank: name, version: choice.version }, { signal }) : undefined,
    [name, bank?.version, choice.version],
  );
  return {
    ...{ bank, versions: versions.value?.versions ?? [], choice, setChoice, facts: facts.value },
    problem: versions.problem ?? facts.problem,
  };
}
