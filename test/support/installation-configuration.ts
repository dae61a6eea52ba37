import { join } from 'node:path';
import { stringify } from 'yaml';
import { distDirectory, packageDirectory } from '../../workers/program';

export interface InstallationOptions {
  readonly name: string;
  /** The real versions of mail-triage, or small processes that answer as they are told. */
  readonly models: 'real' | 'light';
  /** Laid over the shipped policy, as a person would write it. */
  readonly policy?: object;
  /** Laid over the service's configuration. */
  readonly service?: object;
  /** What routes; default the gateway. Its port is `listen` of the service then. */
  readonly router?: object;
  /** Laid over everything beside the services. */
  readonly top?: object;
  /** Puts files that the configuration names into its directory. */
  readonly prepare?: (directory: string) => void;
}

export const SERVICE = 'mail-triage';

/** Short windows; everything else is what is shipped. */
const quickPolicy = {
  cooldown: '1s',
  bake: '10m',
  breaker: { consecutiveRollbacks: 20 },
  verify: { max: '5s', confirm: '1s', confirmMax: '2m' },
  standby: { proofEvery: '1s' },
};

/** `lastgood.yaml` of an installation: any free ports, and what the options lay over the shipped values. */
export function configurationText({ models, service = {}, policy, router, top = {} }: InstallationOptions): string {
  const { serving, ...rest } = service as { readonly serving?: object };
  const real = models === 'real';
  const server = real
    ? [join(distDirectory(), 'examples', 'mail-triage', 'server.js'), '--port', '{port}', '--control']
    : [join(packageDirectory(), 'test', 'support', 'light-model.js'), '--digest', '{digest}', '--host', '{host}'];
  return stringify({
    dataDir: 'data',
    api: { listen: '127.0.0.1:0' },
    gateway: { metrics: '127.0.0.1:0' },
    ...(router === undefined ? {} : { router }),
    alerts: { terminal: false },
    ...top,
    services: {
      [SERVICE]: {
        listen: '127.0.0.1:0',
        model: real ? SERVICE : 'mail',
        serving: {
          runtime: 'process',
          engine: 'open-inference',
          command: [process.execPath, ...server, '--artifact', '{artifact}', '--report', '{report}'],
          ...serving,
        },
        answer: { class: 'outputs[name=label].data[0]', score: 'outputs[name=score].data[0]' },
        firstByte: '1s',
        requestMax: '10s',
        ...rest,
        policy: { ...quickPolicy, ...policy },
      },
    },
  });
}
