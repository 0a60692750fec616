import type { ComponentChildren } from 'preact';

/** What may be wider than a narrow window: it scrolls by itself, by keyboard too. */
export function Wide({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no pointer scrolls it by the arrow keys
    <section class="wide" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
