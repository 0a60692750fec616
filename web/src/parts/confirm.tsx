import { useId, useLayoutEffect, useRef } from 'preact/hooks';

/** A question before something that others notice. Escape says no. */
export function Confirm({
  question,
  explanation,
  action,
  onDone,
}: {
  question: string;
  explanation: string;
  action: string;
  onDone: (yes: boolean) => void;
}) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={() => onDone(false)}>
      <article>
        <h2 id={id}>{question}</h2>
        <p>{explanation}</p>
        <footer>
          <button type="button" class="secondary" onClick={() => onDone(false)}>
            No
          </button>
          <button type="button" onClick={() => onDone(true)}>
            {action}
          </button>
        </footer>
      </article>
    </dialog>
  );
}
