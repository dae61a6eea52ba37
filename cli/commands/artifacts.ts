import { resolve } from 'node:path';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { serviceFor, versionFor } from '../names';
import { renderImport, renderPrune, renderVerification, renderVersions } from '../render/artifacts';
import { moduleOfStore, type Store } from './store';

/** The verbs that need no controller: they open the artifact store themselves. */
export async function importArtifact(context: Context, input: { readonly path: string }): Promise<number> {
  const store = await moduleOfStore(context);
  const result = await store.refusing(() => store.import(resolve(input.path)));
  if (context.json) printJson(context.terminal, result);
  else printLines(context.terminal, renderImport(result));
  return exitCodes.ok;
}

export async function listArtifacts(context: Context, input: { readonly service?: string }): Promise<number> {
  const store = await moduleOfStore(context);
  const services = input.service === undefined ? await store.services() : [input.service];
  const versions = (await Promise.all(services.map((service) => store.list(service)))).flatMap((list, index) =>
    list.map((info) => ({ service: services[index] ?? '', ...info })),
  );
  const standing = await standings(context, services);
  const rows = versions.map((info) => ({
    ...info,
    standing: standing?.get(`${info.service}@${info.version}`) ?? null,
  }));
  if (context.json) printJson(context.terminal, { versions: rows, standingKnown: standing !== null });
  else printLines(context.terminal, renderVersions(rows, standing !== null));
  return exitCodes.ok;
}

export async function verifyArtifacts(context: Context, input: { readonly what?: string }): Promise<number> {
  const store = await moduleOfStore(context);
  const found = await store.refusing(() => problemsOf(context, store, input.what));
  if (found.length === 0)
    throw new CliFailure(
      exitCodes.refused,
      'the artifact store has no version to verify',
      'lastgood artifacts import DIRECTORY',
    );
  const broken = found.some(({ problems }) => problems.length > 0);
  if (context.json) printJson(context.terminal, { intact: !broken, versions: found });
  else printLines(context.terminal, renderVerification(found));
  return broken ? exitCodes.needsHuman : exitCodes.ok;
}

type Verified = { readonly name: string; readonly problems: Awaited<ReturnType<Store['verify']>> };

async function problemsOf(context: Context, store: Store, what: string | undefined): Promise<Verified[]> {
  const services = await store.services();
  if (what !== undefined && !services.includes(what)) {
    const { service, version } = await versionFor(context, what, (name) => `lastgood artifacts verify ${name}`);
    return [{ name: `${service}@${version}`, problems: await store.verify(service, version) }];
  }
  const wanted = what === undefined ? services : [what];
  const lists = await Promise.all(
    wanted.map(async (service) =>
      (await store.audit(service)).map(({ version, problems }) => ({ name: `${service}@${version}`, problems })),
    ),
  );
  return lists.flat();
}

/** Which versions could still be chosen is known to the controller alone: without it nothing is removed. */
export async function pruneArtifacts(
  context: Context,
  input: { readonly service?: string; readonly keep: string; readonly dryRun?: boolean },
): Promise<number> {
  const keep = Number(input.keep);
  if (!Number.isSafeInteger(keep) || keep < 1)
    throw badUse(`--keep: found "${input.keep}", expected a whole number of at least 1`);
  const service = await serviceFor(context, input.service, (name) => `lastgood artifacts prune ${name} --dry-run`);
  const { status } = await context.client().service(service);
  if (!status)
    throw new CliFailure(
      exitCodes.unreachable,
      'the service workflow does not answer, so it is not known which versions could still be chosen; nothing was removed',
      'lastgood doctor',
    );
  const { state } = status;
  const store = await moduleOfStore(context);
  const result = await store.prune(service, {
    keep,
    dryRun: input.dryRun === true,
    choosable: ({ version }) => {
      const facts = state.versions.find((known) => known.version === version);
      return (
        facts !== undefined && facts.evaluation.ok && facts.standing !== 'quarantined' && facts.standing !== 'revoked'
      );
    },
    inUse: ({ version }) => inUse(state, version),
  });
  if (context.json) printJson(context.terminal, { dryRun: input.dryRun === true, ...result });
  else printLines(context.terminal, renderPrune(service, result, input.dryRun === true));
  return exitCodes.ok;
}

type State = NonNullable<Awaited<ReturnType<ReturnType<Context['client']>['service']>>['status']>['state'];

/** Named by anything that serves, could serve at once, or is being decided on. */
function inUse(state: State, version: string): boolean {
  const { declared, standby, preparing, bake, operation, incident, policy, queued } = state;
  const named = [
    declared?.primary,
    declared?.fallback,
    declared?.share?.version,
    ...(declared?.pins ?? []).map((pin) => pin.version),
    standby?.version,
    preparing?.version,
    bake?.previous,
    operation?.from,
    ...(operation?.candidates ?? []),
    incident?.from,
    incident?.target,
    queued?.version,
    policy.minimumAcceptable,
    ...state.retiring.map((copy) => copy.version),
  ];
  return named.includes(version);
}

/** Standing by `service@version`; null while nobody can say. */
async function standings(context: Context, services: readonly string[]): Promise<ReadonlyMap<string, string> | null> {
  try {
    const views = await context.client().services();
    if (views.some(({ service, status }) => services.includes(service) && !status)) return null;
    return new Map(
      views.flatMap(({ service, status }) =>
        (status?.state.versions ?? []).map((facts) => [`${service}@${facts.version}`, facts.standing] as const),
      ),
    );
  } catch (error) {
    if (error instanceof CliFailure && error.exitCode === exitCodes.unreachable) return null;
    throw error;
  }
}
