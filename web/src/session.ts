import { signal } from '@preact/signals';

export type Scope = 'read' | 'score' | 'admin';

/** `unknown` until the server was asked. The key itself is kept nowhere: the session is an HttpOnly cookie. */
export type Session =
  | { readonly state: 'unknown' | 'out' }
  | { readonly state: 'in'; readonly scopes: readonly Scope[]; readonly open: boolean };

export const session = signal<Session>({ state: 'unknown' });

const ADDRESS = `${import.meta.env.BASE_URL}session`;

interface Answer {
  readonly scopes: readonly Scope[];
  /** The server asks nobody for a key. */
  readonly open: boolean;
}

export const may = (scope: Scope): boolean =>
  session.value.state === 'in' && session.value.scopes.includes(scope);

export async function resume(): Promise<void> {
  const answer = await fetch(ADDRESS, { headers: { accept: 'application/json' } });
  session.value = answer.ok ? { state: 'in', ...((await answer.json()) as Answer) } : { state: 'out' };
}

/** @returns why the key was refused, if it was */
export async function signIn(key: string): Promise<string | undefined> {
  const answer = await fetch(ADDRESS, { method: 'POST', headers: { authorization: `Bearer ${key}` } });
  if (!answer.ok) {
    const { message } = (await answer.json().catch(() => ({}))) as { message?: string };
    return message ?? `The server answered ${answer.status}.`;
  }
  await resume();
  return undefined;
}

export async function signOut(): Promise<void> {
  await fetch(ADDRESS, { method: 'DELETE' });
  session.value = { state: 'out' };
}
