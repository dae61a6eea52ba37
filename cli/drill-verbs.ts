import { InvalidArgumentError, type Command } from 'commander';
import type { CommonOptions } from './context';
import type { DrillOptions } from './commands/drill';
import { act, some, verb, type Run } from './verb';

type Acting = CommonOptions & DrillOptions & { reason?: string; dryRun?: true; wait?: true };
type Scheduling = Acting & { every?: string; cron?: string; pause?: true; resume?: true; remove?: true; note?: string };

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}

/** What is worse, on whose requests, for how long. */
function worse(command: Command): Command {
  return command
    .option('--version <version>', 'a worse version of the store')
    .option('--wrong <part>', 'the live version with so many wrong answers, such as 30%')
    .option('--added <duration>', 'the live version, so much later, such as 500ms')
    .option('--truncate <characters>', 'the live version with its text cut')
    .option('--replay', 'on recorded inputs instead of copies of requests')
    .option('--share <part>', 'part of the requests; default 20% of copies, 5% of users')
    .option('--for <duration>', 'at most so long; default 10m, live 5m')
    .option('--expect <tier>', 'the tier that must find it: immediate, short-window, trend');
}

function options(o: DrillOptions): DrillOptions {
  const { version, wrong, added, truncate, replay, live, share, expect } = o;
  return some({ version, wrong, added, truncate, replay, live, share, for: o.for, expect });
}

/** Rehearsals of an incident, and what came of them. */
export function addDrills(program: Command, run: Run): void {
  const drill = program
    .command('drill')
    .description('rehearsals: a worse version that must be found and led back from');
  const drills = (): Promise<typeof import('./commands/drill')> => import('./commands/drill');
  worse(act(drill, 'run [service]', 'one drill now, on copies of requests that no user sees'))
    .option('--live', 'on users: only where the policy allows it, at most 5 %, for a limited time')
    .option('--wait', 'until it has ended; ends with 1 where it did not pass')
    .action((service: string | undefined, o: Acting) =>
      run(o, async (context) =>
        (await drills()).runDrill(context, {
          ...some({ service, reason: o.reason, dryRun: o.dryRun, wait: o.wait }),
          ...options(o),
        }),
      ),
    );
  worse(verb(drill, 'schedule [service]', 'drills that begin by themselves: shows, sets, pauses or removes them'))
    .option('--every <duration>', 'such as 7d')
    .option('--cron <expression>', 'five fields in UTC, such as "0 3 * * 1"')
    .option('--pause', 'none until --resume')
    .option('--resume', 'go on')
    .option('--remove', 'none any more')
    .option('--note <text>', 'why, for whoever looks at the schedule; the same as --reason')
    .option('--reason <text>', 'why: goes into the ledger with your name')
    .action((service: string | undefined, o: Scheduling) =>
      run(o, async (context) => {
        const { every, cron, pause, resume, remove, note, reason } = o;
        const { scheduleDrills } = await import('./commands/drill-schedule');
        return scheduleDrills(context, {
          ...some({ service, every, cron, pause, resume, remove, note, reason }),
          ...options(o),
        });
      }),
    );
  verb(drill, 'list [service]', 'drills on record, newest first, with the time of each stage')
    .option('--limit <n>', 'how many', count, 20)
    .action((service: string | undefined, o: CommonOptions & { limit: number }) =>
      run(o, async (context) => (await drills()).listDrills(context, { ...some({ service }), limit: o.limit })),
    );
  verb(drill, 'show [drill]', 'one drill, and what it cannot have proven; default the newest')
    .option('--service <service>', 'of which service')
    .action((id: string | undefined, o: CommonOptions & { service?: string }) =>
      run(o, async (context) => (await drills()).showDrill(context, some({ drill: id, service: o.service }))),
    );
  verb(drill, 'compare [drill]', 'its stages against those of earlier drills; ends with 1 where one got slower')
    .option('--service <service>', 'of which service')
    .action((id: string | undefined, o: CommonOptions & { service?: string }) =>
      run(o, async (context) => (await drills()).compareDrills(context, some({ drill: id, service: o.service }))),
    );
}
