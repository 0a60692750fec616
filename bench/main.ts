import { benchBuild } from './build.js';
import { benchEvaluate } from './evaluate.js';
import { run as benchFramings } from './framings.js';
import { benchGates } from './gates.js';
import { benchIndex } from './index.js';
import { benchLearned } from './learned.js';
import { run as benchPhotos } from './photos.js';
import { benchQueue } from './queue.js';
import { benchService } from './service.js';
import { benchStrong } from './strong.js';
import { benchStudio } from './studio.js';

/** `npm run bench -- NAME [options]`: one benchmark with its options; without a name all of them. */
const benches: Readonly<Record<string, (args: readonly string[]) => Promise<unknown>>> = {
  build: benchBuild,
  photos: benchPhotos,
  index: benchIndex,
  framings: benchFramings,
  queue: benchQueue,
  gates: benchGates,
  evaluate: benchEvaluate,
  learned: benchLearned,
  service: benchService,
  strong: benchStrong,
  studio: benchStudio,
};

const [name, ...args] = process.argv.slice(2);
if (name === undefined) {
  for (const [each, bench] of Object.entries(benches)) {
    console.log(`\n── ${each}`);
    await bench([]);
  }
} else {
  const bench = benches[name];
  if (!bench) {
    console.error(`no benchmark is named ${name}; there are ${Object.keys(benches).join(', ')}`);
    process.exit(2);
  }
  await bench(args);
}
