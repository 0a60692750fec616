import { openStore } from '../../dist/src/bank/index.js';

// A process of its own, for its memory to be measured: writes an object of so many megabytes and reads it back.
const [location, megabytes] = process.argv.slice(2);
const store = openStore(location);
await store.write('warm', Buffer.from('up'));
const before = process.memoryUsage().rss;
let peak = before;
const timer = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 5);
async function* body() {
  for (let i = 0; i < Number(megabytes); i++) yield Buffer.alloc(1 << 20, i);
}
await store.write('big', body());
let read = 0;
for await (const chunk of await store.read('big')) read += chunk.byteLength;
clearInterval(timer);
process.stdout.write(JSON.stringify({ peakMb: (peak - before) / 2 ** 20, readMb: read / 2 ** 20 }));
