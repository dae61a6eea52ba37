import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { openDockerRuntime, type DockerRuntimeOptions } from '../../adapters/serving/docker/docker-runtime';
import { label } from '../../adapters/serving/docker/labels';
import type { DockerTemplate } from '../../adapters/serving/docker/template';
import { servingRuntimeContract } from '../support/contracts/serving-runtime';
import { fakeModelImage, PrivateEngine, whyNoEngine } from '../support/docker-engine';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const openInference = openInferenceEngine();
const missing = whyNoEngine();
const needsDocker = missing === null ? describe : describe.skip;

let engine: PrivateEngine;
let image: string;

function template(change: Partial<DockerTemplate> = {}): DockerTemplate {
  return {
    image: { reference: image, archive: null },
    images: {},
    entrypoint: null,
    command: ['--digest', '{digest}', '--port', '{port}'],
    env: {},
    user: null,
    network: 'host',
    port: null,
    artifactPath: '/artifact',
    memoryLimitBytes: null,
    sharedMemoryBytes: null,
    cpus: null,
    gpus: null,
    capabilities: [],
    readOnlyRoot: true,
    tmpfs: [],
    init: true,
    registryAuthFile: null,
    ...change,
  };
}

function options(change: Partial<DockerTemplate> = {}, more: Partial<DockerRuntimeOptions> = {}): DockerRuntimeOptions {
  return {
    connection: { socket: engine.socket },
    directory: temporaryDirectory('docker-runtime'),
    template: template(change),
    identify: async (address) => (await openInference.identity(address, 'mail', { timeoutMs: 2_000 })).digest,
    ...more,
  };
}

async function containerOf(instance: string): Promise<string> {
  const filters = { label: [`${label.instance}=${instance}`] };
  const [found] = await engine.docker.listContainers({ all: true, filters });
  if (found === undefined) throw new Error(`no container of ${instance}`);
  return found.Id;
}

async function removeAll(): Promise<void> {
  const all = await engine.docker.listContainers({ all: true });
  await Promise.all(all.map(({ Id }) => engine.docker.getContainer(Id).remove({ force: true })));
}

needsDocker(`with a private dockerd${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(async () => {
    engine = await PrivateEngine.start();
    image = await fakeModelImage(engine);
  }, 60_000);
  afterEach(removeAll);
  afterAll(async () => {
    await engine.close();
    removeTemporary();
  }, 60_000);

  servingRuntimeContract('the Docker runtime', async () => ({
    runtime: await openDockerRuntime(options()),
    kill: async (instance) => {
      const id = await containerOf(instance);
      await engine.docker.getContainer(id).kill();
      await until('its end', async () => !(await engine.docker.getContainer(id).inspect()).State.Running);
    },
    close: removeAll,
  }));
});
