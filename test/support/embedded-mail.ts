import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceView } from '../../api/types';
import { writeArtifact } from './artifact-directory';
import { UpProcess } from './embedded';
import { until } from './poll';
import { temporaryDirectory } from './temporary';

const fakeModel = join(__dirname, 'fake-model.js');

/** An `up` that is not started yet, with one service, `mail`, on a directory of its own. */
export function embeddedMail(dist: string, name: string, policy = '{}'): UpProcess {
  const dir = temporaryDirectory(name);
  const config = join(dir, 'lastgood.yaml');
  writeFileSync(
    config,
    `api: { listen: '127.0.0.1:0' }
gateway: { metrics: '127.0.0.1:0' }
services:
  mail:
    model: mail
    serving:
      runtime: process
      command: [node, ${fakeModel}, --digest, '{digest}', --model, mail, --label, spam, --port, '{port}', --report, '{report}']
    answer: { class: 'outputs[name=label].data[0]' }
    policy: ${policy}
`,
  );
  return new UpProcess(dist, dir, config);
}

export async function mailView(up: UpProcess): Promise<ServiceView> {
  return (await up.api('GET', '/v1/services/mail')).json as ServiceView;
}

/** Resolves when the service knows the version. */
export async function importMail(up: UpProcess, version: string): Promise<void> {
  const artifact = join(up.dir, `artifact-${version}`);
  mkdirSync(artifact);
  writeArtifact(artifact, { version });
  const imported = await up.api('POST', '/v1/artifacts/import', { path: artifact });
  expect(imported).toMatchObject({ status: 200, json: { outcome: 'imported' } });
  await until(
    'the version in the status',
    async () => (await mailView(up)).status?.state.versions.some((facts) => facts.version === version),
    60_000,
  );
}

/** Imports and deploys one version; resolves to the address of clients when it is live. The deploy may still verify. */
export async function deployMail(up: UpProcess, version: string): Promise<string> {
  await importMail(up, version);
  const answer = await up.api('POST', '/v1/services/mail/acts/deploy', { version, reason: 'a test' });
  expect(answer).toMatchObject({ status: 200, json: { decision: 'accepted' } });
  await until('live', async () => (await mailView(up)).gateway?.record?.primary === version, 60_000);
  return (await mailView(up)).entrance ?? '';
}
