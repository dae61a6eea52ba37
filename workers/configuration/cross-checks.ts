import { checkIdentity } from './identity-checks';
import { checkAddresses } from './address-checks';
import { checkCaches } from './caches-schema';
import { checkDocker } from './docker-serving';
import { checkEngine } from './engine-checks';
import { durationOf, isLoopback } from './fields';
import { checkHosts } from './hosts-schema';
import { checkOutsideMetrics } from './metric-schema';
import { checkPipelines } from './pipelines-schema';
import { checkRollbackWebhooks, checkWebhooks } from './webhooks-schema';
import { checkRegistry } from './registry-schema';
import { checkRouters } from './router-schema';
import type { ConfigurationText, ServiceText } from './schema';
import { checkSecrets } from './secret-checks';
import { checkTls, checkTraffic } from './traffic-checks';
import { checkTriton, sharedModels } from './triton-serving';

export interface Contradiction {
  readonly path: readonly (string | number)[];
  readonly problem: string;
}

/** What no single value shows: values that contradict each other, and doors that would stand open. */
export function crossChecks(text: ConfigurationText): Contradiction[] {
  const found: Contradiction[] = [];
  const { api, gateway, services } = text;
  if (!isLoopback(api.listen.host) && (api.tls === undefined || api.tokenFile === undefined)) {
    found.push({
      path: ['api', 'listen'],
      problem: `found ${api.listen.host}, which is not loopback: others could reach it, so api.tls (certFile, keyFile) and api.tokenFile are needed`,
    });
  }
  const { postgres } = text.ledger;
  if (postgres !== undefined && !isLoopback(postgres.host) && postgres.tls === undefined) {
    found.push({
      path: ['ledger', 'postgres', 'host'],
      problem: `found ${postgres.host}, which is not loopback: who decides, and on what, would cross the network unencrypted; expected ledger.postgres.tls ({} where a known authority signed the server's certificate)`,
    });
  }
  if (!isLoopback(gateway.metrics.host)) {
    found.push({
      path: ['gateway', 'metrics'],
      problem: `found ${gateway.metrics.host}, which is not loopback: the gateway's metrics have no TLS and no token, expected a loopback address`,
    });
  }
  if (gateway.control !== undefined && !isLoopback(gateway.control.listen.host)) {
    found.push({
      path: ['gateway', 'control', 'listen'],
      problem: `found ${gateway.control.listen.host}, which is not loopback: whoever reaches it moves the traffic, and the gateway has no TLS of its own, expected a loopback address with your TLS proxy in front of it`,
    });
  }
  found.push(...checkIdentity(text), ...checkRouters(text.router, text.host));
  if (text.router.kind === 'haproxy') {
    found.push(...checkHaproxy(text.router.directory, services));
    // Nobody reads the gateway's rows then, so it would say "blind" for ever.
    if (gateway.blindWebhook !== undefined) {
      const problem =
        'found a webhook, expected none with router haproxy: nobody reads the rows of the gateway, so it would say "blind" for ever';
      found.push({ path: ['gateway', 'blindWebhook'], problem });
    }
  }
  for (const [name, service] of Object.entries(services)) {
    const own = [
      ...checkService(service),
      ...checkWebhooks(service.webhooks),
      ...checkPipelines(service.pipelines, service.itemId !== undefined && text.router.kind === 'gateway'),
    ];
    found.push(...own.map((one) => ({ ...one, path: ['services', name, ...one.path] })));
  }
  found.push(
    ...checkHosts(text),
    ...checkTraffic(text),
    ...checkTls(text),
    ...checkAddresses(text),
    ...checkCaches(text),
    ...checkSecrets(text),
    ...checkRollbackWebhooks(services),
  );
  found.push(...sharedPorts(text), ...sharedModels(services));
  return found;
}

