import { Command, InvalidArgumentError } from 'commander';
import { addArtifacts } from './artifact-verbs';
import { addAudit } from './audit-verbs';
import type { ReplayOptions } from './commands/replay';
import { addChaos } from './chaos-verbs';
import type { CommonOptions } from './context';
import { addIdentity } from './identity-verbs';
import { addLife } from './life-verbs';
import { addItems } from './items-verbs';
import { addDrills } from './drill-verbs';
import { addReports } from './report-verbs';
import type { Terminal } from './terminal';
import { act, some, verb, type Options, type Run } from './verb';

/** Every verb with its arguments. What a verb does is loaded when it runs: `status` must not pay for `up`. */
export function buildProgram(terminal: Terminal, run: Run): Command {
  const program = new Command('lastgood')
    .description('Keeps a model endpoint on its last known good version.')
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
      outputError: (text, write) => write(`lastgood: ${text.replace(/^error: /, '')}`),
    })
    .exitOverride()
    .showSuggestionAfterError()
    // Before a verb only: the drill and artifact verbs have a --version of their own.
    .enablePositionalOptions()
    .option('-V, --version', 'what this is: version, commit, and the numbers that must fit when releases meet')
    .addHelpText('after', helpText);
  addReading(program, run);
  addActs(program, run);
  addDrills(program, run);
  addLocal(program, run);
  addArtifacts(program, run);
  addIdentity(program, run);
  addLife(program, run);
  addChaos(program, run);
  return program;
}

const helpText = `
Exit codes: 0 ok; 1 degraded or acting (status, gate), refused or not found (others); 2 needs a human; 3 unmeasured;
4 not ready to roll back; 64 bad use; 69 unreachable; 70 a fault of lastgood.`;

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}

function addReading(program: Command, run: Run): void {
  verb(program, 'status [service]', 'ready to roll back or why not; versions, tiers, brakes, incident')
    .option('-w, --watch', 'again and again')
    .option('--every <duration>', 'how often with --watch', '2s')
    .option('--timeout <duration>', 'with --watch: end after this long, or as soon as all is ok')
    .action((service: string | undefined, o: CommonOptions & { watch?: true; every: string; timeout?: string }) =>
      run(o, async (context) => {
        const { status } = await import('./commands/status');
        const { parseSpan } = await import('./moment');
        const timeoutMs = o.timeout === undefined ? null : parseSpan('--timeout', o.timeout);
        return status(context, {
          ...some({ service }),
          watch: o.watch === true,
          everyMs: parseSpan('--every', o.every),
          timeoutMs,
        });
      }),
    );
  verb(program, 'gate <service@version>', 'may a pipeline deploy this version now, or is it live and well').action(
    (what: string, o: Options) => run(o, async (context) => (await import('./commands/gate')).gate(context, { what })),
  );
  verb(program, 'explain [incident-or-service]', 'an incident as a colleague would sum it up; default the newest')
    .option('--service <service>', 'where the same id exists in several services')
    .option('--chart <file>', 'write the picture of its metric (SVG) into a new file instead')
    .action((what: string | undefined, o: CommonOptions & { service?: string; chart?: string }) =>
      run(o, async (context) =>
        (await import('./commands/explain')).explain(context, some({ what, service: o.service, chart: o.chart })),
      ),
    );
  addReports(program, run);
  addItems(program, run);
  verb(program, 'incidents [service]', 'incidents, newest first')
    .option('--limit <n>', 'how many', count, 20)
    .action((service: string | undefined, o: CommonOptions & { limit: number }) =>
      run(o, async (context) =>
        (await import('./commands/incidents')).incidents(context, { ...some({ service }), limit: o.limit }),
      ),
    );
  verb(program, 'history [service]', 'the decisions; with --at which version was live then, and who decided it')
    .option('--at <date>', 'a moment: 2026-11-23, "2026-11-23 10:00" (UTC), "20m ago"')
    .option('--limit <n>', 'how many lines', count, 50)
    .option('--all', 'every entry, steps and standbys too')
    .action((service: string | undefined, o: CommonOptions & { at?: string; limit: number; all?: true }) =>
      run(o, async (context) =>
        (await import('./commands/history')).history(context, {
          ...some({ service, at: o.at }),
          limit: o.limit,
          all: o.all === true,
        }),
      ),
    );
  verb(
    program,
    'which [request-id]',
    'which version answered a request, or at a time; who made it live, who vouched for it',
  )
    .option('--service <service>', 'with --at and --day')
    .option('--at <time>', 'a moment instead of a request')
    .option('--day <date>', 'a day (UTC) instead of a request: every version that was live on it')
    .action((requestId: string | undefined, o: CommonOptions & { service?: string; at?: string; day?: string }) =>
      run(o, async (context) =>
        (await import('./commands/which')).which(
          context,
          some({ requestId, service: o.service, at: o.at, day: o.day }),
        ),
      ),
    );
  const caches = program.command('caches').description('output caches, which hold what versions answered');
  verb(caches, 'show [service]', 'what each may serve, hit rate, last change', { isDefault: true }).action(
    (service: string | undefined, o: Options) =>
      run(o, async (context) => (await import('./commands/caches')).showCaches(context, some({ service }))),
  );
  verb(caches, 'invalidate <service> [cache]', 'nothing that is stored now is served again')
    .option('--reason <text>', 'why; stands in the ledger')
    .action((service: string, cache: string | undefined, o: CommonOptions & { reason?: string }) =>
      run(o, async (context) =>
        (await import('./commands/caches')).invalidateCaches(context, {
          service,
          ...some({ cache, reason: o.reason }),
        }),
      ),
    );
  addAudit(program, run);
}

