import type { EvaluationSummary } from '../../../domain/version';
import { describeProblem } from '../errors';
import {
  evaluationSchema,
  parseFile,
  parseManifest,
  probesSchema,
  type EvaluationReport,
  type Manifest,
} from '../manifest';
import { MANIFEST } from '../paths';
import { JsonRefused, parseStrictJson } from '../strict-json';
import { RegistryVersionRefused } from './errors';
import { reportFrom, valueAt, type EvaluationSource, type MadeReport } from './evaluation';
import type { RegistryVersion, VersionSource } from './registry';

/** How a version of a registry becomes an artifact. */
export interface ImportRules {
  readonly service: string;
  readonly engine: string;
  readonly model: string;
  /** Version of what turns a request into the model's input: a text, or the tag of the version that says it. */
  readonly preprocessing: { readonly text: string } | { readonly tag: string };
  readonly evaluation: EvaluationSource;
  /** Paths in the version or beside it, in lastgood's own form. */
  readonly probes: string;
  readonly profile: string;
}

const LIMIT_BYTES = 4 * 1024 * 1024;

/** The manifest that somebody wrote into the version before it was registered; null where there is none. */
export function manifestIn(bytes: Buffer, what: string, rules: ImportRules, version: string): Manifest {
  const parsed = parseManifest(bytes);
  if ('problems' in parsed) {
    const [first] = parsed.problems;
    throw new RegistryVersionRefused(
      `${what}: its ${MANIFEST} is not one of lastgood's (${first ? describeProblem(first) : 'invalid'}); register it without that file, or with one by \`lastgood artifacts manifest\``,
    );
  }
  const { service, version: named } = parsed.value;
  if (service !== rules.service || named !== version)
    throw new RegistryVersionRefused(
      `${what}: its ${MANIFEST} is that of ${service}@${named}, expected ${rules.service}@${version}`,
    );
  return parsed.value;
}

/** A report made of figures; null where the rules take a file in lastgood's own form as it is. */
export async function madeReport(
  source: VersionSource,
  entry: RegistryVersion,
  rules: ImportRules,
  signal: AbortSignal,
): Promise<MadeReport | null> {
  const { evaluation } = rules;
  switch (evaluation.from) {
    case 'file':
      return null;
    case 'figures': {
      const figures = await source.figures(signal);
      if (figures === null) return { missing: ['the registry keeps no figures of it'] };
      return reportFrom(evaluation.names, (name) => figures.value(name), figures);
    }
    case 'json': {
      const bytes = await source.small(evaluation.file, LIMIT_BYTES, signal);
      if (bytes === null) return { missing: [`no file ${evaluation.file}`] };
      const json = strictJson(bytes);
      if ('problem' in json) return { missing: [`${evaluation.file}: ${json.problem}`] };
      const at = { measuredAt: entry.createdAt, data: `${evaluation.file} does not say` };
      return reportFrom(evaluation.names, (path) => valueAt(json.value, path), at);
    }
  }
}

function strictJson(bytes: Buffer): { readonly value: unknown } | { readonly problem: string } {
  try {
    return { value: parseStrictJson(bytes) };
  } catch (fault) {
    if (fault instanceof JsonRefused) return { problem: fault.message };
    throw fault;
  }
}

export interface ReportsAhead {
  readonly evaluation: EvaluationSummary | null;
  readonly probes: number;
  /** What is missing, in words. */
  readonly lacks: readonly string[];
}

/** What a version would be judged by, read before its weights are fetched. */
export async function reportsAhead(
  source: VersionSource,
  entry: RegistryVersion,
  rules: ImportRules,
  signal: AbortSignal,
): Promise<ReportsAhead> {
  const what = `${rules.service}@${entry.version}`;
  // Only its own: one that stands beside it is something else's.
  const isCarried = (await source.files(signal)).some((file) => file.path === MANIFEST);
  const carried = isCarried ? await source.small(MANIFEST, LIMIT_BYTES, signal) : null;
  const manifest = carried === null ? null : manifestIn(carried, what, rules, entry.version);
  const path = (role: 'evaluation' | 'probes', named: string): string | null =>
    manifest === null ? named : (manifest.files.find((file) => file.role === role)?.path ?? null);
  const read = async (at: string | null): Promise<Buffer | null> =>
    at === null ? null : await source.small(at, LIMIT_BYTES, signal);

  const lacks: string[] = [];
  const summary = ({ accuracy, n, byClass }: EvaluationReport): EvaluationSummary => ({ accuracy, n, byClass });
  let evaluation: EvaluationSummary | null = null;
  const made = manifest === null ? await madeReport(source, entry, rules, signal) : null;
  if (made === null) {
    const file = path('evaluation', rules.evaluation.from === 'file' ? rules.evaluation.file : '');
    const bytes = await read(file);
    const parsed = bytes === null ? null : parseFile(file ?? '', bytes, evaluationSchema);
    if (parsed === null) lacks.push(lackOf('evaluation', file));
    else if ('value' in parsed) evaluation = summary(parsed.value);
    else lacks.push(...parsed.problems.slice(0, 3).map(describeProblem));
  } else if ('report' in made) evaluation = summary(made.report);
  else lacks.push(`no evaluation report: ${made.missing.join('; ')}`);

  const file = path('probes', rules.probes);
  const bytes = await read(file);
  const parsed = bytes === null ? null : parseFile(file ?? '', bytes, probesSchema);
  if (parsed === null) lacks.push(lackOf('probes', file));
  else if ('problems' in parsed) lacks.push(...parsed.problems.slice(0, 3).map(describeProblem));
  return { evaluation, probes: parsed !== null && 'value' in parsed ? parsed.value.probes.length : 0, lacks };
}

/** What the absence of a report means, in words. */
export function lackOf(role: 'evaluation' | 'probes', file: string | null): string {
  const where = file === null ? 'its manifest names none' : `no file ${file}`;
  return role === 'evaluation'
    ? `no evaluation report (${where}): it is not validated`
    : `no golden probes (${where}): nothing proves that a running copy answers as it should`;
}
