/** Some inputs failed and were listed; the rest is done. The process ends with exit code 3. */
export class PartlyDone extends Error {
  override readonly name = 'PartlyDone';
}
