import { execFileSync } from 'node:child_process';

/** Worker threads run compiled JavaScript, so the suite compiles first (types are checked by `make lint`). */
export function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build:fast'], { stdio: 'inherit' });
}
