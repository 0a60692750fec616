import type { Bank } from '../../../src/gen/index.js';

export function NoBank({ bank }: { bank: Bank | undefined }) {
  return (
    <>
      <h1>No bank serves yet</h1>
      {bank?.notes.map((text) => (
        <p class="note" key={text}>
          {text}
        </p>
      ))}
      <p>
        Build one with{' '}
        <code>foilbank bank build{bank && bank.name !== 'default' ? ` ${bank.name}` : ''} --size 20000</code>{' '}
        and the server takes it up by itself.
      </p>
    </>
  );
}
