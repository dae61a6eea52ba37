import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { reduceInput } from '../domain/environment/input-fields';
import { InputProfileBuilder, type InputProfile } from '../domain/environment/input-profile';

/** What was given is no file of inputs. */
export class InputsRefused extends Error {
  override readonly name = 'InputsRefused';
}

/**
 * The profile of a file with one request body a line, JSON as clients send it: what a version's data profile has as
 * `inputProfile`. Reads any number of lines in bounded memory.
 */
export async function profileOfFile(file: string): Promise<InputProfile> {
  const builder = new InputProfileBuilder();
  let line = 0;
  for await (const body of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity })) {
    line += 1;
    if (body.trim() === '') continue;
    const { fields } = reduceInput({ atMs: 0, path: '', contentType: 'application/json', body });
    if (fields === null)
      throw new InputsRefused(`${file}:${line}: found ${JSON.stringify(body.slice(0, 60))}, expected JSON on one line`);
    // Where it was sent is not known of a file.
    builder.add({ fields: new Map([...fields].filter(([path]) => path !== '(endpoint)')) });
  }
  return builder.build();
}
