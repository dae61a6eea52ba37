import { z } from 'zod';
import { durationPattern, durationText, durationWords, parseDuration } from './duration';
import { SERVICE_NAME, VERSION_NAME } from '../../domain/names';

/**
 * Building blocks of the configuration's schema. A message says what is *expected*; place and finding are added by
 * `problems.ts`.
 */
export interface DurationLimits {
  readonly min?: string;
  readonly max?: string;
}

/** A duration as text, milliseconds after parsing. */
export function duration(limits: DurationLimits = {}) {
  const min = limits.min === undefined ? 0 : (parseDuration(limits.min) ?? 0);
  const max = limits.max === undefined ? Infinity : (parseDuration(limits.max) ?? Infinity);
  const words =
    durationWords +
    (limits.min === undefined ? '' : `, at least ${limits.min}`) +
    (limits.max === undefined ? '' : `, at most ${limits.max}`);
  return z
    .string(words)
    .regex(durationPattern, words)
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms !== null && ms >= min && ms <= max) return ms;
      context.addIssue({ code: 'custom', message: words, input: text });
      return z.NEVER;
    });
}

export const durationOf = durationText;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const listenWords = 'host:port, such as 127.0.0.1:8080 (port 0 takes any free one)';

/** `host:port`, `[::1]:port`. */
export const listenAddress = z
  .string(listenWords)
  .regex(/^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, listenWords)
  .transform((text, context): ListenAddress => {
    const cut = text.lastIndexOf(':');
    const port = Number(text.slice(cut + 1));
    if (port > 65_535) context.addIssue({ code: 'custom', message: listenWords, input: text });
    return { host: text.slice(0, cut).replace(/^\[|\]$/g, ''), port };
  });

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

const httpWords = 'an http:// or https:// address';
export const httpUrl = z.url({ protocol: /^https?$/, error: httpWords });
/** Of an Alertmanager: its API's own path is added here. */
export const alertmanagerUrl = httpUrl.refine(
  (url) => !/^https?:\/\/[^/]+\/(.*\/)?api(\/|$)/i.test(url),
  'the base address, such as http://127.0.0.1:9093',
);
/** `http://host:port` without a path, as backends are named. */
export const backendAddress = z
  .string('http://host:port without a path')
  .regex(/^https?:\/\/[^/\s@]+$/, 'http://host:port without a path');

export const versionName = z
  .string('a version name in quotes: letters, digits, . _ + -')
  .regex(VERSION_NAME, 'a version name: letters, digits, . _ + -');

export const serviceName = z
  .string()
  .regex(SERVICE_NAME, 'a service name: lower-case letters, digits and -, at most 63');

export const path = z.string('a path').min(1, 'a path');
export const rate = z.number('a number from 0 to 1').min(0, 'a number from 0 to 1').max(1, 'a number from 0 to 1');

export function count(min: number, max: number) {
  const words = `a whole number from ${min} to ${max}`;
  return z.int(words).min(min, words).max(max, words);
}

const sizePattern = /^(0|[1-9]\d{0,8})(B|KiB|MiB|GiB)$/;
const sizeWords = 'a size such as 64KiB or 1MiB';
const sizeUnits: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A size as text, bytes after parsing. */
export const size = z
  .string(sizeWords)
  .regex(sizePattern, sizeWords)
  .transform((text) => {
    const match = sizePattern.exec(text);
    return Number(match?.[1] ?? 0) * (sizeUnits[match?.[2] ?? 'B'] ?? 1);
  });

/** A secret never stands in the configuration: a file or a variable of the environment has it. */
export function secretSource() {
  return {
    secretFile: path.optional(),
    secretEnv: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
      .optional(),
  };
}

export function oneSecret<T extends z.ZodType<{ secretFile?: string | undefined; secretEnv?: string | undefined }>>(
  schema: T,
): T {
  return schema.refine((given) => (given.secretFile === undefined) !== (given.secretEnv === undefined), {
    message: 'exactly one of secretFile and secretEnv (the secret itself never stands in this file)',
  });
}
