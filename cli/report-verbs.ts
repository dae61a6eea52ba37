import type { Command } from 'commander';
import type { CommonOptions } from './context';
import { some, verb, type Run } from './verb';

/** The verbs that sum up what is on record, and the one that tells it as it comes. */
export function addReports(program: Command, run: Run): void {
  verb(program, 'watch [service]', 'each decision and each change of the condition, as it happens')
    .option('--after <seq>', 'begin with the entry that follows this one in the ledger')
    .option('--timeout <duration>', 'end after this long, with the exit code of status')
    .action((service: string | undefined, o: CommonOptions & { after?: string; timeout?: string }) =>
      run(o, async (context) => {
        const { watch } = await import('./commands/watch');
        return watch(context, some({ service, after: o.after, timeout: o.timeout }));
      }),
    );
  verb(
    program,
    'report [incident-or-service]',
    'the report of an incident: all that is on record of it; default the newest',
  )
    .option('--service <service>', 'where the same id exists in several services')
    .option('--format <format>', 'md or html; default by the name of --out, else md')
    .option('--out <file>', 'write it into a new file')
    .action((what: string | undefined, o: CommonOptions & { service?: string; format?: string; out?: string }) =>
      run(o, async (context) => {
        const { service, format, out } = o;
        return (await import('./commands/report')).report(context, some({ what, service, format, out }));
      }),
    );
  verb(
    program,
    'exposure [service]',
    'what detection, decision, load, shift and verification cost, and what would be gained',
  )
    .option('--since <duration>', 'incidents that settled in this time', '30d')
    .action((service: string | undefined, o: CommonOptions & { since: string }) =>
      run(o, async (context) =>
        (await import('./commands/exposure')).exposureOf(context, { ...some({ service }), since: o.since }),
      ),
    );
}
