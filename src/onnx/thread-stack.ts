/** What Node gives a thread unless it is told otherwise. */
const DEFAULT_MB = 4;
/** Measured on onnxruntime 1.30: 18 kB of command line overflow 4 MB. Twice that, to be safe; only what is used takes memory. */
const BYTES_FOR_A_CHARACTER = 512;

/**
 * Size in MB of the stack of a thread that opens sessions: onnxruntime puts the process's whole command line through a
 * recursive regular expression, so some hundred names of photos on it would overflow a thread's usual stack and end the
 * process.
 *
 * @param commandLine the program, its options and arguments
 */
export function stackSizeFor(commandLine: readonly string[]): number {
  const length = commandLine.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  return DEFAULT_MB + Math.ceil((length * BYTES_FOR_A_CHARACTER) / 2 ** 20);
}
