import type { Command } from 'commander';
import type { CommonOptions } from './context';
import { some, verb, type Run } from './verb';

/** Who may do what: tokens for others, and what the controller makes of one's own. */
export function addIdentity(program: Command, run: Run): void {
  verb(program, 'whoami', 'who the controller takes you for, and what you may do').action((o: CommonOptions) =>
    run(o, async (context) => (await import('./commands/whoami')).whoami(context)),
  );
  verb(program, 'proposals', 'acts of regulated services that wait for a second person').action((o: CommonOptions) =>
    run(o, async (context) => (await import('./commands/second')).proposals(context)),
  );
  verb(program, 'second <proposal>', 'be the second person of an act that somebody else proposed')
    .option('--reason <text>', 'why: goes into the ledger with your name (required)')
    .action((id: string, o: CommonOptions & { reason?: string }) =>
      run(o, async (context) =>
        (await import('./commands/second')).second(context, { id, ...some({ reason: o.reason }) }),
      ),
    );
  const token = program.command('token').description('tokens of people and programs');
  verb(token, 'make', 'a new token, shown once, and the entry with its hash')
    .option('--name <name>', 'who it is for: stands in the ledger (required)')
    .option('--role <role>', 'viewer, releaser, operator, breaker-clearer or admin; may be repeated', collect, [])
    .option('--service <service>', 'only for this service; may be repeated', collect, [])
    .option('--metric <metric>', 'for a program: may only push this metric (`labels` for labels)', collect, [])
    .option('--expires <duration>', 'how long it is good for', '90d')
    .action((o: CommonOptions & Given) =>
      run(o, async (context) => {
        const { role, service, metric, expires, name } = o;
        const { makeToken } = await import('./commands/token');
        return makeToken(context, { ...some({ name }), roles: role, services: service, metrics: metric, expires });
      }),
    );
}

interface Given {
  readonly name?: string;
  readonly role: readonly string[];
  readonly service: readonly string[];
  readonly metric: readonly string[];
  readonly expires: string;
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
