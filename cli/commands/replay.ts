import type { Configuration, ServiceConfiguration } from '../../workers/configuration/configuration';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, unreachable } from '../failure';
import { parseMoment } from '../moment';
import { renderReplay } from '../render/replay';
import { loadWhole } from './whole-configuration';

export interface ReplayOptions {
  readonly service?: string;
  readonly policy?: string;
  readonly from?: string;
  readonly to?: string;
  readonly csv?: string;
  readonly telemetry?: string;
}

const defaultBackMs = 24 * 3_600_000;

/**
 * `lastgood replay`: the policy over a record, without moving anything. Ends with 0 where nothing would have been rolled
 * back, 1 where something would, 3 where nothing was measured.
 */
export async function replay(context: Context, options: ReplayOptions): Promise<number> {
  if (options.csv !== undefined && options.telemetry !== undefined)
    throw badUse('--csv and --telemetry: found both, expected one record');
  const configuration = await loadWhole(context, options.policy);
  const service = serviceOf(configuration, options.service);
  const now = context.terminal.now();
  const isFile = options.csv !== undefined;
  const fromMs =
    options.from === undefined ? (isFile ? null : now - defaultBackMs) : begin('--from', options.from, now);
  const toMs = options.to === undefined ? (isFile ? Infinity : now) : parseMoment('--to', options.to, now);
  if (fromMs !== null && fromMs >= toMs) throw badUse('--from: is not before --to');
  const engine = await import('../../workers/replay/replay');
  try {
    const found = await engine.replay(configuration, {
      service,
      csv: options.csv ?? null,
      telemetry: options.telemetry ?? null,
      fromMs,
      toMs,
    });
    if (context.json) printJson(context.terminal, found);
    else printLines(context.terminal, renderReplay(found));
    if (found.rows === 0 && found.values === 0) return exitCodes.unmeasured;
    return found.decisions.some(({ what }) => what !== 'hold') ? exitCodes.degraded : exitCodes.ok;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name === 'RecordRefused') throw badUse(error.message, 'lastgood replay --help');
    if (error.name.startsWith('Gateway'))
      throw unreachable(
        error.message,
        'start it (lastgood up), or give a copy of its database with --telemetry',
        error,
      );
    throw error;
  }
}

/** A bare date begins where it begins; elsewhere it means its end. */
function begin(option: string, text: string, now: number): number {
  return parseMoment(option, /^\d{4}-\d{2}-\d{2}$/.test(text.trim()) ? `${text.trim()} 00:00` : text, now);
}

function serviceOf({ services, file }: Configuration, name: string | undefined): ServiceConfiguration {
  const names = services.map((service) => service.name);
  const found = name === undefined && services.length === 1 ? services[0] : services.find((one) => one.name === name);
  if (found) return found;
  if (name === undefined) throw badUse(`--service: is missing, expected one of ${names.join(', ')}`);
  throw badUse(`--service: found "${name}", expected one of ${names.join(', ')} of ${file}`);
}
