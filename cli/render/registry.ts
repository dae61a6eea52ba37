import type { Pulled, SyncReport } from '../../workers/registry-sync';
import { renderImport } from './artifacts';
import { plural } from './words';

export function renderPulled(service: string, pulled: readonly Pulled[]): string[] {
  return pulled.flatMap((one) => [
    ...renderImport({ outcome: one.outcome, info: one.info }, false).map((line, at) =>
      at === 0 ? `${service}@${line}` : line,
    ),
    ...one.lacks.map((lack) => `  ${lack}`),
  ]);
}

export function renderSync(service: string, report: SyncReport, dryRun: boolean): string[] {
  const { where, isFirstLook, moves, gone, back, pulled, refused, passedOver, validated, interrupted, notes } = report;
  return [
    `${service}: ${where}${isFirstLook ? ' (the first look)' : ''}`,
    ...moves.map(({ alias, from, to }) => `  @${alias}: ${from ?? 'none'} -> ${to ?? 'none'}`),
    ...gone.map((version) => `  ${version}: not at the registry any more; what is in the store stays`),
    ...back.map((version) => `  ${version}: at the registry again`),
    ...pulled.flatMap(({ version, outcome, lacks }) => [
      `  ${version}: ${outcome}`,
      ...lacks.map((lack) => `    ${lack}`),
    ]),
    ...refused.map(({ version, why }) => `  ${version}: REFUSED: ${why}`),
    ...passedOver.map(({ version, why }) => `  ${version}: not fetched: ${why}`),
    ...notes.written.map((version) => `  ${version}: note written at the registry`),
    ...notes.failed.map(({ version, why }) => `  ${version}: the note was not written at the registry: ${why}`),
    validated.length === 0
      ? '  no validated version of the registry is in the store'
      : `  in the store: ${plural(validated.length, 'validated version')} of the registry (${validated.join(', ')})`,
    ...(interrupted === null ? [] : [`  ended early: ${interrupted}`]),
    ...(dryRun ? ['  nothing was fetched or recorded (--dry-run)'] : []),
  ];
}

/** What the last look says of a version that is in the store. */
export function registryWords(
  version: string,
  seen: {
    readonly versions: Readonly<Record<string, { readonly goneSince: number | null }>>;
    readonly aliases: Readonly<Record<string, { readonly version: string }>>;
  } | null,
): string {
  const fact = seen?.versions[version];
  if (seen === null || fact === undefined) return '';
  if (fact.goneSince !== null)
    return `deleted at the registry on ${new Date(fact.goneSince).toISOString().slice(0, 10)}`;
  const names = Object.entries(seen.aliases).flatMap(([alias, at]) => (at.version === version ? [`@${alias}`] : []));
  return names.join(' ');
}
