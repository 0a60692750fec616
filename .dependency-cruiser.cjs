// The rooms of src/ and which of them each may import (docs/architecture.md). Imports go one way, and only
// through a room's index.ts.
const rooms = {
  vectors: [],
  scoring: ['vectors'],
  onnx: [],
  neighbours: ['vectors', 'onnx'],
  bank: ['vectors', 'onnx', 'neighbours'],
  discrepancy: ['vectors', 'scoring', 'onnx', 'neighbours', 'bank'],
  faces: ['vectors', 'onnx'],
  synthesis: ['vectors', 'onnx'],
  evaluation: ['vectors', 'scoring', 'onnx', 'neighbours', 'bank', 'discrepancy', 'faces', 'synthesis'],
};
rooms.pipeline = Object.keys(rooms);
rooms.jobs = [...rooms.pipeline, 'pipeline'];
rooms.service = [...rooms.jobs, 'jobs', 'gen'];
rooms.gen = [];
rooms.cli = [...rooms.service, 'service'];

const forbidden = Object.entries(rooms).map(([room, allowed]) => ({
  name: `direction-of-${room}`,
  comment: `${room}/ may import only: ${allowed.join(', ') || 'no other room'}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/[^/]+/', pathNot: `^src/(${[room, ...allowed].join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...forbidden,
    {
      name: 'one-door',
      comment: 'another room is entered through its index.ts',
      severity: 'error',
      from: { path: '^(src/([^/]+)/|workers/|bench/)' },
      to: { path: '^src/([^/]+)/', pathNot: ['^src/$2/', '^src/[^/]+/index\\.ts$'] },
    },
    {
      name: 'studio-knows-only-the-contract',
      comment:
        'the studio talks to the service as any other client does; the formulas of scores are numbers alone',
      severity: 'error',
      from: { path: '^web/' },
      to: {
        path: '^(src|workers|bench)/',
        pathNot: '^src/(gen/|scoring/(formulas|discrepancy-stats)\\.ts$)',
      },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'foundation-knows-no-room',
      severity: 'error',
      from: { path: '^src/(checks|errors|config|files|log|stop-signal|thread-entry)\\.ts$' },
      to: { path: '^src/[^/]+/' },
    },
    {
      name: 'pure-rooms-do-no-io',
      severity: 'error',
      from: { path: '^src/(vectors|scoring)/' },
      // ml-matrix is arithmetic.
      to: { dependencyTypes: ['core', 'npm'], pathNot: 'node_modules/ml-matrix/' },
    },
    {
      name: 'one-owner-per-foreign-library',
      severity: 'error',
      from: { pathNot: '^(src/onnx/|bench/|test/)' },
      to: { path: 'node_modules/onnxruntime-' },
    },
    {
      name: 'hnswlib-lives-in-neighbours',
      severity: 'error',
      from: { pathNot: '^(src/neighbours/|bench/|test/)' },
      to: { path: 'node_modules/hnswlib-node' },
    },
    {
      name: 'arrow-lives-in-bank',
      severity: 'error',
      from: { pathNot: '^(src/bank/|bench/|test/)' },
      to: { path: 'node_modules/apache-arrow' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
  },
};
