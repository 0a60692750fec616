import { execFileSync } from 'node:child_process';

/** Worker threads and the command line run compiled JavaScript, so the suite compiles first (`make lint` checks the types). */
export function setup(): void {
  // What the contract imports, for clients that read the .proto files.
  execFileSync('node', ['scripts/proto-imports.mjs'], { stdio: 'inherit' });
  for (const script of ['build:fast', 'build:web'])
    execFileSync('npm', ['run', '--silent', script], { stdio: 'inherit' });
  execFileSync('node', ['dist/src/cli/main.js', 'models', 'prepare'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}
