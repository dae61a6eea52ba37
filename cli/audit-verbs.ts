import type { Command } from 'commander';
import type { CommonOptions } from './context';
import { some, verb, type Run } from './verb';

/** The ledger as evidence: recomputed, and given away. */
export function addAudit(program: Command, run: Run): void {
  const audit = program.command('audit').description('the ledger itself');
  verb(audit, 'verify [service]', 'recompute the chain and compare it with its anchors')
    .option('--anchors <file>', 'recompute here, against a copy of the anchors that you keep')
    .option('--bundle <directory>', 'what `audit export` wrote, instead of a ledger; needs no controller')
    .option('--public-key <file>', 'with --bundle: the key that it must be signed with')
    .action(
      (service: string | undefined, o: CommonOptions & { anchors?: string; bundle?: string; publicKey?: string }) =>
        run(o, async (context) => {
          const { anchors, bundle, publicKey } = o;
          if (bundle === undefined)
            return (await import('./commands/audit')).verifyAudit(context, some({ service, anchors }));
          return (await import('./commands/audit-bundle')).verifyBundle(context, { bundle, ...some({ publicKey }) });
        }),
    );
  verb(
    audit,
    'export [service]',
    'write the decisions of a time, and what they name, as a signed directory that proves itself',
  )
    .option('--from <time>', 'its beginning (required)')
    .option('--to <time>', 'its end; default now')
    .option('--key <file>', 'private key, Ed25519 (required; openssl genpkey -algorithm ed25519)')
    .option('--out <directory>', 'a directory that is not there yet (required)')
    .action(
      (service: string | undefined, o: CommonOptions & { from?: string; to?: string; key?: string; out?: string }) =>
        run(o, async (context) => {
          const { from, to, key, out } = o;
          return (await import('./commands/audit-bundle')).exportAudit(context, some({ service, from, to, key, out }));
        }),
    );
}
