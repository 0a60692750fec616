import { useEffect, useId, useState } from 'preact/hooks';
import { gallery } from '../api.js';
import { count } from '../format.js';
import { useTask } from '../use-task.js';
import { Foils } from './foils.js';
import { ProblemNote } from './problem-note.js';

const PAGE = 200;

/** Every candidate of a version, a page at a time. */
export function ContactSheet({ bank, version, total }: { bank: string; version: string; total: number }) {
  const id = useId();
  const [page, setPage] = useState(0);
  useEffect(() => setPage(0), [bank, version]);
  const pages = Math.max(1, Math.ceil(total / PAGE));
  const listed = useTask(
    version
      ? (signal) => gallery.listCandidates({ bank, version, offset: page * PAGE, limit: PAGE }, { signal })
      : undefined,
    [bank, version, page],
  );
  return (
    <section aria-busy={listed.busy}>
      <h3>Every candidate</h3>
      <nav class="pager" aria-label="Pages of candidates">
        <button type="button" class="small secondary" disabled={page === 0} onClick={() => setPage(page - 1)}>
          Previous
        </button>
        <label for={id}>
          Page
          <input
            {...{ id, type: 'number', min: 1, max: pages, value: page + 1 }}
            onChange={({ currentTarget }) => {
              const wanted = Math.trunc(currentTarget.valueAsNumber || 1);
              const shown = Math.min(pages, Math.max(1, wanted));
              // What stood there was no page; where the page stays the same, nothing else puts it right.
              currentTarget.value = String(shown);
              setPage(shown - 1);
            }}
          />
          of {count(pages)}
        </label>
        <button
          type="button"
          class="small secondary"
          disabled={page >= pages - 1}
          onClick={() => setPage(page + 1)}
        >
          Next
        </button>
      </nav>
      <ProblemNote problem={listed.problem} again={listed.again} />
      <Foils
        bank={bank}
        version={version}
        of={listed.value?.candidates ?? []}
        label={`Candidates, page ${page + 1} of ${pages}`}
      />
    </section>
  );
}
