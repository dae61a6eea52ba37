import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { z } from 'zod';
import { GatewayConfigError } from './errors';
import { gatewayConfigSchema, type GatewayConfig, type GatewayServiceConfig } from './protocol';
import { SERVICE_NAME } from '../domain/names';

/** An idle follower shows itself once a second: below twice that it would be taken for absent. */
const READER_MIN_MS = 2_000;
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Reads and checks the configuration file. Throws {@link GatewayConfigError} that names file, place and what is wrong. */
export function loadConfig(file: string): GatewayConfig {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new GatewayConfigError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = gatewayConfigSchema.safeParse(raw);
  if (!parsed.success) throw new GatewayConfigError(`${file}: ${describeIssues(parsed.error)}`);
  checkConfig(parsed.data, file);
  return parsed.data;
}

/** What the schema cannot say: loopback only, unique names, limits that fit each other. */
export function checkConfig(config: GatewayConfig, file: string): void {
  const refuse = (path: string, why: string): never => {
    throw new GatewayConfigError(`${file}: ${path}: ${why}`);
  };
  const loopbackOnly = (path: string, host: string): void => {
    if (!LOOPBACK.has(host)) {
      refuse(
        path,
        `found ${JSON.stringify(host)}, expected a loopback address (127.0.0.1, ::1 or localhost): ` +
          'it has no TLS and others could reach it',
      );
    }
  };
  if (!isAbsolute(config.dataDir))
    refuse('dataDir', `found ${JSON.stringify(config.dataDir)}, expected an absolute path`);
  loopbackOnly('metrics.host', config.metrics.host);
  if ('host' in config.control) loopbackOnly('control.host', config.control.host);
  if (config.remoteControl) loopbackOnly('remoteControl.host', config.remoteControl.host);
  config.peers?.forEach(({ control }, index) => {
    if ('socket' in control) return;
    const { protocol, hostname } = new URL(control.url);
    const path = `peers[${index}].control.url`;
    if (protocol === 'http:') loopbackOnly(path, hostname.replace(/^\[|\]$/g, ''));
    else if (protocol !== 'https:') refuse(path, `found ${control.url}, expected https:// (http:// on loopback)`);
  });
  const { blindWebhook } = config;
  if (blindWebhook && blindWebhook.afterMs < READER_MIN_MS) {
    refuse('blindWebhook.afterMs', `found ${blindWebhook.afterMs}, expected at least ${READER_MIN_MS}`);
  }
  const names = new Set<string>();
  config.services.forEach((service, index) => {
    const at = `services[${index}]`;
    if (!SERVICE_NAME.test(service.name)) {
      refuse(`${at}.name`, `found ${JSON.stringify(service.name)}, expected lower-case letters, digits and hyphens`);
    }
    if (names.has(service.name)) refuse(`${at}.name`, `${service.name} is there twice`);
    names.add(service.name);
    checkEntrance(service, (path, why) => refuse(`${at}.${path}`, why));
    if (service.firstByteMs <= 0) refuse(`${at}.firstByteMs`, `found ${service.firstByteMs}, expected more than 0`);
    if (service.requestMaxMs < service.firstByteMs) {
      refuse(
        `${at}.requestMaxMs`,
        `found ${service.requestMaxMs}, expected at least firstByteMs (${service.firstByteMs})`,
      );
    }
    for (const key of ['sessionMaxMs', 'replayLimitBytes', 'feedbackHorizonMs', 'answerRetentionDays'] as const) {
      if (service[key] < 0) refuse(`${at}.${key}`, `found ${service[key]}, expected 0 or more`);
    }
  });
}

/** Others can reach it: then it is encrypted, and whoever may come in is either proven or declared to be anybody. */
function checkEntrance(
  { listen, listenTls }: GatewayServiceConfig,
  refuse: (path: string, why: string) => never,
): void {
  if (LOOPBACK.has(listen.host)) return;
  const found = `found ${JSON.stringify(listen.host)}, which is not loopback (127.0.0.1, ::1 or localhost): others can reach it`;
  if (!listenTls) refuse('listen.host', `${found}, so listenTls (certFile, keyFile) is needed, or a loopback address`);
  if (listenTls?.clientCaFile === undefined && listenTls?.anyClient !== true) {
    refuse(
      'listenTls',
      `${found}, so expected clientCaFile (only clients with a certificate of it), or anyClient: true where the model server checks its clients itself`,
    );
  }
}

/** One line for people from a zod error: path, what was expected. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.length > 0 ? issue.path.map(String).join('.') : '(top)'}: ${issue.message}`)
    .join('; ');
}
