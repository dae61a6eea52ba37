import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigurationError, type ConfiguredProbe, type ServerTls, type ServingConfiguration } from './configuration';
import { resolveDocker } from './docker-serving';
import type { ServiceText } from './schema';
import { probesSchema } from './serving-schema';
import { resolveTriton } from './triton-serving';

/** `serving` of a service with absolute paths, and the probes that a file of its own holds. */
export function resolveServing(
  text: ServiceText['serving'],
  around: { readonly here: string; readonly dataDir: string; readonly service: string },
): ServingConfiguration {
  const { here } = around;
  if (text.runtime === 'triton') {
    const none = { ready: '/health', infer: '/predict', outputs: {} };
    const tls = resolveServerTls(text.tls, here);
    const other = { digestHeader: null, versionHeader: null, apiKeyFile: null, canary: null };
    const spoken = { engine: text.engine, tls, ...other, http: none };
    return { ...spoken, runtime: 'triton', ...resolveTriton(text, around) };
  }
  const protocol = {
    engine: text.engine,
    tls: resolveServerTls(text.tls, here),
    digestHeader: text.digestHeader ?? null,
    versionHeader: text.versionHeader ?? null,
    apiKeyFile: text.apiKeyFile === undefined ? null : resolve(here, text.apiKeyFile),
    canary: text.canary ?? null,
    http: text.http,
  };
  if (text.runtime === 'external') {
    const serves = text.address === undefined ? { versions: text.versions ?? {} } : { address: text.address };
    return { ...protocol, runtime: 'external', serves, wake: text.wake, probes: readProbes(text.probes, here) };
  }
  if (text.runtime === 'docker') return { ...protocol, runtime: 'docker', ...resolveDocker(text, here) };
  if (text.runtime === 'vllm-adapters') {
    const { address, artifacts, adapter, maxAdapters, startLimit } = text;
    const places = { address, artifactsThere: artifacts ?? null, adapter: adapter ?? '' };
    return {
      ...protocol,
      ...places,
      runtime: text.runtime,
      maxAdapters: maxAdapters ?? null,
      startLimitMs: startLimit,
    };
  }
  const { command, env, startLimit, memoryLimit } = text;
  const directory = resolve(here, text.directory ?? '.');
  const limits = { startLimitMs: startLimit, memoryLimitBytes: memoryLimit ?? null };
  return { ...protocol, runtime: 'process', command, env, directory, ...limits };
}

function readProbes(text: string | readonly ConfiguredProbe[] | undefined, here: string): readonly ConfiguredProbe[] {
  if (typeof text !== 'string') return text ?? [];
  const file = resolve(here, text);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigurationError([`${file}: ${(error as Error).message}; serving.probes names it`]);
  }
  const parsed = probesSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ConfigurationError(
    parsed.error.issues
      .slice(0, 10)
      .map(({ path, message }) => `${file}: ${path.join('.') || '(the whole file)'}: ${message}`),
  );
}

function resolveServerTls(text: ServiceText['serving']['tls'], here: string): ServerTls | null {
  if (text === undefined) return null;
  const { caFile, serverName } = text;
  return { caFile: caFile === undefined ? null : resolve(here, caFile), serverName: serverName ?? null };
}