function addActs(program: Command, run: Run): void {
  const operator = (): Promise<typeof import('./commands/operator')> => import('./commands/operator');
  act(program, 'deploy <service@version>', 'bring a version live')
    .option('--after', 'queue it behind what is in flight')
    .option('--wait', 'print its steps until it has ended')
    .action((what: string, o: Acting & { after?: true }) =>
      run(o, async (context) => (await operator()).deploy(context, { ...acting(o), what, after: o.after === true })),
    );
  act(program, 'rollback [service]', 'back to the last known good version')
    .option('--to <version>', 'a certain one')
    .option('--wait', 'print its steps until it has ended')
    .action((service: string | undefined, o: Acting & { to?: string }) =>
      run(o, async (context) => (await operator()).rollback(context, { ...acting(o), ...some({ service, to: o.to }) })),
    );
  act(program, 'approve <incident>', 'let a proposed rollback go ahead, or --deny it')
    .option('--deny', 'nothing is to be moved')
    .option('--service <service>', 'where the same id is open in several services')
    .action((incident: string, o: Acting & { deny?: true; service?: string }) =>
      run(o, async (context) =>
        (await operator()).approve(context, {
          ...acting(o),
          incident,
          deny: o.deny === true,
          ...some({ service: o.service }),
        }),
      ),
    );
  act(program, 'intervene <id> <action>', 'say how an operation that waits goes on: retry, choose, accept, abort')
    .option('--target <version>', 'with choose')
    .option('--service <service>', 'where the same id is open in several services')
    .action((id: string, action: string, o: Acting & { target?: string; service?: string }) =>
      run(o, async (context) =>
        (await operator()).intervene(context, {
          ...acting(o),
          id,
          action,
          ...some({ target: o.target, service: o.service }),
        }),
      ),
    );
  act(program, 'cancel [service-or-id]', 'stop the operation in flight before it moves traffic').action(
    (what: string | undefined, o: Acting) =>
      run(o, async (context) => (await operator()).cancel(context, { ...acting(o), ...some({ what }) })),
  );
  const breaker = program.command('breaker').description('the brake that two rollbacks in a row open');
  act(breaker, 'clear [service]', 'let lastgood act by itself again')
    .option('--epoch <n>', 'the opening that you looked at, as status shows it')
    .action((service: string | undefined, o: Acting & { epoch?: string }) =>
      run(o, async (context) =>
        (await operator()).clearBreaker(context, { ...acting(o), ...some({ service, epoch: o.epoch }) }),
      ),
    );
  const quarantine = program.command('quarantine').description('versions that were rolled back from');
  verb(quarantine, 'list [service]', 'what may not be chosen, and why').action(
    (service: string | undefined, o: Options) =>
      run(o, async (context) => (await import('./commands/quarantine')).listQuarantine(context, some({ service }))),
  );
  const judging = (
    parent: Command,
    name: string,
    what: 'vouch' | 'revoke' | 'clearQuarantine',
    words: string,
  ): void => {
    act(parent, `${name} <service@version>`, words).action((version: string, o: Acting) =>
      run(o, async (context) => (await operator()).judgeVersion(context, { ...acting(o), act: what, what: version })),
    );
  };
  judging(quarantine, 'clear', 'clearQuarantine', 'let it be chosen again, after new probes');
  judging(program, 'vouch', 'vouch', 'say with your name that a version is good: the hold move goes there');
  judging(program, 'revoke', 'revoke', 'never choose a version again');
  act(program, 'pause [service]', 'stop acting, not watching; ends by itself')
    .option('--for <duration>', 'how long, such as 30m (required)')
    .action((service: string | undefined, o: Acting & { for?: string }) =>
      run(o, async (context) => (await operator()).pause(context, { ...acting(o), ...some({ service, for: o.for }) })),
    );
  act(program, 'resume [service]', 'act again').action((service: string | undefined, o: Acting) =>
    run(o, async (context) => (await operator()).resume(context, { ...acting(o), ...some({ service }) })),
  );
  act(program, 'mode <mode> [service]', 'observe: only watch; confirm: propose and wait; act').action(
    (mode: string, service: string | undefined, o: Acting) =>
      run(o, async (context) => (await operator()).setMode(context, { ...acting(o), mode, ...some({ service }) })),
  );
}

