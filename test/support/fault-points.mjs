// Loaded into a worker process before anything else (`node --import`). Told where by its parent, it ends the process with
// SIGKILL at exactly that call of the file system, or moves the process's clock. Nothing is imitated: the call before it was
// made, the file half written lies on the disk.
import { closeSync, openSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

/** @type {{ pattern: RegExp, nth: number, counters: string } | undefined} */
let point;

/** Counts over all processes that share the folder: each number is taken by whoever makes its file. */
function strikes(call) {
  if (!point?.pattern.test(call)) return false;
  for (let n = 1; n <= point.nth; n++) {
    try {
      closeSync(openSync(join(point.counters, String(n)), 'wx'));
      return n === point.nth;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
  return false;
}

const die = () => {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
};

if (isMainThread && process.channel) {
  const { open, link, rename, unlink } = fs;
  fs.open = async (path, flags, ...more) => {
    const file = await open(path, flags, ...more);
    if (flags !== 'wx') return file;
    const { writeFile } = file;
    file.writeFile = async (bytes, ...rest) => {
      if (!strikes(`write ${path}`)) return writeFile.call(file, bytes, ...rest);
      await file.write(bytes.subarray(0, bytes.length >> 1));
      return die();
    };
    return file;
  };
  for (const [name, call] of Object.entries({ link, rename, unlink }))
    fs[name] = async (...paths) => {
      if (strikes(`before ${name} ${paths.at(-1)}`)) return die();
      await call(...paths);
      if (strikes(`after ${name} ${paths.at(-1)}`)) return die();
    };
  syncBuiltinESMExports();

  const TrueDate = Date;
  let shift = Number(process.env.FAULT_CLOCK ?? 0);
  globalThis.Date = class extends TrueDate {
    constructor(...given) {
      if (given.length > 0) super(...given);
      else super(TrueDate.now() + shift);
    }
    static now() {
      return TrueDate.now() + shift;
    }
  };
  process.on('message', (order) => {
    if (order.clock !== undefined) shift = order.clock;
    if (order.point !== undefined) point = { ...order.point, pattern: new RegExp(order.point.pattern) };
    process.send({ done: order.number });
  });
  // A test process that was killed leaves no worker behind.
  process.on('disconnect', die);
  process.channel.unref();
}
