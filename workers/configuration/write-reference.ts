import { writeFileSync } from 'node:fs';
import { referencePage } from './reference';

/** `node dist/workers/configuration/write-reference.js FILE`: writes the page of all keys. */
const [, , file] = process.argv;
if (file === undefined) {
  process.stderr.write('usage: node dist/workers/configuration/write-reference.js docs/configuration-reference.md\n');
  process.exit(64);
}
writeFileSync(file, referencePage());
