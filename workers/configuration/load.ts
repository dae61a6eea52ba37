import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import {
  ConfigurationError,
  type Configuration,
  type SemanticConfiguration,
  type ServiceConfiguration,
} from './configuration';
import { cachePolicies, resolveCaches } from './caches-schema';
import { resolveAlerts } from './alerts-configuration';
import { resolveArtifactRules } from './artifacts-schema';
import { replicasOf, resolveHosts } from './hosts-schema';
import { resolveHardware } from './hardware-schema';
import { resolveIdentity } from './resolve-identity';
import { resolveOutsideMetrics } from './metric-schema';
import { pipelinePolicies, resolvePipelines } from './pipelines-schema';
import { resolvePolicy } from './policy-schema';
import { resolvePostgres } from './ledger-schema';
import { resolveRegistry } from './registry-schema';
import { resolveServing } from './resolve-serving';
import { resolveRouter } from './router-schema';
import { describeIssues, pathText } from './problems';
import { crossChecks } from './cross-checks';
import { directoryProblems } from './directories';
import { configurationSchema, policyFileSchema, type ConfigurationText, type ServiceText } from './schema';
import { resolveRollbackWebhooks, resolveWebhooks } from './webhooks-schema';
import { readYaml, type YamlFile } from './yaml-file';

export interface LoadOptions {
  /** Policies laid over those of the configuration, key by key. */
  readonly policyFile?: string;
  /** The server is lastgood's own dev server: raw operator messages are obeyed unless the file says otherwise. */
  readonly embedded?: boolean;
  /** The host that a worker works for, where it is not the one of the file. */
  readonly host?: string;
  /** Where the interface of a controller beside the first one listens, host:port. */
  readonly apiListen?: string;
}

/**
 * Reads `lastgood.yaml`.
 * @throws ConfigurationError with every problem at once
 */
export function loadConfiguration(file: string, options: LoadOptions = {}): Configuration {
  const yaml = open(file, '`lastgood init` writes one');
  const value = options.apiListen === undefined ? yaml.value : withListener(yaml.value, options.apiListen);
  const text = check(file, yaml, configurationSchema, value);
  if (options.policyFile === undefined) return finish(file, yaml, text, options);
  const policyYaml = open(options.policyFile, 'expected a file with `services: {NAME: {policy: …}}`');
  check(options.policyFile, policyYaml, policyFileSchema, policyYaml.value);
  refuseForeignServices(options.policyFile, policyYaml, Object.keys(text.services));
  const merged = overlay(value, policyYaml.value);
  return finish(file, yaml, check(file, yaml, configurationSchema, merged), options);
}

function open(file: string, expected: string): YamlFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError([`${file}: ${whyUnread(error as NodeJS.ErrnoException)}; ${expected}`]);
  }
  const reading = readYaml(text);
  if (reading.ok) return reading.file;
  throw new ConfigurationError(reading.problems.map(({ place, text: problem }) => `${file}:${place}: ${problem}`));
}

/** Checked like the one in the file: an address that others reach needs TLS. */
function withListener(value: unknown, listen: string): unknown {
  return overlay(value, { api: { listen } });
}

function whyUnread({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such file';
  // Docker makes one in the place of a file that is mounted and was forgotten.
  return code === 'EISDIR' ? 'found a directory, expected a file' : message;
}

function check<S extends z.ZodType>(fileName: string, yaml: YamlFile, schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value ?? {}, { reportInput: true });
  if (result.success) return result.data;
  throw new ConfigurationError(describeIssues(fileName, yaml, schema, result.error.issues));
}

function refuseForeignServices(fileName: string, yaml: YamlFile, known: readonly string[]): void {
  const { services } = yaml.value as { services: Record<string, unknown> };
  const foreign = Object.keys(services).filter((name) => !known.includes(name));
  if (foreign.length === 0) return;
  throw new ConfigurationError(
    foreign.map(
      (name) =>
        `${fileName}:${yaml.keyPlace(['services'], name)}: services.${name}: unknown service, expected one of ${known.join(', ')}`,
    ),
  );
}

