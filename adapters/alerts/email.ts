import { createHash } from 'node:crypto';
import { connect, isIP, type Socket } from 'node:net';
import { createTransport, type SendMailOptions } from 'nodemailer';
import type { Alert } from '../../activities/ports';
import { renderAlert, renderAlertLine } from './message';
import { delivered, type Attempted, type RetryLimits } from './retries';
import { AlertSinkMisconfigured, type AlertSink } from './sink';
import { AddressRefused, addressRefused, pinnedLookup } from './webhook-address';

export interface EmailOptions extends RetryLimits {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** `starttls` is required, never merely tried: a server that does not offer it gets no mail. */
  readonly tls: 'starttls' | 'implicit' | 'none';
  /** Certificates that the server's one must come from; default: those that Node knows. */
  readonly ca?: string;
  /** The password is read at each delivery. */
  readonly login?: { readonly user: string; readonly password: () => string };
  readonly from: string;
  readonly to: readonly string[];
}

/**
 * Sends by SMTP. The `Message-ID` is the alert's key, so that a mail which is sent twice is one mail for its readers, and every
 * mail of an incident refers to the same first one and has the same subject: one thread, in clients that go by either.
 */
export function emailSink(options: EmailOptions): AlertSink {
  const { host, port } = options;
  if (isIP(host) !== 0 && addressRefused(host))
    throw new AlertSinkMisconfigured(`the mail server ${host} is link-local or a metadata service: refused`);
  return {
    name: options.name,
    deliver: (alert, signal) => {
      const mail = mailOf(alert, options);
      return delivered(`the mail server at ${host}:${port}`, options, signal, (total) => attempt(options, mail, total));
    },
  };
}

async function attempt(options: EmailOptions, mail: SendMailOptions, signal: AbortSignal): Promise<Attempted> {
  const limitMs = options.attemptLimitMs ?? 5_000;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  let socket: Socket | null = null;
  const { host, port, tls, ca, login } = options;
  const transport = createTransport({
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    // The name that the certificate must be for; as SNI an address is not allowed.
    tls: {
      host,
      ...(isIP(host) === 0 && { servername: host }),
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
    },
    ...(login === undefined ? {} : { auth: { user: login.user, pass: login.password() } }),
    connectionTimeout: limitMs,
    greetingTimeout: limitMs,
    socketTimeout: limitMs,
    disableFileAccess: true,
    disableUrlAccess: true,
    // A socket of our own: its address is checked, and it can be ended whatever the server does.
    getSocket: (_options, callback) => {
      const opened = connect({ host, port, lookup: pinnedLookup() });
      socket = opened;
      opened.once('error', (error) => callback(error, false));
      opened.once('connect', () => callback(null, { connection: opened }));
    },
  });
  let stop = (): void => {};
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new Error('no answer in time'));
    limited.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([transport.sendMail(mail), stopped]);
    return { delivered: true };
  } catch (error) {
    if (limited.aborted) return { delivered: false, final: signal.aborted, why: 'no answer in time' };
    return judge(error as SmtpError);
  } finally {
    limited.removeEventListener('abort', stop);
    (socket as Socket | null)?.destroy();
    transport.close();
  }
}

interface SmtpError extends Error {
  readonly code?: string;
  readonly responseCode?: number;
}

/** 4xx is for now and 5xx for good; a login or certificate that is refused will be so again. What the server wrote is left out. */
function judge(error: SmtpError): Attempted {
  if (error instanceof AddressRefused) return { delivered: false, final: true, why: error.message };
  const { code = error.name, responseCode } = error;
  if (responseCode !== undefined)
    return { delivered: false, final: responseCode >= 500, why: `it answered ${responseCode} (${code})` };
  return { delivered: false, final: code === 'EAUTH' || code === 'ETLS' || /CERT|SELF_SIGNED/.test(code), why: code };
}

function mailOf(alert: Alert, { from, to }: EmailOptions): SendMailOptions {
  const { key, service, incident, severity, at } = alert;
  const domain = /@([A-Za-z0-9.-]+)>?$/.exec(from)?.[1] ?? 'lastgood.invalid';
  const thread = incident === null ? null : idOf(`thread ${service}/${incident}`, domain);
  return {
    from,
    to: [...to],
    date: new Date(at),
    messageId: idOf(key, domain),
    // The first mail need not exist: clients file what refers to the same one together.
    ...(thread === null ? {} : { inReplyTo: thread, references: thread }),
    subject: incident === null ? renderAlertLine(alert) : `[lastgood] ${service}: incident ${incident}`,
    ...(severity === 'page' ? { priority: 'high' as const } : {}),
    headers: {
      'X-Lastgood-Severity': severity,
      'Auto-Submitted': 'auto-generated',
      ...(severity === 'page' ? {} : { 'X-Auto-Response-Suppress': 'All' }),
    },
    text: `${renderAlert(alert)}\n`,
  };
}

function idOf(text: string, domain: string): string {
  return `<${createHash('sha256').update(text).digest('hex').slice(0, 40)}@${domain}>`;
}
