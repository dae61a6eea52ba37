'use strict';
/*
 * The fake model as a version's own process, for tests of a whole installation: it reads `light.json` of its artifact
 * and behaves as that says.
 *
 *   node light-model.js --artifact DIR --digest D [--report FILE] [--port N] [--host H]
 *
 * `light.json`: {version, label, dieAfterAnswers?, dieAfterLooks?, loadMs?}. `dieAfterAnswers`: the process kills itself right
 * after so many answers (a target that dies after its health check); `dieAfterLooks`: right after it said so many times what
 * it serves. The report carries the port at which `POST /faults` changes
 * its faults. Every answer is one line of `answers.log` beside the report, written before the answer is sent. Without a
 * report (in a container) it has the given port and no such log.
 */
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { startFakeModel } = require('./fake-model');

async function main() {
  const text = { type: 'string' };
  const { values } = parseArgs({ options: { artifact: text, digest: text, report: text, port: text, host: text } });
  const light = JSON.parse(fs.readFileSync(path.join(values.artifact, 'light.json'), 'utf8'));
  if (light.loadMs) await new Promise((done) => setTimeout(done, light.loadMs));
  const log =
    values.report === undefined ? null : fs.openSync(path.join(path.dirname(values.report), 'answers.log'), 'a');
  const dieSoon = () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), 5);
  let answers = 0;
  let looks = 0;
  const model = await startFakeModel({
    model: 'mail',
    port: Number(values.port ?? 0),
    host: values.host ?? '127.0.0.1',
    digest: values.digest,
    version: light.version,
    label: (_input, request) => {
      answers += 1;
      const id = request.headers['x-request-id'] ?? null;
      if (log !== null) fs.writeSync(log, `${JSON.stringify({ requestId: id, version: light.version })}\n`);
      if (light.dieAfterAnswers && answers >= light.dieAfterAnswers) dieSoon();
      return light.label;
    },
    onLook: () => {
      looks += 1;
      if (light.dieAfterLooks && looks >= light.dieAfterLooks) dieSoon();
    },
  });
  if (values.report !== undefined) {
    fs.writeFileSync(`${values.report}.tmp`, JSON.stringify({ port: model.port, pid: process.pid }));
    fs.renameSync(`${values.report}.tmp`, values.report);
  }
  process.on('SIGTERM', () => void model.close().then(() => process.exit(0)));
}

void main();