function finish(file: string, yaml: YamlFile, text: ConfigurationText, options: LoadOptions): Configuration {
  const found = [...crossChecks(text), ...directoryProblems(text, dirname(resolve(file)))];
  const problems = found.map(({ path, problem }) => `${file}:${yaml.place(path)}: ${pathText(path)}: ${problem}`);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return resolveConfiguration(resolve(file), text, options);
}

function resolveConfiguration(file: string, text: ConfigurationText, options: LoadOptions): Configuration {
  const here = dirname(file);
  const absolute = (path: string): string => resolve(here, path);
  const orNull = (path: string | undefined): string | null => (path === undefined ? null : absolute(path));
  const dataDir = absolute(text.dataDir);
  const { temporal, api, gateway, alerts } = text;
  const unverified = text.operators.unverified ?? (options.embedded === true ? 'allow' : 'refuse');
  return {
    file,
    dataDir,
    host: options.host ?? text.host,
    controlHost: text.host,
    temporal: {
      address: temporal.address ?? null,
      namespace: temporal.namespace,
      tls:
        temporal.tls === undefined
          ? null
          : {
              serverName: temporal.tls.serverName ?? null,
              caFile: orNull(temporal.tls.caFile),
              certFile: orNull(temporal.tls.certFile),
              keyFile: orNull(temporal.tls.keyFile),
            },
      encryptionKeys: (temporal.encryption?.keys ?? []).map(({ id, file: key }) => ({ id, file: absolute(key) })),
    },
    api: {
      listen: api.listen,
      tls:
        api.tls === undefined
          ? null
          : {
              certFile: absolute(api.tls.certFile),
              keyFile: absolute(api.tls.keyFile),
              clientCaFile: orNull(api.tls.clientCaFile),
            },
      tokenFile: orNull(api.tokenFile) ?? resolve(dataDir, 'api.token'),
      identity: resolveIdentity(api.identity, dataDir, orNull),
    },
    gateway: {
      metrics: gateway.metrics,
      blindWebhook:
        gateway.blindWebhook === undefined
          ? null
          : { url: gateway.blindWebhook.url, afterMs: gateway.blindWebhook.after },
      control:
        gateway.control === undefined
          ? null
          : { listen: gateway.control.listen, tokenFile: absolute(gateway.control.tokenFile) },
      leaseMs: gateway.lease,
      holdMaxMs: gateway.hold,
    },
    router: resolveRouter(text.router, here),
    artifacts: resolveArtifactRules(text.artifacts, absolute),
    artifactDirectory: orNull(text.artifacts.directory) ?? resolve(dataDir, 'artifacts'),
    ledger: {
      file: resolve(dataDir, 'ledger', 'ledger.db'),
      anchorFile: orNull(text.ledger.anchorFile) ?? resolve(dataDir, 'anchors', 'ledger.jsonl'),
      postgres: resolvePostgres(text.ledger.postgres, here),
    },
    alerts: resolveAlerts(alerts, absolute),
    services: servicesOn(
      Object.entries(text.services).map(([name, service]) =>
        resolveService(name, service, { here, unverified, dataDir: absolute(text.dataDir), host: text.host }),
      ),
      text.host,
      options,
    ),
  };
}

/** Another host has only what runs there; its worker is asked for nothing else. */
function servicesOn(
  services: readonly ServiceConfiguration[],
  controlHost: string,
  { host = controlHost }: LoadOptions,
): readonly ServiceConfiguration[] {
  if (host === controlHost) return services;
  const here = services.filter(({ hosts }) => Object.hasOwn(hosts, host));
  if (here.length > 0) return here;
  const names = [...new Set(services.flatMap(({ hosts }) => Object.keys(hosts)))].join(', ');
  throw new ConfigurationError([`--host: found ${host}, which no service names; expected one of ${names}`]);
}

