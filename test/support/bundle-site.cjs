'use strict';
// A site without a network, for the test of `lastgood bundle`: run in a network namespace of its own, it installs the
// unpacked bundle and runs what was installed. Prints one JSON object.
//
//   node bundle-site.cjs UNPACKED DIRECTORY
const { execFile, execFileSync, spawn } = require('node:child_process');
const { promisify } = require('node:util');
const { readFileSync } = require('node:fs');
const { connect } = require('node:net');
const { networkInterfaces } = require('node:os');
const { join } = require('node:path');
const { startFakeModel } = require('./fake-model');

const [unpacked, site] = process.argv.slice(2);
const lastgood = join(site, 'bin', 'lastgood');

async function main() {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  const result = { interfaces: Object.keys(networkInterfaces()), outside: await outside() };
  result.install = execFileSync(join(unpacked, 'install.sh'), [site], { encoding: 'utf8' });
  result.version = execFileSync(lastgood, ['--version'], { encoding: 'utf8' });
  const model = await startFakeModel({ model: 'mail', version: '1.1', label: () => 'spam' });
  const url = `http://127.0.0.1:${model.port}`;
  const init = ['init', '--url', url, '--service', 'mail', '--model', 'mail', '--engine', 'open-inference'];
  // Not waited for in one piece: the model that it asks answers from this process.
  await promisify(execFile)(lastgood, init);
  const up = spawn(lastgood, ['up'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  up.stdout.on('data', (part) => (said += part));
  const ended = new Promise((resolve) => up.once('exit', resolve));
  while (!said.includes('up; Ctrl-C stops')) {
    if (up.exitCode !== null) throw new Error(`up ended with ${up.exitCode}: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const entrance = /^mail: (\S+)$/m.exec(said)[1];
  const body = { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] };
  const ask = () => fetch(`${entrance}/v2/models/mail/infer`, { method: 'POST', body: JSON.stringify(body) });
  // Before the first route nobody is answered: the service is taken on as it is found, a moment after the start.
  const deadline = Date.now() + 60_000;
  let answer = await ask();
  while (answer.status === 503 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    answer = await ask();
  }
  result.answer = { status: answer.status, text: await answer.text() };
  // It ends with what it found; here the findings count.
  const doctor = await promisify(execFile)(lastgood, ['doctor', '--json']).catch((error) => error);
  result.doctor = JSON.parse(doctor.stdout);
  const { api } = JSON.parse(readFileSync('.lastgood/run/controller-report.json', 'utf8'));
  result.health = await (await fetch(`${api}/v1/health`)).json();
  up.kill('SIGTERM');
  result.ended = await ended;
  await model.close();
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function outside() {
  return new Promise((resolve) => {
    const socket = connect({ host: '192.0.2.1', port: 443 });
    socket.once('connect', () => resolve('reached'));
    socket.once('error', (error) => resolve(error.code));
  });
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
