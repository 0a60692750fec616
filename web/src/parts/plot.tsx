import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';

/** A chart as wide as there is room, drawn anew when the colours change. Words or a table beside it tell the same. */
export function Plot({
  load,
  height = 160,
}: {
  /** Fetches what draws; a new function draws anew. */
  load: () => Promise<(element: HTMLElement) => uPlot>;
  height?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let chart: uPlot | undefined;
    let turn = 0;
    const draw = async () => {
      turn += 1;
      const mine = turn;
      const make = await load();
      if (mine !== turn) return;
      chart?.destroy();
      chart = make(element);
    };
    void draw();
    const resized = new ResizeObserver(() => chart?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      turn += 1;
      resized.disconnect();
      dark.removeEventListener('change', draw);
      chart?.destroy();
    };
  }, [load, height]);
  return <div ref={box} class="plot" style={{ height: `${height}px` }} aria-hidden="true" />;
}