function resolveService(
  name: string,
  text: ServiceText,
  around: {
    readonly here: string;
    readonly unverified: 'allow' | 'refuse';
    readonly dataDir: string;
    readonly host: string;
  },
): ServiceConfiguration {
  const { serving, session, samples, answer } = text;
  const hosts = resolveHosts(around.host, text);
  const metrics = resolveOutsideMetrics(text.metrics, text.policy.detection.shortWindow.window, (file) =>
    resolve(around.here, file),
  );
  const caches = resolveCaches(text.caches, around.here);
  return {
    name,
    listen: text.listen,
    protocols: text.protocols,
    listenTls: resolveListenTls(text.listenTls, around.here),
    model: text.model,
    serving: resolveServing(serving, { ...around, service: name }),
    hosts,
    session: {
      header: session.header ?? null,
      cookie: session.cookie ?? null,
      field: session.field ?? null,
      maxLifetimeMs: session.maxLifetime,
    },
    itemId: text.itemId ?? null,
    answer: {
      classPath: answer.class ?? null,
      scorePath: answer.score ?? null,
      textPath: answer.text ?? null,
    },
    samples: {
      share: samples.share,
      maxCount: samples.maxCount,
      maxAgeMs: samples.maxAge,
      redact: samples.redact,
    },
    firstByteMs: text.firstByte,
    requestMaxMs: text.requestMax,
    repeatable: text.repeatable,
    replayLimitBytes: text.replayLimit,
    feedbackHorizonMs: text.feedbackHorizon,
    answerRetentionDays: Math.ceil(text.answerRetention / 86_400_000),
    legalHold: text.legalHold ?? null,
    external: Object.fromEntries(
      Object.entries(text.external).map(([part, { url, path = null }]) => [part, { url, path }]),
    ),
    chaos: text.chaos,
    dependencies: text.dependencies,
    hardware: resolveHardware(text.hardware),
    metrics,
    semantic: resolveSemantic(text.semantic, around.here),
    registry: resolveRegistry(text.registry, { name, model: text.model, engine: serving.engine }, around.here),
    caches,
    pipelines: resolvePipelines(text.pipelines, around.here),
    webhooks: resolveWebhooks(text.webhooks, around.here),
    rollbackWebhooks: resolveRollbackWebhooks(text.rollbackWebhooks, around.here),
    policy: resolvePolicy(text.policy, {
      sessionMaxLifetimeMs: session.maxLifetime,
      changes: text.changes,
      onForeignQuarantined: text.onForeignQuarantined,
      unverifiedOperators: around.unverified,
      outside: metrics.map(({ policy }) => policy),
      caches: cachePolicies(caches),
      pipelines: pipelinePolicies(text.pipelines, text.legalHold !== undefined),
      replicas: replicasOf(hosts, text.minReplicas),
    }),
  };
}

function resolveListenTls(text: ServiceText['listenTls'], here: string): ServiceConfiguration['listenTls'] {
  if (text === undefined) return null;
  const { certFile, keyFile, clientCaFile, anyClient } = text;
  return {
    certFile: resolve(here, certFile),
    keyFile: resolve(here, keyFile),
    clientCaFile: clientCaFile === undefined ? null : resolve(here, clientCaFile),
    anyClient,
  };
}

function resolveSemantic(text: ServiceText['semantic'], here: string): SemanticConfiguration | null {
  if (text === undefined) return null;
  const { canaryEvery, form, refusals } = text;
  return {
    embedder: resolveEmbedder(text.embedder, here),
    windowAnswers: text.windowAnswers,
    baselineAnswers: text.baselineAnswers,
    canaryEveryMs: canaryEvery === 'off' ? null : canaryEvery,
    features: { ...(form === undefined ? {} : { form }), ...(refusals === undefined ? {} : { refusals }) },
  };
}

function resolveEmbedder(
  text: NonNullable<ServiceText['semantic']>['embedder'],
  here: string,
): SemanticConfiguration['embedder'] {
  const orNull = (path: string | undefined): string | null => (path === undefined ? null : resolve(here, path));
  switch (text.kind) {
    case 'onnx':
      return { kind: 'onnx', directory: resolve(here, text.directory), packages: orNull(text.packages) };
    case 'openai':
      return { kind: 'openai', address: text.address, model: text.model, apiKeyFile: orNull(text.apiKeyFile) };
    case 'hashed':
      return text;
  }
}

/** Mappings are merged key by key, everything else is replaced. */
function overlay(below: unknown, above: unknown): unknown {
  if (!isMapping(below) || !isMapping(above)) return above === undefined ? below : above;
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    Object.defineProperty(merged, key, {
      value: overlay(Object.hasOwn(below, key) ? below[key] : undefined, value),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return merged;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
