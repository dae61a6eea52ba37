import { parseDuration } from '../workers/configuration/duration';
import { badUse } from './failure';

/** `2026-11-23`, `2026-11-23T10:00Z`, `2026-11-23 10:00` (UTC), `20m ago`. A bare date means its end for `--at`. */
export function parseMoment(option: string, text: string, now: number): number {
  const relative = /^(\S+) ago$/.exec(text.trim());
  if (relative) return now - parseSpan(option, relative[1] ?? '');
  const trimmed = text.trim();
  if (/^\d{4}-\d{2}-\d{2}$/.test(trimmed)) return checked(option, text, Date.parse(`${trimmed}T23:59:59.999Z`));
  if (!/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(trimmed)) throw unreadable(option, text);
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/.test(trimmed) ? trimmed : `${trimmed.replace(/ ?UTC$/, '')}Z`;
  return checked(option, text, Date.parse(zoned.replace(' ', 'T')));
}

/** Milliseconds of `30m`. */
export function parseSpan(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms === 0) throw badUse(`${option}: found "${text}", expected a duration such as 90s, 30m or 2h`);
  return ms;
}

function checked(option: string, text: string, ms: number): number {
  if (Number.isNaN(ms) || ms < 0) throw unreadable(option, text);
  return ms;
}

function unreadable(option: string, text: string): Error {
  return badUse(
    `${option}: found "${text}", expected a moment such as 2026-11-23, "2026-11-23 10:00" (UTC), 2026-11-23T10:00:00Z or "20m ago"`,
  );
}
