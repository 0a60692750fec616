import { useId, useState } from 'preact/hooks';
import { signIn } from '../session.js';

/** Asks for an API key. It is sent once, for a session cookie that no script can read, and kept nowhere. */
export function SignIn() {
  const id = useId();
  const [refused, setRefused] = useState('');
  const [busy, setBusy] = useState(false);
  return (
    <form
      class="sign-in"
      onSubmit={async (event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('key') as HTMLInputElement;
        setBusy(true);
        setRefused('');
        const why = await signIn(field.value.trim()).catch(() => 'The server does not answer.');
        setBusy(false);
        if (why === undefined) return;
        setRefused(why);
        field.focus();
      }}
    >
      <h1>Sign in</h1>
      <label for={id}>API key</label>
      <input
        {...{ id, name: 'key', type: 'password', required: true, autocomplete: 'off', spellcheck: false }}
        aria-describedby={`${id}-why`}
        aria-invalid={refused ? true : undefined}
      />
      <button type="submit" aria-busy={busy} disabled={busy}>
        Sign in
      </button>
      <p id={`${id}-why`} role="alert">
        {refused}
      </p>
      <p class="quiet">
        <code>foilbank keys create --name me --scopes read,score</code> makes one. It is kept neither in the
        address nor in this browser's storage.
      </p>
    </form>
  );
}
