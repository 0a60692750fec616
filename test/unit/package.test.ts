import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  exports: Record<string, unknown>;
};
const doors = Object.keys(manifest.exports).filter((door) => door !== './package.json');

describe('the package', () => {
  it.each(doors)('can be imported as %s, with something inside', (door) => {
    const specifier = door.replace(/^\./, 'foilbank');
    const script = `import(${JSON.stringify(specifier)}).then((m) => console.log(Object.keys(m).length))`;
    const names = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(Number(names)).toBeGreaterThan(0);
  });

  it('exports a door for every public room', () => {
    const rooms = [
      'vectors',
      'scoring',
      'onnx',
      'faces',
      'synthesis',
      'neighbours',
      'bank',
      'discrepancy',
      'pipeline',
    ];
    expect(doors).toEqual(['.', ...rooms.map((room) => `./${room}`), './client']);
  });
});
