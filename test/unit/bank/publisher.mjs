import { FileStore, publishBank } from '../../../dist/src/bank/index.js';

// A process for the crash test to kill: publishes the drafts it is sent, one after the other, and says each version that
// is in service. Plain JavaScript on the compiled sources, because no test runner stands between it and the signal.
process.on('message', async (drafts) => {
  for (const draft of drafts) {
    const { version } = await publishBank(new FileStore(process.argv[2]), 'bank', draft);
    process.send({ version });
  }
  process.disconnect();
});
process.send({ ready: true });
