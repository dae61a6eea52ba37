import { evaluationSchema, type EvaluationReport } from '../manifest';

/** Where an evaluation report comes from. */
export type EvaluationSource =
  /** A file in lastgood's own form. */
  | { readonly from: 'file'; readonly file: string }
  /** Figures that the registry keeps of the version. */
  | { readonly from: 'figures'; readonly names: FigureNames }
  /** A JSON file in another form. */
  | { readonly from: 'json'; readonly file: string; readonly names: FigureNames };

/** Names of the figures that make a report; `{class}` stands for each class. */
export interface FigureNames {
  readonly classes: readonly string[];
  readonly accuracy: string;
  readonly n: string;
  readonly recall: string;
  readonly precision: string;
  readonly classN: string;
}

export type MadeReport = { readonly report: EvaluationReport } | { readonly missing: readonly string[] };

/** A report of the figures, or what is missing for one. Whatever is not a number in its range is missing. */
export function reportFrom(
  names: FigureNames,
  value: (name: string) => unknown,
  { measuredAt, data }: { readonly measuredAt: number; readonly data: string },
): MadeReport {
  const missing: string[] = [];
  const figure = (name: string, kind: 'rate' | 'count'): number => {
    const found = value(name);
    const number = typeof found === 'string' && found.trim() !== '' ? Number(found) : found;
    if (typeof number === 'number' && number >= 0 && (kind === 'rate' ? number <= 1 : Number.isSafeInteger(number)))
      return number;
    const words = found === undefined ? 'nothing' : (JSON.stringify(found) ?? typeof found).slice(0, 60);
    missing.push(`${name} (found ${words}, expected ${kind === 'rate' ? 'a number from 0 to 1' : 'a whole number'})`);
    return 0;
  };
  const of = (template: string, label: string): string => template.replaceAll('{class}', label);
  const report = {
    schema: 1 as const,
    classes: [...names.classes],
    accuracy: figure(names.accuracy, 'rate'),
    n: figure(names.n, 'count'),
    byClass: Object.fromEntries(
      names.classes.map((label) => [
        label,
        {
          n: figure(of(names.classN, label), 'count'),
          recall: figure(of(names.recall, label), 'rate'),
          precision: figure(of(names.precision, label), 'rate'),
        },
      ]),
    ),
    bySource: {},
    evaluatedAt: new Date(measuredAt).toISOString(),
    dataDigest: data,
  };
  return missing.length > 0 ? { missing } : { report: evaluationSchema.parse(report) };
}

/** The value at a dotted path, such as `per_class.spam.recall`; a name with dots in it is found as well. */
export function valueAt(json: unknown, path: string): unknown {
  if (typeof json !== 'object' || json === null) return undefined;
  if (Object.hasOwn(json, path)) return (json as Record<string, unknown>)[path];
  for (let cut = path.indexOf('.'); cut !== -1; cut = path.indexOf('.', cut + 1)) {
    const head = path.slice(0, cut);
    if (!Object.hasOwn(json, head)) continue;
    const found = valueAt((json as Record<string, unknown>)[head], path.slice(cut + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}
