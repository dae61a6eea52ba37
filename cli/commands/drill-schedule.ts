import type { DrillScheduleView } from '../../api/types';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { parseSpan } from '../moment';
import { serviceFor } from '../names';
import { moment, span } from '../render/words';
import { requireReason } from './acts';
import { drillFields, type DrillOptions } from './drill';

export interface ScheduleOptions extends DrillOptions {
  readonly service?: string;
  readonly every?: string;
  readonly cron?: string;
  readonly pause?: boolean;
  readonly resume?: boolean;
  readonly remove?: boolean;
  readonly note?: string;
  readonly reason?: string;
}

/** `lastgood drill schedule`: shows it; with `--every` or `--cron` sets it; `--pause`, `--resume`, `--remove` change it. */
export async function scheduleDrills(context: Context, input: ScheduleOptions): Promise<number> {
  const { every, cron, pause, resume, remove } = input;
  const service = await serviceFor(context, input.service, (name) => `lastgood drill schedule ${name}`);
  const asked = [every, cron, pause, resume, remove].filter((one) => one !== undefined);
  if (asked.length > 1) throw badUse('expected one of --every, --cron, --pause, --resume, --remove');
  const client = context.client();
  if (asked.length === 0) return shown(context, service, await client.drillSchedule(service));
  const reason = requireReason(
    { ...input, ...(input.note !== undefined && { reason: input.note }) },
    `lastgood drill schedule ${service}`,
  );
  if (remove) return shown(context, service, await client.changeDrillSchedule(service, 'remove', { reason }));
  if (pause || resume)
    return shown(
      context,
      service,
      await client.changeDrillSchedule(service, 'pause', { reason, paused: pause === true }),
    );
  if (input.live)
    throw badUse(
      'a live drill is asked for by a person, each time',
      `lastgood drill run ${service} --live --reason '…'`,
    );
  const request = drillFields(input, service);
  const when = cron === undefined ? { everyMs: parseSpan('--every', every ?? '') } : { cron };
  return shown(context, service, await client.changeDrillSchedule(service, 'set', { ...when, reason, request }));
}

function shown(context: Context, service: string, schedule: DrillScheduleView | null): number {
  if (context.json) printJson(context.terminal, { service, schedule });
  else printLines(context.terminal, linesOf(service, schedule));
  return exitCodes.ok;
}

function linesOf(service: string, schedule: DrillScheduleView | null): string[] {
  if (schedule === null)
    return [
      `${service} has no schedule of drills`,
      `  lastgood drill schedule ${service} --every 7d --wrong 30% --reason '…'`,
    ];
  const { everyMs, cron, paused, note, next, skipped, request } = schedule;
  const when = cron ?? (everyMs === null ? '?' : `every ${span(everyMs)}`);
  const what = request === null ? '?' : `${request.way}, ${request.version ?? 'the live version made worse'}`;
  return [
    `${service}: ${when} (UTC), ${what}${paused ? '; paused' : ''}`,
    ...(note === null || note === '' ? [] : [`  note: ${note}`]),
    paused || next[0] === undefined ? '  no next one' : `  next: ${moment(next[0])}`,
    ...(skipped > 0 ? [`  ${skipped} not begun, because the one before was not over`] : []),
  ];
}
