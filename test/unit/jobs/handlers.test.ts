import { describe, expect, it } from 'vitest';
import { handlersOf, type NamedHandler } from '../../../src/jobs/handlers.js';
import { GENERATE, PUBLISH } from '../../../src/jobs/queues.js';

const named = (queue: string, name: string): NamedHandler => ({ queue, name, handler: async () => name });
const whole = [named(GENERATE, 'chunk'), named(PUBLISH, 'flow'), named(PUBLISH, 'due')];

describe('the handlers of a queue', () => {
  it('are those of its own jobs', () => {
    expect([...handlersOf(GENERATE, whole).keys()]).toEqual(['chunk']);
    expect([...handlersOf(PUBLISH, whole).keys()]).toEqual(['flow', 'due']);
  });

  it('must all be there', () => {
    for (const missing of whole) {
      const rest = whole.filter((h) => h !== missing);
      expect(() => handlersOf(missing.queue, rest)).toThrow(
        `${missing.queue}: no handler for jobs named ${missing.name}`,
      );
    }
  });

  it('must be there once', () => {
    for (const again of whole)
      expect(() => handlersOf(again.queue, [...whole, again])).toThrow(
        `two handlers for jobs named ${again.name}`,
      );
  });
});
