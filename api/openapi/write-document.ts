import { writeFileSync } from 'node:fs';
import { interfaceDocument } from './interface-document';

/** `node dist/api/openapi/write-document.js FILE`: writes the OpenAPI document of the interface. */
const [, , file] = process.argv;
if (file === undefined) {
  process.stderr.write('usage: node dist/api/openapi/write-document.js docs/openapi.json\n');
  process.exit(64);
}
void interfaceDocument().then((document) => writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`));
