import { join } from 'node:path';
import { answersSocket } from '../../adapters/traffic/haproxy/layout';
import { boundsOf } from '../../domain/detection/outside-metric';
import type { GatewayConfig, GatewayServiceConfig } from '../../gateway/protocol';
import { gatewayCache } from './caches-schema';
import type { Configuration, ServiceConfiguration } from './configuration';
import type { RunPaths } from '../embedded/paths';
import { packageVersion } from '../program';

/** What the gateway process is started with. */
export function gatewayConfigOf(configuration: Configuration, paths: RunPaths): GatewayConfig {
  return {
    dataDir: join(configuration.dataDir, 'gateway'),
    control: paths.gatewayControl,
    reportFile: paths.gatewayReport,
    release: packageVersion(),
    metrics: configuration.gateway.metrics,
    ...remoteOf(configuration),
    ...(configuration.gateway.blindWebhook === null ? {} : { blindWebhook: configuration.gateway.blindWebhook }),
    ...(configuration.router.kind === 'haproxy'
      ? { routerLog: { socket: answersSocket(configuration.router.directory) } }
      : {}),
    services: configuration.services.map((service) => ({
      name: service.name,
      // With HAProxy in front the gateway only keeps the answer record and what is pushed; its own entrance has no route and no clients.
      listen: configuration.router.kind === 'haproxy' ? { host: '127.0.0.1', port: 0 } : service.listen,
      ...entranceTls(configuration, service),
      ...upstreamTls(service),
      ...sessionIds(service),
      ...(service.itemId === null
        ? {}
        : 'header' in service.itemId
          ? { itemHeader: service.itemId.header }
          : { itemField: service.itemId.field }),
      sessionMaxMs: service.session.maxLifetimeMs,
      firstByteMs: service.firstByteMs,
      requestMaxMs: service.requestMaxMs,
      repeatable: service.repeatable,
      replayLimitBytes: service.replayLimitBytes,
      answer: {
        ...(service.answer.classPath === null ? {} : { classPath: service.answer.classPath }),
        ...(service.answer.scorePath === null ? {} : { scorePath: service.answer.scorePath }),
        ...(service.answer.textPath === null ? {} : { textPath: service.answer.textPath }),
      },
      samples: {
        share: service.samples.share,
        maxCount: service.samples.maxCount,
        maxAgeMs: service.samples.maxAgeMs,
        redactFields: [...service.samples.redact],
      },
      ...keptAnswers(service),
      feedbackHorizonMs: service.feedbackHorizonMs,
      // Under a hold also what is older than the retention is found.
      answerRetentionDays: service.legalHold === null ? service.answerRetentionDays : heldDays,
      ...(service.legalHold === null ? {} : { legalHold: true }),
      ...pushedMetrics(service),
    })),
  };
}

/** A century. */
const heldDays = 36_500;

function keptAnswers({ caches }: ServiceConfiguration): Pick<GatewayServiceConfig, 'cache'> {
  const cache = gatewayCache(caches);
  return cache === null ? {} : { cache };
}

function entranceTls(
  { router }: Configuration,
  { listenTls }: ServiceConfiguration,
): Pick<GatewayServiceConfig, 'listenTls'> {
  if (listenTls === null || router.kind === 'haproxy') return {};
  const { certFile, keyFile, clientCaFile, anyClient } = listenTls;
  return { listenTls: { certFile, keyFile, anyClient, ...(clientCaFile === null ? {} : { clientCaFile }) } };
}

function sessionIds({
  session: { header, cookie, field },
}: ServiceConfiguration): Pick<GatewayServiceConfig, 'sessionHeader' | 'sessionCookie' | 'sessionField'> {
  return {
    ...(header === null ? {} : { sessionHeader: header }),
    ...(cookie === null ? {} : { sessionCookie: cookie }),
    ...(field === null ? {} : { sessionField: field }),
  };
}

function upstreamTls({ serving }: ServiceConfiguration): Pick<GatewayServiceConfig, 'upstreamTls'> {
  if (serving.tls === null) return {};
  const { caFile, serverName } = serving.tls;
  return {
    upstreamTls: { ...(caFile === null ? {} : { caFile }), ...(serverName === null ? {} : { serverName }) },
  };
}

/** Of one gateway among several. With HAProxy in front this one has no clients whose requests could be held. */
function remoteOf({ gateway, router }: Configuration): Partial<GatewayConfig> {
  const { control, leaseMs, holdMaxMs } = gateway;
  const remote = control === null ? {} : { remoteControl: { ...control.listen, tokenFile: control.tokenFile } };
  if (router.kind === 'haproxy' || router.others.length === 0) return remote;
  return { ...remote, peers: [...router.others], leaseMs, holdMaxMs };
}

/** A week and a day: the same time of the last seven days. They come every few seconds, so not the 30 days of the others. */
const ENGINE_KEPT_MS = 8 * 86_400_000;

/** The gateway keeps what is pushed and what the copies and an Alertmanager told, and refuses what nobody declared. */
function pushedMetrics({ metrics }: ServiceConfiguration): Pick<GatewayServiceConfig, 'pushed'> {
  const pushed = metrics.filter(({ policy }) => policy.from !== 'prometheus');
  return pushed.length === 0
    ? {}
    : {
        pushed: pushed.map(({ policy: { metric, kind, from } }) => ({
          metric,
          ...boundsOf(kind),
          ...(from === 'engine' || from === 'alertmanager' ? { keptMs: ENGINE_KEPT_MS } : {}),
        })),
      };
}
