import { facesOf, type Manifest } from '../bank/index.js';
import { table } from './table.js';

/** What a person wants to know of a version at a glance. */
export function describeBank(manifest: Manifest): string {
  const { bank, version, createdAt, inputs, counts, parameters, gateResults, files } = manifest;
  const megabytes = files.reduce((sum, f) => sum + f.bytes, 0) / 1e6;
  const rejected = Object.entries(counts.rejected).map(([reason, n]) => `${n} ${reason}`);
  return table(
    ['bank', `${bank} version ${version}`],
    [
      ['created', createdAt],
      [
        'candidates',
        `${facesOf(counts)} of ${counts.generated} seeds from ${inputs.seeds.first} (${rejected.join(', ')})`,
      ],
      ['generator', `${inputs.generator.name} (${inputs.generator.licence}), psi ${inputs.psi}`],
      ['embedder', `${inputs.embedder.name} (${inputs.embedder.licence}), d ${inputs.embedder.dimension}`],
      ['same-person ceiling', String(inputs.embedder.samePersonCeiling)],
      ['operator', `${parameters.operator}, K ${parameters.neighbours}, λ ${parameters.lambda}`],
      ...(parameters.typical
        ? [
            [
              'typical r ± σ',
              [parameters.typical.r, parameters.typical.sigma].map((x) => x.toFixed(4)).join(' ± '),
            ],
          ]
        : []),
      [
        'engine',
        [parameters.engine, ...Object.entries(parameters.index).map(([k, v]) => `${k} ${v}`)].join(', '),
      ],
      ...(counts.drawn ? [['drawn', `${counts.drawn} candidates without a picture`]] : []),
      ['calibration', calibrationOf(parameters.calibration)],
      ...thresholdsOf(parameters.calibration),
      ...(parameters.tuning ? [['tuned by photos', parameters.tuning.reason]] : []),
      ...learnedOf(parameters.learned),
      ...gateResults.map((g) => [
        `gate ${g.gate}`,
        `${g.value.toPrecision(3)} (limit ${g.limit}) ${g.passed ? 'passed' : 'FAILED'}`,
      ]),
      ['files', `${files.length}, ${megabytes.toFixed(1)} MB`],
    ],
  );
}

function calibrationOf(calibration: Manifest['parameters']['calibration']): string {
  if (calibration.kind === 'none') return 'none';
  const { kind, components, samples, reason } = calibration;
  return `${kind}${components > 0 ? ` of ${components} components` : ''} from ${samples} embeddings (${reason})`;
}

function learnedOf(learned: Manifest['parameters']['learned']): string[][] {
  if (!learned) return [];
  const { estimator, neighbours, lessons, hidden, errorOfR, errorOfLogSigma } = learned;
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  return [
    [
      'learned',
      `${estimator} for K ${neighbours}, layers of ${hidden.join(' and ')}, from ${lessons} queries; held-out error of r ${percent(errorOfR)}, of log σ ${percent(errorOfLogSigma)} of their spread`,
    ],
  ];
}

function thresholdsOf(calibration: Manifest['parameters']['calibration']): string[][] {
  if (calibration.kind === 'none') return [];
  return calibration.thresholds.map(({ falseMatchRate, threshold }) => [
    `threshold at FMR ${falseMatchRate.toExponential(0)}`,
    `${threshold.toFixed(3)} (by virtual impostors: real ones may pass about twice as often)`,
  ]);
}
