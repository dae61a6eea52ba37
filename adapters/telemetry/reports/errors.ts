/** A report that cannot be read as what it should be; the message names the place, what was found and what was expected. */
export class ReportRefused extends Error {
  override readonly name = 'ReportRefused';
}
