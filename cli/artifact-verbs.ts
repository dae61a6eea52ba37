import type { Command } from 'commander';
import type { CommonOptions } from './context';
import { some, verb, type Options, type Run } from './verb';

/** The verbs that work on the artifact store of this machine. */
export function addArtifacts(program: Command, run: Run): void {
  const artifacts = program.command('artifacts').description('the artifact store');
  verb(artifacts, 'manifest <directory>', 'write the manifest of a version, with roles guessed from the names')
    .option('--service <name>', 'name of the service (required)')
    .option('--version <version>', 'name of the version (required)')
    .option('--model <name>', 'name of the model, as its server knows it (required)')
    .option('--engine <engine>', 'what serves it', 'open-inference')
    .option('--preprocessing <version>', 'version of what turns a request into input of the model', '1')
    .option('--role <path=role>', 'the role of a file, instead of the guessed one; may be repeated', collect, [])
    .option('--force', 'write over a manifest that is there')
    .option('--dry-run', 'only say what would be written')
    .action((directory: string, o: CommonOptions & ManifestOptions) =>
      run(o, async (context) => {
        const { service, version, model, engine, preprocessing, role: roles } = o;
        return (await import('./commands/manifest')).manifest(context, {
          ...some({ service, version, model }),
          ...{ directory, engine, preprocessing, roles, dryRun: o.dryRun === true, force: o.force === true },
        });
      }),
    );
  verb(artifacts, 'profile <file>', 'what inputs look like: of a file with one request body a line')
    .option('--out <file>', 'write it there, such as DIRECTORY/profile.json; default: print it')
    .action((file: string, o: CommonOptions & { out?: string }) =>
      run(o, async (context) =>
        (await import('./commands/profile')).profileInputs(context, { file, ...some({ out: o.out }) }),
      ),
    );
  verb(artifacts, 'import <directory>', 'take a copy of a version, verified')
    .option('--dry-run', 'only check it, and say what would be imported')
    .action((path: string, o: CommonOptions & { dryRun?: true }) =>
      run(o, async (context) =>
        (await import('./commands/artifacts')).importArtifact(context, { path, dryRun: o.dryRun === true }),
      ),
    );
  verb(
    artifacts,
    'pull [service] [version]',
    'bring a version of the registry in: v12, 1.4.0, @alias; default the newest',
  )
    .option('--newest <n>', 'the newest so many')
    .action((service: string | undefined, version: string | undefined, o: CommonOptions & { newest?: string }) =>
      run(o, async (context) =>
        (await import('./commands/registry')).pullArtifacts(context, some({ service, version, newest: o.newest })),
      ),
    );
  verb(
    artifacts,
    'sync [service]',
    'look at the registry: what moved, what is gone; bring in the newest validated versions',
  )
    .option('--dry-run', 'only say what would be fetched')
    .action((service: string | undefined, o: CommonOptions & { dryRun?: true }) =>
      run(o, async (context) =>
        (await import('./commands/registry')).syncArtifacts(context, {
          ...some({ service }),
          dryRun: o.dryRun === true,
        }),
      ),
    );
  verb(artifacts, 'list [service]', 'the versions').action((service: string | undefined, o: Options) =>
    run(o, async (context) => (await import('./commands/artifacts')).listArtifacts(context, some({ service }))),
  );
  verb(artifacts, 'verify [service@version]', 'every file against its manifest').action(
    (what: string | undefined, o: Options) =>
      run(o, async (context) => (await import('./commands/artifacts')).verifyArtifacts(context, some({ what }))),
  );
  verb(artifacts, 'prune [service]', 'remove old versions; those that could still be chosen stay')
    .option('--keep <n>', 'how many choosable versions stay, at least 3', '3')
    .option('--reason <text>', 'why: goes into the ledger with your name (required, but not with --dry-run)')
    .option('--dry-run', 'only say what would go')
    .action((service: string | undefined, o: CommonOptions & { keep: string; reason?: string; dryRun?: true }) =>
      run(o, async (context) =>
        (await import('./commands/prune')).pruneArtifacts(context, {
          ...some({ service, reason: o.reason }),
          ...{ keep: o.keep, dryRun: o.dryRun === true },
        }),
      ),
    );
}

interface ManifestOptions {
  readonly service?: string;
  readonly version?: string;
  readonly model?: string;
  readonly engine: string;
  readonly preprocessing: string;
  readonly role: readonly string[];
  readonly dryRun?: true;
  readonly force?: true;
}

function collect(one: string, before: readonly string[]): readonly string[] {
  return [...before, one];
}
