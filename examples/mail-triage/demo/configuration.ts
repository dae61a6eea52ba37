import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OptionsRefused } from './options';

const mark = '# Written by the demo.';

/** Writes the configuration of one run and resolves to its file. */
export function writeConfiguration(runDir: string, service: string): string {
  refuseForeign(runDir);
  // A demo starts from nothing, or the second one would find 1.3 in quarantine.
  rmSync(runDir, { recursive: true, force: true });
  mkdirSync(runDir, { recursive: true });
  const server = join(__dirname, '..', 'server.js');
  const command = [process.execPath, server, '--artifact', '{artifact}', '--port', '{port}', '--report', '{report}'];
  const file = join(runDir, 'lastgood.yaml');
  const text = `${mark}
dataDir: .
api: { listen: 127.0.0.1:0 }
gateway: { metrics: 127.0.0.1:0 }
alerts: { terminal: false }
services:
  ${service}:
    listen: 127.0.0.1:0
    model: ${service}
    serving:
      runtime: process
      engine: open-inference
      command: ${JSON.stringify(command)}
    answer: { class: 'outputs[name=label].data[0]', score: 'outputs[name=score].data[0]' }
    samples: { share: 1, maxCount: 5000, maxAge: 1h }
    firstByte: 1s
    requestMax: 10s
`;
  writeFileSync(file, text);
  return file;
}

/** What the last demo wrote is removed; anything else in the directory belongs to somebody. */
function refuseForeign(runDir: string): void {
  if (!existsSync(runDir) || readdirSync(runDir).length === 0) return;
  const file = join(runDir, 'lastgood.yaml');
  if (existsSync(file) && readFileSync(file, 'utf8').startsWith(mark)) return;
  throw new OptionsRefused(`--dir: found files in ${runDir} that no demo wrote, expected an empty or new directory`);
}
