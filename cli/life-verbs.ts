import type { Command } from 'commander';
import type { CommonOptions } from './context';
import { act, some, verb, type Run } from './verb';

type Reasoned = CommonOptions & { readonly reason?: string };

/** The life of an installation: backup, restore, and leaving. */
export function addLife(program: Command, run: Run): void {
  const backup = program.command('backup').description('one archive of everything that decisions rest on');
  verb(backup, 'make', 'writes the archive; the controller may run or not', { isDefault: true })
    .option('--out <path>', 'the archive, or the directory for it (required)')
    .option('--with-artifacts', 'with the files of every version, not their digests only')
    .action((o: CommonOptions & { out?: string; withArtifacts?: true }) =>
      run(o, async (context) =>
        (await import('./commands/backup')).backup(context, {
          ...some({ out: o.out }),
          withArtifacts: o.withArtifacts === true,
        }),
      ),
    );
  verb(backup, 'verify <archive>', 'compares every byte with the checksums that it was made with').action(
    (archive: string, o: CommonOptions) =>
      run(o, async (context) => (await import('./commands/backup')).verifyBackup(context, archive)),
  );

  act(program, 'detach [service]', 'takes lastgood out: the version that serves goes on, and nobody decides any more')
    .option('--force', 'also during a rollback or drill, and with sessions pinned elsewhere')
    .action((service: string | undefined, o: Reasoned & { dryRun?: true; force?: true }) =>
      run(o, async (context) =>
        (await import('./commands/detach')).detach(context, {
          ...some({ service, reason: o.reason }),
          dryRun: o.dryRun === true,
          force: o.force === true,
        }),
      ),
    );
  verb(program, 'attach <service>', 'takes a detached service on again, as one that something else runs')
    .option('--reason <text>', 'why: goes into the ledger with your name (required)')
    .action((service: string, o: Reasoned) =>
      run(o, async (context) =>
        (await import('./commands/detach')).attach(context, { service, ...some({ reason: o.reason }) }),
      ),
    );

  const restore = program
    .command('restore')
    .description('puts a backup into an empty place, and asks before it acts again');
  verb(restore, 'from <archive>', 'into an empty data directory and an empty Temporal', { isDefault: true })
    .option('--data <directory>', 'the empty data directory (required)')
    .option('--reason <text>', 'why: goes into the ledger with your name (required)')
    .action((archive: string, o: Reasoned & { data?: string }) =>
      run(o, async (context) =>
        (await import('./commands/restore')).restore(context, { archive, ...some({ data: o.data, reason: o.reason }) }),
      ),
    );
  verb(restore, 'differences [service]', 'what the backup had declared against what is found now').action(
    (service: string | undefined, o: CommonOptions) =>
      run(o, async (context) => (await import('./commands/restore')).differences(context, some({ service }))),
  );
  verb(restore, 'accept <service>', 'you have looked at the differences: it may act again')
    .option('--mode <mode>', 'observe, confirm or act; default the one of the backup')
    .option('--reason <text>', 'why: goes into the ledger with your name (required)')
    .action((service: string, o: Reasoned & { mode?: string }) =>
      run(o, async (context) =>
        (await import('./commands/restore')).accept(context, { service, ...some({ mode: o.mode, reason: o.reason }) }),
      ),
    );
}
