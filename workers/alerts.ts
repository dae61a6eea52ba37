import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { alertmanagerSink } from '../adapters/alerts/alertmanager';
import { emailSink } from '../adapters/alerts/email';
import { fanOutAlerts, type FannedAlerts } from '../adapters/alerts/fan-out';
import { journalSink } from '../adapters/alerts/journal';
import { AlertMemory } from '../adapters/alerts/memory';
import { pagerDutySink } from '../adapters/alerts/pagerduty';
import { forSeverities } from '../adapters/alerts/severities';
import type { AlertSink } from '../adapters/alerts/sink';
import { slackBotSink, slackWebhookSink } from '../adapters/alerts/slack';
import { terminalSink } from '../adapters/alerts/terminal';
import { webhookSink } from '../adapters/alerts/webhook';
import { secretReader, SecretMissing, type SecretPlace } from './configuration/alerts-configuration';
import { ConfigurationError, type Configuration } from './configuration/configuration';
import { isHeld } from './legal-hold';
import type { RunPaths } from './embedded/paths';
import type { Environment } from './environment';

export interface AlertsOptions {
  readonly terminal: boolean;
  /** The process that sends: each remembers what it has shown in a file of its own. */
  readonly process: 'controller' | 'up';
  /** A delivery ended; `why` null: it stands there. */
  readonly onOutcome?: (sink: string, why: string | null) => void;
  readonly onMemoryFault?: (error: Error) => void;
}

/** Every configured sink, and the journal that `lastgood` reads alerts from. */
export function openAlerts(
  configuration: Configuration,
  paths: RunPaths,
  environment: Environment,
  options: AlertsOptions,
): FannedAlerts {
  const { onOutcome, onMemoryFault } = options;
  const memory = new AlertMemory({
    file: paths.alertMemory(options.process),
    ...(options.process === 'controller' && { others: () => otherMemories(paths) }),
    ...(onMemoryFault && { onFault: onMemoryFault }),
  });
  const sinks: AlertSink[] = [journalSink({ file: paths.alertJournal, keepsAll: isHeld(configuration) })];
  if (options.terminal && configuration.alerts.terminal) {
    sinks.push(terminalSink({ stream: process.stderr, colour: process.stderr.isTTY }));
  }
  sinks.push(...alertTargets(configuration, environment, memory).map(({ open }) => open()));
  return fanOutAlerts({ sinks, memory, ...(onOutcome && { onOutcome }) });
}

/** Of the other controllers of this data directory: an alert that one of them has shown is shown. */
function otherMemories(paths: RunPaths): string[] {
  const own = paths.alertMemory('controller');
  try {
    return readdirSync(dirname(own))
      .filter((name) => /^shown-controller(-[a-z0-9-]+)?\.jsonl$/.test(name))
      .map((name) => join(dirname(own), name))
      .filter((file) => file !== own);
  } catch {
    // Nothing was shown yet.
    return [];
  }
}

/** A place outside that alerts go to. `open` sends nothing, and throws where nothing could ever be sent. */
export interface AlertTarget {
  /** As the configuration has it, such as `alerts.webhooks[0]`. */
  readonly key: string;
  readonly host: string;
  /** The file with what proves who sends; null: none. */
  readonly tokenFile: string | null;
  open(): AlertSink;
}

export function alertTargets(
  configuration: Configuration,
  environment: Environment,
  memory = new AlertMemory({ file: null }),
): AlertTarget[] {
  const { webhooks, alertmanagers, slack, pagerDuty, email } = configuration.alerts;
  /** Read once now, so that what could never be sent is found out before an alert depends on it. */
  const secretOf = (secret: SecretPlace, key: string): (() => string) => {
    const read = secretReader(secret, `${configuration.file}: ${key}`, environment.inherited);
    try {
      read();
    } catch (error) {
      throw error instanceof SecretMissing ? new ConfigurationError([error.message]) : error;
    }
    return read;
  };
  return [
    ...webhooks.map(({ url, secret }, index): AlertTarget => {
      const [key, host] = [`alerts.webhooks[${index}]`, hostOf(url)];
      const open = (): AlertSink =>
        webhookSink({ url, secrets: [secretOf(secret, key)()], name: `webhook ${index + 1} ${host}` });
      return { key, host, tokenFile: null, open };
    }),
    ...alertmanagers.map(({ url, tokenFile }, index): AlertTarget => {
      const host = hostOf(url);
      const token = tokenFile === null ? {} : { token: () => readFileSync(tokenFile, 'utf8').trim() };
      const open = (): AlertSink => alertmanagerSink({ url, ...token, name: `alertmanager ${index + 1} ${host}` });
      return { key: `alerts.alertmanagers[${index}]`, host, tokenFile, open };
    }),
    ...slack.map(({ secret, bot, severities }, index): AlertTarget => {
      const [key, name] = [`alerts.slack[${index}]`, `slack ${index + 1}`];
      const open = (): AlertSink => {
        const read = secretOf(secret, key);
        if (bot === null) return forSeverities(severities, slackWebhookSink({ webhook: read(), name }));
        const { channel, url } = bot;
        const at = url === null ? {} : { url };
        return forSeverities(severities, slackBotSink({ token: read, channel, ...at, memory, name }));
      };
      return { key, host: bot?.url ? hostOf(bot.url) : 'Slack', tokenFile: null, open };
    }),
    ...pagerDuty.map(({ secret, url, severities }, index): AlertTarget => {
      const key = `alerts.pagerDuty[${index}]`;
      const open = (): AlertSink => {
        const routingKey = secretOf(secret, key);
        return forSeverities(severities, pagerDutySink({ url, routingKey, memory, name: `pagerduty ${index + 1}` }));
      };
      return { key, host: hostOf(url), tokenFile: null, open };
    }),
    ...email.map(({ host, port, tls, caFile, login, from, to, severities }, index): AlertTarget => {
      const key = `alerts.email[${index}]`;
      const open = (): AlertSink => {
        const ca = caFile === null ? {} : { ca: readFileSync(caFile, 'utf8') };
        const as = login === null ? {} : { login: { user: login.user, password: secretOf(login.secret, key) } };
        const name = `email ${index + 1} ${host}`;
        return forSeverities(severities, emailSink({ host, port, tls, ...ca, ...as, from, to, name }));
      };
      return { key, host, tokenFile: null, open };
    }),
  ];
}

function hostOf(url: string): string {
  return new URL(url).host;
}