/** What the gateway does and HAProxy does not: refused, so that nobody waits for what never comes. */
function checkHaproxy(directory: string, services: ConfigurationText['services']): Contradiction[] {
  const found: Contradiction[] = [];
  if (!/^[A-Za-z0-9_./-]+$/.test(directory)) {
    const problem = `found ${JSON.stringify(directory)}, expected letters, digits, _ . - and / only: HAProxy's commands name it`;
    found.push({ path: ['router', 'directory'], problem });
  }
  for (const [name, { listen, session, samples, answer, semantic, serving, policy }] of Object.entries(services)) {
    const at = (path: readonly string[], problem: string): void => {
      found.push({ path: ['services', name, ...path], problem });
    };
    if (listen.port === 0) at(['listen'], 'found port 0, expected the port that HAProxy listens on');
    if (session.field !== undefined) {
      at(
        ['session', 'field'],
        `found ${session.field} with router haproxy, which reads no bodies: expected session.header or session.cookie, or router gateway`,
      );
    }
    if (policy.swap === 'stop-first') {
      const problem =
        'found stop-first with router haproxy, expected side-by-side: HAProxy would answer the requests of a gap without Retry-After and count them as failures; the gateway does both';
      at(['policy', 'swap'], problem);
    }
    if (samples.share > 0) {
      at(['samples', 'share'], 'found a share, expected 0 with router haproxy: HAProxy keeps no inputs');
    }
    if (answer.class !== undefined || answer.score !== undefined) {
      at(['answer'], 'found class or score, expected none with router haproxy: HAProxy does not read answers');
    }
    if (semantic !== undefined) {
      at(['semantic'], 'found with router haproxy, which keeps no answers to compare; expected none');
    }
    if (serving.runtime === 'vllm-adapters') {
      at(
        ['serving', 'runtime'],
        'found vllm-adapters with router haproxy: adapters share an address and are told apart by the model in the request, which HAProxy cannot write; expected router gateway',
      );
    }
  }
  return found;
}

function checkService(service: ServiceText): Contradiction[] {
  const found: Contradiction[] = [];
  const { policy, serving } = service;
  if (service.firstByte > service.requestMax) {
    found.push({ path: ['firstByte'], problem: 'is longer than requestMax, so it could never be reached' });
  }
  if (service.semantic !== undefined && service.answer.text === undefined) {
    found.push({
      path: ['answer'],
      problem: 'has no text: semantic compares the texts of answers, expected where they stand in an answer',
    });
  }
  if (service.semantic !== undefined && (service.samples.share === 0 || service.samples.maxCount === 0)) {
    found.push({
      path: ['samples', service.samples.share === 0 ? 'share' : 'maxCount'],
      problem: 'found 0 with semantic, which compares the answers that samples keep; expected more',
    });
  }
  if (policy.standby.proofMaxAge < policy.standby.proofEvery) {
    found.push({
      path: ['policy', 'standby', 'proofMaxAge'],
      problem: 'is shorter than proofEvery, so no proof would ever be fresh',
    });
  }
  for (const tier of policy.keepPinsOn) {
    if (policy.keepPinsAtMost[tier] > 0) continue;
    found.push({
      path: ['policy', 'keepPinsOn'],
      problem: `found ${tier}, but keepPinsAtMost.${tier} is 0: its sessions would move at once, expected a limit there or no ${tier} here`,
    });
  }
  if (policy.verify.confirmMax < policy.verify.confirm) {
    found.push({ path: ['policy', 'verify', 'confirmMax'], problem: 'is shorter than confirm' });
  }
  const { validate, load, probe, shift } = policy.steps;
  if (policy.attempts.total < validate + load + probe + shift) {
    found.push({
      path: ['policy', 'attempts', 'total'],
      problem:
        'is shorter than the steps of one candidate (validate, load, probe, shift), so none might ever be reached',
    });
  }
  if (policy.detection.shortWindow.window < policy.detection.shortWindow.every) {
    found.push({
      path: ['policy', 'detection', 'shortWindow', 'window'],
      problem: 'is shorter than every, so some time would never be looked at',
    });
  }
  found.push(...checkStopFirst(service));
  if (
    policy.swap === 'side-by-side' &&
    policy.standby.keepWarm &&
    policy.copiesLoadedMax < 2 &&
    serving.runtime !== 'external'
  ) {
    found.push({
      path: ['policy', 'copiesLoadedMax'],
      problem: 'found 1, expected at least 2 while standby.keepWarm is on (live and standby)',
    });
  }
  if (serving.runtime === 'process') found.push(...checkCommand(serving.command));
  if (serving.runtime === 'docker') found.push(...checkDocker(serving));
  found.push(...checkEngine(service));
  if (serving.runtime === 'triton') found.push(...checkTriton(service.model));
  if (serving.runtime === 'external') {
    const versions = Object.keys(serving.versions ?? {}).length;
    if (versions > 0 === (serving.address !== undefined)) {
      found.push({
        path: ['serving'],
        problem: 'expected either versions (each with its address) or one address that tells its version',
      });
    }
  }
  if (serving.runtime === 'external' && serving.probes !== undefined && serving.engine === 'plain-http') {
    if (Object.keys(serving.http.outputs).length === 0)
      found.push({
        path: ['serving', 'probes'],
        problem: 'found probes and no http.outputs: without them every answer would look the same',
      });
  }
  if (policy.freezeWindows.some(({ fromHour, toHour }) => fromHour === toHour)) {
    found.push({
      path: ['policy', 'freezeWindows'],
      problem: 'found fromHour equal to toHour; a whole day is 0 to 24, a night such as 22 to 6',
    });
  }
  found.push(...checkRegistry(service.registry));
  found.push(...checkOutsideMetrics(service.metrics).map((one) => ({ ...one, path: ['metrics', ...one.path] })));
  const ascending = policy.gradual.stages.every((stage, index, all) => index === 0 || stage > (all[index - 1] ?? 0));
  if (!ascending) found.push({ path: ['policy', 'gradual', 'stages'], problem: 'expected growing shares' });
  return found;
}

