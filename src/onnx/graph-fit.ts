import { FoilbankError } from '../errors.js';
import type { ModelCard } from './card.js';
import type { Network } from './network.js';
import type { ValueInfo } from './tensor.js';

interface Expected {
  /** The card's field that says so. */
  readonly field: string;
  readonly name: string;
  /** 'n' is the batch; undefined where the card says nothing about the shape. */
  readonly shape?: readonly (number | 'n')[];
}

/** Inputs and outputs that a graph must have to be what its card says. */
function expectations(card: ModelCard): { inputs: Expected[]; outputs: Expected[] } {
  if (card.kind === 'generator') {
    const { width, height } = card.image;
    const fixed = Object.entries(card.fixedInputs).map(([name, input]): Expected => {
      const length = input.values.length;
      return {
        field: `fixedInputs.${name}`,
        name,
        ...(input.perSample ? { shape: ['n', length] as const } : {}),
      };
    });
    return {
      inputs: [
        { field: 'inputs.z', name: card.inputs.z, shape: ['n', card.zDim] },
        ...(card.inputs.psi ? [{ field: 'inputs.psi', name: card.inputs.psi }] : []),
        ...fixed,
      ],
      outputs: [{ field: 'output', name: card.output, shape: ['n', 3, height, width] }],
    };
  }
  const { name, layout, width, height } = card.input;
  const shape = layout === 'NCHW' ? (['n', 3, height, width] as const) : (['n', height, width, 3] as const);
  const inputs: Expected[] = [{ field: 'input', name, shape }];
  switch (card.kind) {
    case 'embedder':
      return {
        inputs,
        outputs: [{ field: 'output', name: card.output.name, shape: ['n', card.output.dimension] }],
      };
    case 'landmarks':
      return { inputs, outputs: [{ field: 'output', name: card.output }] };
    case 'detector':
      return {
        inputs,
        outputs: Object.entries(card.outputs).map(([key, output]) => ({
          field: `outputs.${key}`,
          name: output,
        })),
      };
  }
}

/** Holds a loaded graph against its card. @throws FoilbankError FB_MODEL_GRAPH_MISMATCH naming the card's field */
export function checkGraphFits(card: ModelCard, network: Network): void {
  const { inputs, outputs } = expectations(card);
  for (const expected of inputs) checkValue(card, expected, network.inputs, 'inputs');
  for (const expected of outputs) checkValue(card, expected, network.outputs, 'outputs');
  const surplus = network.inputs.find((value) => !inputs.some((expected) => expected.name === value.name));
  if (surplus)
    throw new FoilbankError('FB_MODEL_GRAPH_MISMATCH', {
      card: card.name,
      field: card.kind === 'generator' ? 'fixedInputs' : 'input',
      actual: `a further input ${show(surplus)}`,
      expected: 'nothing about it',
    });
}

function checkValue(card: ModelCard, expected: Expected, values: readonly ValueInfo[], side: string): void {
  const found = values.find((value) => value.name === expected.name);
  if (found && fits(found, expected.shape)) return;
  throw new FoilbankError('FB_MODEL_GRAPH_MISMATCH', {
    card: card.name,
    field: expected.field,
    actual: found ? show(found) : `${side} ${values.map(show).join(', ')}`,
    expected: `${expected.name}${expected.shape ? ` [${expected.shape.join(', ')}]` : ''}`,
  });
}

/** A free dimension of the graph (a name, -1 or 0) fits anything; so does a graph that states no shape. */
function fits(value: ValueInfo, shape: Expected['shape']): boolean {
  if (!shape || value.shape.length === 0) return true;
  if (value.shape.length !== shape.length) return false;
  return shape.every((want, axis) => {
    const have = value.shape[axis];
    return want === 'n' || typeof have === 'string' || have === undefined || have < 1 || have === want;
  });
}

const show = (value: ValueInfo): string => `${value.name} [${value.shape.join(', ')}]`;
