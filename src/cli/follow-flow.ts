import { type FlowStatus, type FlowView, GENERATE, PUBLISH, type Queues, watchFlow } from '../jobs/index.js';
import { printJson, say, warn } from './context.js';
import { progressView } from './progress.js';
import { Reported } from './reported.js';

/**
 * Shows how far a flow is until it ends; one that failed or was cancelled ends with exit code 1. Ctrl-C stops showing, not
 * the flow. A Redis that goes away is waited for.
 *
 * @throws FoilbankError FB_JOB_NOT_FOUND, and what Redis throws
 */
export async function followFlow(
  queues: Queues,
  id: string,
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  const view = progressView('faces', 'seeds', json);
  let last: FlowView | undefined;
  const onRedis = (state: 'away' | 'back', seconds: number) => {
    view.stop();
    if (json) printJson({ event: 'redis', state, ...(state === 'away' ? { waiting: seconds } : {}) });
    else if (state === 'back') say('Redis answers again');
    else warn(`Redis does not answer; the refresh is not lost. Waiting for up to ${seconds} s`);
  };
  try {
    for await (const now of watchFlow(queues, id, signal, { onRedis })) {
      if (now.status === 'generating' && now.seeds.total > 0)
        view.update(now.progress, `${now.chunks.done}/${now.chunks.total} chunks${failedNote(now)}`);
      else if (now.status !== last?.status || now.step !== last?.step) {
        view.stop();
        if (json) printJson({ event: 'status', ...now });
        else say(describe(now));
      }
      if (now.status !== last?.status) await hint(queues, now.status, json);
      last = now;
    }
  } finally {
    view.stop();
  }
  if (last?.status === 'failed' || last?.status === 'cancelled') throw new Reported(1);
}

/** Whose turn it is. */
const SERVED_BY: Partial<Record<FlowStatus, typeof GENERATE | typeof PUBLISH>> = {
  waiting: PUBLISH,
  cancelling: PUBLISH,
  generating: GENERATE,
};

/** A flow that nobody works on would be watched for ever in silence. */
async function hint(queues: Queues, status: FlowStatus, json: boolean): Promise<void> {
  const queue = SERVED_BY[status];
  if (!queue || (await queues.isServed(queue))) return;
  const sentence = `nobody takes jobs of queue ${queue} now; \`foilbank worker\` does`;
  if (json) printJson({ event: 'warning', sentence });
  else warn(sentence);
}

const failedNote = ({ chunks }: FlowView): string => (chunks.failed > 0 ? `, ${chunks.failed} failed` : '');

function describe({ id, status, step, reason, version }: FlowView): string {
  const more = { assembling: step, retrying: reason, failed: reason, done: version && `version ${version}` };
  const note = more[status as keyof typeof more];
  return `${id}: ${status}${note ? ` · ${note}` : ''}`;
}
