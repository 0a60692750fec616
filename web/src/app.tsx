import { useEffect, useRef } from 'preact/hooks';
import { Route, Router, Switch } from 'wouter-preact';
import { useHashLocation } from 'wouter-preact/use-hash-location';
import { banks, chosenBank, currentBank } from './banks.js';
import { loadBanks } from './load-banks.js';
import { BankPage } from './pages/bank.js';
import { Compare } from './pages/compare.js';
import { Explorer } from './pages/explorer.js';
import { Jobs } from './pages/jobs.js';
import { ProblemNote } from './parts/problem-note.js';
import { SignIn } from './parts/sign-in.js';
import { resume, session, signOut } from './session.js';
import { useTask } from './use-task.js';

const PAGES = [
  { path: '/', name: 'Explorer', page: Explorer },
  { path: '/compare', name: 'Compare', page: Compare },
  { path: '/bank', name: 'Bank', page: BankPage },
  { path: '/jobs', name: 'Jobs', page: Jobs },
] as const;

export function App() {
  const { state } = session.value;
  const asked = useTask(state === 'unknown' ? () => resume() : undefined, [state]);
  const loaded = useTask(state === 'in' ? () => loadBanks() : undefined, [state]);
  return (
    <Router hook={useHashLocation}>
      <button type="button" class="skip" onClick={toContent}>
        To the content
      </button>
      <Header />
      <main id="content" class="container" tabIndex={-1}>
        <ProblemNote
          problem={asked.problem ?? loaded.problem}
          again={asked.problem ? asked.again : loaded.again}
        />
        {state === 'out' && <SignIn />}
        {state === 'in' && !loaded.busy && !loaded.problem && <Pages />}
        {(state === 'unknown' || loaded.busy) && !asked.problem && <p aria-busy="true">Loading…</p>}
      </main>
    </Router>
  );
}

/** No link: the address keeps its own hash. */
function toContent(): void {
  document.getElementById('content')?.focus();
}

function Pages() {
  const [path] = useHashLocation();
  const first = useRef(true);
  const title = PAGES.find((p) => p.path === path)?.name ?? 'Not found';
  useEffect(() => {
    document.title = `${title} · Foilbank studio`;
    // Whoever listens hears the new page from its start.
    if (!first.current) document.getElementById('content')?.focus();
    first.current = false;
  }, [title]);
  return (
    <Switch>
      {PAGES.map(({ path: at, page }) => (
        <Route key={at} path={at} component={page} />
      ))}
      <Route>
        <h1>No such page</h1>
        <p>
          <a href="#/">To the explorer</a>
        </p>
      </Route>
    </Switch>
  );
}

function Header() {
  const [path] = useHashLocation();
  const current = session.value;
  return (
    <header class="container">
      <nav aria-label="Pages">
        <a class="brand" href="#/">
          <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width={28} height={28} />
          Foilbank
        </a>
        {current.state === 'in' && (
          <ul>
            {PAGES.map(({ path: at, name }) => (
              <li key={at}>
                <a href={`#${at}`} aria-current={path === at ? 'page' : undefined}>
                  {name}
                </a>
              </li>
            ))}
          </ul>
        )}
      </nav>
      {current.state === 'in' && (
        <div class="aside">
          {banks.value.length > 1 && (
            <label>
              Bank{' '}
              <select
                value={currentBank()?.name}
                onChange={({ currentTarget }) => (chosenBank.value = currentTarget.value)}
              >
                {banks.value.map(({ name }) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
          )}
          {!current.open && (
            <button type="button" class="small secondary" onClick={() => void signOut()}>
              Sign out
            </button>
          )}
        </div>
      )}
    </header>
  );
}
