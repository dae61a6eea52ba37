import type { ImportResult, VersionView } from '../../api/types';
import { day, percent, plural, table } from './words';

type Info = Pick<VersionView, 'version' | 'digest' | 'importedAt' | 'evaluation' | 'probes' | 'bytes'>;

export function renderImport({ outcome, info, remarks = [] }: ImportResult, dryRun: boolean): string[] {
  const done = {
    imported: 'imported',
    'already-there': 'is there already, with the same content',
    repaired: 'was damaged or gone; its content is whole again',
  };
  const foreseen = { ...done, imported: 'would be imported', repaired: 'is damaged or gone; it would be made whole' };
  return [
    `${info.version} ${(dryRun ? foreseen : done)[outcome]}: ${info.digest}`,
    `  ${sizeText(info.bytes)}, ${plural(info.probes, 'golden probe')}, ${evaluationText(info)}`,
    ...remarks.map((remark) => `  ${remark}`),
    ...(dryRun ? ['Every file was checked; nothing was copied (--dry-run).'] : []),
  ];
}

export function renderVersions(
  rows: readonly (Info & { readonly service: string; readonly standing: string | null; readonly registry?: string })[],
  standingKnown: boolean,
): string[] {
  if (rows.length === 0) return ['the artifact store has no version: lastgood artifacts import DIRECTORY'];
  const withRegistry = rows.some(({ registry }) => registry !== undefined && registry !== '');
  const lines = table(
    rows.map((row) => [
      `${row.service}@${row.version}`,
      row.standing ?? '?',
      day(row.importedAt),
      sizeText(row.bytes),
      evaluationText(row),
      row.digest.slice(0, 19),
      ...(withRegistry ? [row.registry ?? ''] : []),
    ]),
  );
  return standingKnown ? lines : [...lines, 'standing is not known: the controller does not answer'];
}

interface Problem {
  readonly path: string;
  readonly problem: string;
  readonly expected: string;
  readonly found: string;
}

export function renderVerification(
  found: readonly { name: string; problems: readonly Problem[]; remarks?: readonly string[] }[],
): string[] {
  return found.flatMap(({ name, problems, remarks = [] }) =>
    problems.length === 0
      ? [`${name}: intact`, ...remarks.map((remark) => `  ${remark}`)]
      : [
          `${name}: BROKEN, it cannot be chosen`,
          ...problems.map(
            ({ path, problem, expected, found: what }) => `  ${path}: ${problem} (expected ${expected}, found ${what})`,
          ),
          '  import it again from its source to repair it: lastgood artifacts import DIRECTORY',
        ],
  );
}

export interface Pruned {
  readonly removed: readonly { readonly version: string; readonly bytes: number }[];
  readonly kept: readonly { readonly version: string; readonly why: string }[];
  readonly freedBytes: number;
}

export function renderPrune(service: string, { removed, kept, freedBytes }: Pruned, dryRun: boolean): string[] {
  const would = dryRun ? 'would be removed' : 'removed';
  return [
    ...removed.map(({ version, bytes }) => `${service}@${version}: ${would}, ${sizeText(bytes)}`),
    ...kept.map(({ version, why }) => `${service}@${version}: kept, ${why}`),
    removed.length === 0
      ? 'nothing to remove'
      : `${sizeText(freedBytes)} ${dryRun ? 'would be free; nothing was done (--dry-run)' : 'freed'}`,
  ];
}

function evaluationText({ evaluation }: Info): string {
  return evaluation ? `accuracy ${percent(evaluation.accuracy)} on ${evaluation.n}` : 'no evaluation report';
}

export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit] ?? ''}`;
}

interface Written {
  readonly file: string;
  readonly digest: string;
  readonly manifest: {
    readonly service: string;
    readonly version: string;
    readonly files: readonly { readonly path: string; readonly role: string; readonly bytes: number }[];
  };
  readonly warnings: readonly { readonly path: string; readonly found: string }[];
}

export function renderManifest({ file, digest, manifest, warnings }: Written, dryRun: boolean, next: string): string[] {
  const { service, version, files } = manifest;
  const lacks = (role: string, means: string): string[] =>
    files.some((listed) => listed.role === role) ? [] : [`no file of role ${role}: ${means}`];
  return [
    ...table(files.map(({ path, role, bytes }) => [role, path, sizeText(bytes)])),
    ...lacks('evaluation', 'the version is not validated and cannot be deployed'),
    ...lacks('probes', 'nothing proves that a running copy answers as this version does'),
    ...warnings.map(
      ({ path, found }) =>
        `warning: ${path}: ${found}; an import refuses it where artifacts.allowFormats does not name the format`,
    ),
    `${service}@${version}: ${digest}`,
    dryRun ? `would be written to ${file}; nothing was done (--dry-run)` : `written to ${file}; next: ${next}`,
  ];
}
