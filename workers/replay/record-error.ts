/** A record that cannot be replayed: the place, what was found, what was expected. */
export class RecordRefused extends Error {
  override readonly name = 'RecordRefused';
}
