import type { Command } from 'commander';
import type { CommonOptions } from './context';
import { act, some, verb, type Options, type Run } from './verb';

/** Experiments with faults, made on this machine and judged from outside. */
export function addChaos(program: Command, run: Run): void {
  const chaos = program.command('chaos').description('experiments with faults: does it hold what it promises');
  act(chaos, 'run <experiment>', 'make one: a file, or the name of one that ships')
    .option('--service <service>', 'on this service instead of the one that the file names')
    .option('--consent <service>', 'the name of the service once more, where its configuration says chaos: ask')
    .action(
      (experiment: string, o: CommonOptions & { service?: string; consent?: string; reason?: string; dryRun?: true }) =>
        run(o, async (context) =>
          (await import('./commands/chaos-run')).runChaos(context, {
            experiment,
            ...some({ service: o.service, consent: o.consent, reason: o.reason, dryRun: o.dryRun }),
          }),
        ),
    );
  verb(chaos, 'list [service]', 'the experiments that ship, and the runs that were made').action(
    (service: string | undefined, o: Options) =>
      run(o, async (context) => (await import('./commands/chaos')).listChaos(context, some({ service }))),
  );
  verb(chaos, 'show <experiment-or-run>', 'an experiment, or what one run saw')
    .option('--service <service>', 'whose run')
    .action((what: string, o: CommonOptions & { service?: string }) =>
      run(o, async (context) =>
        (await import('./commands/chaos')).showChaos(context, { what, ...some({ service: o.service }) }),
      ),
    );
  verb(chaos, 'abort', 'end the run that is under way, or take back what a dead one left').action((o: Options) =>
    run(o, async (context) => (await import('./commands/chaos-run')).abortChaos(context)),
  );
  verb(chaos, 'proxy <name>', 'stand before a registry, so that an experiment can cut or slow it; in the foreground')
    .option('--listen <address>', 'loopback address that the configuration has as its registry (required)')
    .option('--to <address>', 'host:port of the registry (required)')
    .action((name: string, o: CommonOptions & { listen?: string; to?: string }) =>
      run(o, async (context) =>
        (await import('./commands/chaos-proxy')).chaosProxy(context, { name, ...some({ listen: o.listen, to: o.to }) }),
      ),
    );
}
