import { setTimeout as sleep } from 'node:timers/promises';
import { somewhere } from './fault-harms.js';
import { between, type Harm } from './fault-rounds.js';
import type { S3Server } from './s3-server.js';

/** Harms to a refresh in a bucket of this server, which is known once it runs. */
export function bucketHarms(server: () => S3Server): Readonly<Record<string, Harm>> {
  const atRequest: Harm = async (lane, _id, { random }) => {
    const nth = between(random, 1, 22);
    let [count, line] = [0, ''];
    await new Promise<void>((struck) => {
      server().disturb = (request) => {
        if (!/^(PUT|DELETE|POST)/.test(request) || ++count !== nth) return undefined;
        line = request.replace(/^(\S+) .*\/blobs\//, '$1 …/').replace(/\?.*/, '');
        struck();
        return 'hang';
      };
    });
    server().disturb = () => undefined;
    await Promise.all(lane.workers.map((w) => w.kill()));
    await lane.fillWorkers();
    return { point: `both workers at writing request ${nth}: ${line}` };
  };
  const bucketAway: Harm = async (lane, id, { random }, reader) => {
    const away = between(random, 500, 2500);
    const point = await somewhere(lane, id, random);
    reader.storeAway = true;
    const how = random() < 0.5 ? ('drop' as const) : { refuse: 503 };
    server().disturb = () => how;
    await sleep(away);
    server().disturb = () => undefined;
    await sleep(300);
    reader.storeAway = false;
    return { point: `${how === 'drop' ? 'no connection' : '503'}, ${point}; for ${away} ms` };
  };
  return {
    'S3: workers SIGKILLed at a request': atRequest,
    'S3: store unreachable': bucketAway,
  };
}
