import { GatewayConfigError } from './errors';

type Step =
  { readonly field: string } | { readonly index: number } | { readonly name: string; readonly equals: string };
export type Path = readonly Step[];

const CLASS_MAX = 128;
/** Of a text; what a person or an embedder reads of it. */
export const TEXT_MAX = 8_192;
/** Of a reason to end. */
export const FINISH_MAX = 32;
/** Where servers say why an answer ended: OpenAI-style, TGI. */
const FINISH_PATHS = [parsePath('choices[0].finish_reason'), parsePath('details.finish_reason')];
/** Where an OpenAI-style server puts what the model says instead of an answer. */
const REFUSAL_PATH = parsePath('choices[0].message.refusal');

/** `outputs[name=label].data[0]` as steps. Throws {@link GatewayConfigError} where it cannot be read. */
export function parsePath(text: string): Path {
  const steps: Step[] = [];
  const pattern = /\.?([A-Za-z_$][\w$-]*)|\[(\d+)\]|\[([A-Za-z_$][\w$-]*)=([^\]]*)\]/y;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match) {
      throw new GatewayConfigError(
        `answer path ${JSON.stringify(text)}: cannot read it from character ${at + 1} on; expected field, [0] or [name=value]`,
      );
    }
    const [, field, index, name, equals] = match;
    if (field !== undefined) steps.push({ field });
    else if (index !== undefined) steps.push({ index: Number(index) });
    else if (name !== undefined && equals !== undefined) steps.push({ name, equals });
  }
  if (steps.length === 0)
    throw new GatewayConfigError('answer path: found an empty one, expected e.g. outputs[0].data[0]');
  return steps;
}

/** The value at the path, or undefined. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    if ('field' in step) {
      value = Object.hasOwn(value, step.field) ? (value as Record<string, unknown>)[step.field] : undefined;
    } else if (!Array.isArray(value)) return undefined;
    else if ('index' in step) value = value[step.index] as unknown;
    else value = (value as unknown[]).find((each) => nameIs(each, step.name, step.equals));
  }
  return value;
}

function nameIs(value: unknown, name: string, equals: string): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, name) &&
    String((value as Record<string, unknown>)[name]) === equals
  );
}

export interface Read {
  readonly predicted: string | null;
  readonly score: number | null;
  readonly text: string | null;
  /** Why the answer ended, in the server's word (`stop`, `length`, `content_filter`, …), `refusal` for one of the model. */
  readonly finish: string | null;
}

export const NOTHING_READ: Read = { predicted: null, score: null, text: null, finish: null };

/** Reads the predicted class, the score and the text of an answer's body by the configured paths. */
export class AnswerReader {
  /** Whether something of every answer is counted: its class or its score. */
  readonly counted: boolean;
  readonly expectsClass: boolean;
  /** Whether the texts of sampled answers are read. */
  readonly readsText: boolean;
  readonly classPath: Path | undefined;
  private readonly scorePath: Path | undefined;
  readonly textPath: Path | undefined;

  constructor(paths: { readonly classPath?: string; readonly scorePath?: string; readonly textPath?: string }) {
    this.classPath = paths.classPath === undefined ? undefined : parsePath(paths.classPath);
    this.scorePath = paths.scorePath === undefined ? undefined : parsePath(paths.scorePath);
    this.textPath = paths.textPath === undefined ? undefined : parsePath(paths.textPath);
    this.counted = this.classPath !== undefined || this.scorePath !== undefined;
    this.expectsClass = this.classPath !== undefined;
    this.readsText = this.textPath !== undefined;
  }

  read(body: Buffer): Read {
    let root: unknown;
    try {
      root = JSON.parse(body.toString('utf8'));
    } catch {
      return NOTHING_READ;
    }
    const label = this.classPath ? valueAt(root, this.classPath) : undefined;
    const score = this.scorePath ? valueAt(root, this.scorePath) : undefined;
    const named = typeof label === 'string' || typeof label === 'number' || typeof label === 'boolean';
    return {
      predicted: named ? String(label).slice(0, CLASS_MAX) : null,
      score: typeof score === 'number' && Number.isFinite(score) ? score : null,
      ...(this.textPath ? readText(root, this.textPath) : NO_TEXT),
    };
  }
}

const NO_TEXT = { text: null, finish: null };

function readText(root: unknown, path: Path): Pick<Read, 'text' | 'finish'> {
  const refusal = valueAt(root, REFUSAL_PATH);
  if (typeof refusal === 'string' && refusal !== '') return { text: refusal.slice(0, TEXT_MAX), finish: 'refusal' };
  const text = valueAt(root, path);
  const finish = FINISH_PATHS.map((each) => valueAt(root, each)).find((value) => typeof value === 'string');
  return {
    text: typeof text === 'string' ? text.slice(0, TEXT_MAX) : null,
    finish: typeof finish === 'string' ? finish.slice(0, FINISH_MAX) : null,
  };
}