/** A gap is for one copy that lastgood itself starts and stops. */
function checkStopFirst({ policy, serving, hosts = {} }: ServiceText): Contradiction[] {
  const { swap, gapMax, steps } = policy;
  if (swap !== 'stop-first') return [];
  const found: Contradiction[] = [];
  const at = (key: string, problem: string): void => {
    found.push({ path: ['policy', key], problem });
  };
  if (serving.runtime === 'external')
    at('swap', 'found stop-first with runtime external, expected side-by-side: lastgood stops nothing that others run');
  if (serving.runtime === 'triton' || serving.runtime === 'vllm-adapters')
    at(
      'swap',
      `found stop-first with runtime ${serving.runtime}, expected side-by-side: its versions share one server, which a stop would not free`,
    );
  if (Object.keys(hosts).length > 1)
    at('swap', 'found stop-first with several hosts, expected side-by-side or one host');
  const needed = steps.load + steps.probe;
  if (gapMax < needed)
    at(
      'gapMax',
      `found ${durationOf(gapMax)}, is shorter than steps.load and steps.probe, so a load within its limits could break the promise; expected at least ${durationOf(needed)}, or shorter steps`,
    );
  return found;
}

const placeholders = ['artifact', 'host', 'port', 'report', 'instance', 'digest'];

function checkCommand(command: readonly string[]): Contradiction[] {
  const found: Contradiction[] = [];
  const path = ['serving', 'command'];
  const named = command.flatMap((argument) => [...argument.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name));
  for (const name of named.filter((one) => !placeholders.includes(one))) {
    const known = placeholders.map((one) => `{${one}}`).join(', ');
    found.push({ path, problem: `found the placeholder {${name}}, expected one of ${known}` });
  }
  if (!named.includes('port') && !named.includes('report')) {
    found.push({ path, problem: 'found neither {report} nor {port}, so nobody would know the address of a copy' });
  }
  return found;
}

function controlListener(listen: { host: string; port: number }): [readonly string[], { host: string; port: number }] {
  return [['gateway', 'control', 'listen'], listen];
}

/** Two listeners on one port: the second one would fail at start, after the first has taken traffic. */
function sharedPorts(text: ConfigurationText): Contradiction[] {
  const taken = new Map<string, string>();
  const listeners: [readonly string[], { host: string; port: number }][] = [
    [['api', 'listen'], text.api.listen],
    [['gateway', 'metrics'], text.gateway.metrics],
    ...(text.gateway.control === undefined ? [] : [controlListener(text.gateway.control.listen)]),
    ...Object.entries(text.services).map(([name, service]): [readonly string[], { host: string; port: number }] => [
      ['services', name, 'listen'],
      service.listen,
    ]),
  ];
  return listeners.flatMap(([path, { host, port }]) => {
    if (port === 0) return [];
    const address = `${host}:${port}`;
    const first = taken.get(address);
    taken.set(address, first ?? path.join('.'));
    return first === undefined ? [] : [{ path, problem: `found ${address}, which ${first} has already` }];
  });
}
