import { writeFileSync } from 'node:fs';
import { configurationJsonSchema } from './json-schema';

/** `node dist/workers/configuration/write-json-schema.js FILE`: writes the schema that editors use. */
const [, , file] = process.argv;
if (file === undefined) {
  process.stderr.write('usage: node dist/workers/configuration/write-json-schema.js docs/configuration.schema.json\n');
  process.exit(64);
}
writeFileSync(file, `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);
