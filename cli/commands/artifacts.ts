import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';
import { versionFor } from '../names';
import { renderImport, renderVerification, renderVersions } from '../render/artifacts';
import { registryWords } from '../render/registry';
import { standings } from './standings';
import { moduleOfStore, refusing, type Store } from './store';
import { loadWhole } from './whole-configuration';

/** The verbs that need no controller: they open the artifact store themselves. */
export async function importArtifact(
  context: Context,
  input: { readonly path: string; readonly dryRun: boolean },
): Promise<number> {
  const { dryRun } = input;
  const store = await moduleOfStore(context);
  const imported = await refusing(() => store.import(resolve(input.path), { dryRun }));
  const remarks = [...imported.remarks, ...(await engineRemarks(context, input.path, imported.info.engine))];
  const result = { ...imported, remarks };
  if (context.json) printJson(context.terminal, { dryRun, ...result });
  else printLines(context.terminal, renderImport(result, dryRun));
  return exitCodes.ok;
}

/** Versions of two engines are never each other's target, and nobody means them to be. */
async function engineRemarks(context: Context, path: string, engine: string): Promise<string[]> {
  const { services } = await loadWhole(context);
  // It was just read as one: only its service is not part of the answer.
  const { service } = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as { service?: unknown };
  const configured = services.find(({ name }) => name === service);
  if (configured === undefined || configured.serving.engine === engine) return [];
  const key = `services.${configured.name}.serving.engine`;
  return [
    `warning: its manifest says engine ${engine}, and ${key} is ${configured.serving.engine}: no rollback goes between the two; write it anew with --engine ${configured.serving.engine} --force, under a new version`,
  ];
}

export async function listArtifacts(context: Context, input: { readonly service?: string }): Promise<number> {
  const store = await moduleOfStore(context);
  const services = input.service === undefined ? await store.services() : [input.service];
  const versions = (await Promise.all(services.map((service) => store.list(service)))).flatMap((list, index) =>
    list.map((info) => ({ service: services[index] ?? '', ...info })),
  );
  const standing = await standings(context, services);
  const seen = await lastLooks(context, services);
  const rows = versions.map((info) => ({
    ...info,
    standing: standing?.get(info.service)?.get(info.version) ?? null,
    registry: registryWords(info.version, seen.get(info.service) ?? null),
  }));
  if (context.json) printJson(context.terminal, { versions: rows, standingKnown: standing !== null });
  else printLines(context.terminal, renderVersions(rows, standing !== null));
  return exitCodes.ok;
}

async function lastLooks(context: Context, services: readonly string[]) {
  const configuration = await loadWhole(context);
  const { lastLook } = await import('../../workers/registry-sync');
  const looks = services.map(async (service) => [service, await lastLook(configuration, service)] as const);
  return new Map(await Promise.all(looks));
}

export async function verifyArtifacts(context: Context, input: { readonly what?: string }): Promise<number> {
  const store = await moduleOfStore(context);
  const found = await refusing(() => problemsOf(context, store, input.what));
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

type Verified = { readonly name: string } & Omit<Awaited<ReturnType<Store['audit']>>[number], 'version'>;

async function problemsOf(context: Context, store: Store, what: string | undefined): Promise<Verified[]> {
  const services = await store.services();
  if (what !== undefined && !services.includes(what)) {
    const { service, version } = await versionFor(context, what, (name) => `lastgood artifacts verify ${name}`);
    const problems = await store.verify(service, version);
    const remarks = problems.length === 0 ? await store.remarks(service, version) : [];
    return [{ name: `${service}@${version}`, problems, remarks }];
  }
  const wanted = what === undefined ? services : [what];
  const lists = await Promise.all(
    wanted.map(async (service) =>
      (await store.audit(service)).map(({ version, ...found }) => ({ name: `${service}@${version}`, ...found })),
    ),
  );
  return lists.flat();
}