type Acting = CommonOptions & { reason?: string; dryRun?: true; wait?: true };

function acting({ reason, dryRun, wait }: Acting): { reason?: string; dryRun?: boolean; wait?: boolean } {
  return some({ reason, dryRun, wait });
}

function addLocal(program: Command, run: Run): void {
  verb(program, 'up', 'run everything of one machine in the foreground')
    .option('--policy <file>', 'policies laid over those of the configuration')
    .option('--keep-serving', 'leave the serving processes at the end')
    .action((o: CommonOptions & { policy?: string; keepServing?: true }) =>
      run(o, async (context) =>
        (await import('./commands/up')).up(context, some({ policy: o.policy, keepServing: o.keepServing })),
      ),
    );
  verb(program, 'init', 'write a configuration that only observes an endpoint which already runs')
    .option('--url <url>', 'where it runs (required)')
    .option('--service <name>', 'name of the service')
    .option('--model <name>', 'name of the model, as its server knows it')
    .option('--engine <engine>', 'open-inference or openai; default: asked')
    .option('--force', 'write over a file that is there')
    .action((o: CommonOptions & { url?: string; service?: string; model?: string; engine?: string; force?: true }) =>
      run(o, async (context) => {
        const { init } = await import('./commands/init');
        return init(context, {
          ...some({ url: o.url, service: o.service, model: o.model, engine: o.engine }),
          force: o.force === true,
        });
      }),
    );
  verb(program, 'validate', 'check the configuration, and ask every source once')
    .option('--policy <file>', 'with these policies laid over it')
    .option('--offline', 'only the file')
    .action((o: CommonOptions & { policy?: string; offline?: true }) =>
      run(o, async (context) =>
        (await import('./commands/validate')).validate(context, {
          ...some({ policy: o.policy }),
          offline: o.offline === true,
        }),
      ),
    );
  verb(program, 'replay', 'what a policy would have done with what was recorded; moves nothing')
    .option('--service <service>', 'which; default the only one')
    .option('--policy <file>', 'policies laid over those of the configuration: the way to try one')
    .option('--from <time>', 'default 24h ago, with --csv its first value')
    .option('--to <time>', 'default now, with --csv its last value')
    .option('--csv <file>', 'recorded values (time,metric,value,n[,version]) instead of the gateway')
    .option('--telemetry <file>', "a copy of a gateway's database instead of the running gateway")
    .action((o: CommonOptions & ReplayOptions) =>
      run(o, async (context) => {
        const { service, policy, from, to, csv, telemetry } = o;
        return (await import('./commands/replay')).replay(context, some({ service, policy, from, to, csv, telemetry }));
      }),
    );
  const haproxy = program.command('haproxy').description('HAProxy as the router');
  verb(haproxy, 'config', 'print the configuration that HAProxy must run with')
    .option('--write', 'put it, and empty routes, into router.directory')
    .action((o: CommonOptions & { write?: true }) =>
      run(o, async (context) =>
        (await import('./commands/haproxy')).haproxyConfig(context, { write: o.write === true }),
      ),
    );
  verb(program, 'bundle', 'write one archive that installs and runs with the network cut')
    .option('--out <file>', 'the archive (required)')
    .option('--platforms <list>', 'linux-x64,linux-arm64,darwin-x64,darwin-arm64; default this one')
    .action((o: CommonOptions & { out?: string; platforms?: string }) =>
      run(o, async (context) =>
        (await import('./commands/bundle')).bundle(context, some({ out: o.out, platforms: o.platforms })),
      ),
    );
  verb(program, 'doctor', 'check this machine, with a remedy for each finding').action((o: Options) =>
    run(o, async (context) => (await import('./commands/doctor')).doctor(context)),
  );
}
