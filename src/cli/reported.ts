/** The command has told its user what failed; the process only has to end with this exit code. */
export class Reported extends Error {
  override readonly name = 'Reported';
  constructor(readonly exitCode: 1 | 3) {
    super('reported already');
  }
}
