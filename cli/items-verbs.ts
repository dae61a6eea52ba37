import type { Command } from 'commander';
import type { CommonOptions } from './context';
import { some, verb, type Run } from './verb';

type About = CommonOptions & { pipeline?: string; outcome?: string; reason?: string };

/** The verbs on what a degraded version handled in pipelines. */
export function addItems(program: Command, run: Run): void {
  const items = program
    .command('items')
    .description('what a degraded version handled in pipelines, and what was done with it');
  verb(items, 'list <service>', 'incidents with items, newest first').action((service: string, o: CommonOptions) =>
    run(o, async (context) => (await import('./commands/items')).listItems(context, service)),
  );
  verb(items, 'show <service> <incident>', 'every item by its id, and how it ended')
    .option('--pipeline <name>', 'only of this pipeline')
    .option('--outcome <outcome>', 'only these: redone, flushed, flagged, superseded, gone, partly-handled')
    .action((service: string, incident: string, o: About) =>
      run(o, async (context) => {
        const { pipeline, outcome } = o;
        return (await import('./commands/items')).showItems(context, {
          service,
          incident,
          ...some({ pipeline, outcome }),
        });
      }),
    );
  const acts = [
    ['sign-off', 'say that you have looked at them; goes into the ledger with your name'],
    ['retry', 'ask a pipeline that is down again now'],
    ['skip', 'leave what is not treated yet as it is'],
  ] as const;
  for (const [act, description] of acts) {
    verb(items, `${act} <service> <incident>`, description)
      .option('--pipeline <name>', act === 'sign-off' ? 'only of this pipeline' : 'which pipeline (required)')
      .option('--reason <text>', 'why: goes into the ledger with your name (required)')
      .action((service: string, incident: string, o: About) =>
        run(o, async (context) => {
          const { pipeline, reason } = o;
          return (await import('./commands/items')).tellItems(context, act, {
            service,
            incident,
            ...some({ pipeline, reason }),
          });
        }),
      );
  }
}
