import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { tied } from './tied.js';

/** Starts a redis-server as docs/operations.md wants it, on a free port. It does not outlive this process. */
export async function startRedis(folder: string): Promise<{ url: string; kill(): void }> {
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
  const place = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder];
  const settings = ['--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
  const server = tied(
    spawn('redis-server', [...place, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    server.stdout.on('data', (text: Buffer) => text.includes('Ready to accept') && resolve());
  });
  return { url: `redis://127.0.0.1:${port}`, kill: () => void server.kill('SIGKILL') };
}
