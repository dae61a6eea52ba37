import type { Degradation, VersionSelector } from '../domain/route';
import { valueAt, type AnswerReader, type Path } from './answer-reader';
import { renamedAnswer, type AnsweredWith, type RenamedAnswer } from './naming/renamed-answer';

type Headers = Record<string, string | string[] | undefined>;

/** Longer answers pass as they are. */
const WHOLE_MAX_BYTES = 1_048_576;
const CLASSES_MAX = 50;
/** True of the former bytes only. */
const OF_THE_FORMER_BYTES = ['content-length', 'content-md5', 'content-digest', 'digest', 'repr-digest', 'etag', 'accept-ranges']; // prettier-ignore
const NOTHING = Buffer.alloc(0);

/**
 * Makes answers of a drill's cohort worse, as its share declares: another class, less of the text. A wrong class is one
 * that this service has answered before: clients get nothing that they do not know.
 */
export class Degrader {
  private readonly classes = new Set<string | number | boolean>();

  constructor(private readonly reader: Pick<AnswerReader, 'classPath' | 'textPath'>) {}

  /** One answer on its way to a client; null where it is none that can be changed (a stream, a compressed one, an error). */
  answer(
    degrade: Degradation,
    { status, headers }: { readonly status: number; readonly headers: Headers },
    renaming: RenamedAnswer | null,
  ): DegradedAnswer | null {
    if (!this.changes(degrade) || status < 200 || status > 299) return null;
    const [type, encoding] = [headers['content-type'], headers['content-encoding']];
    if (typeof type !== 'string' || !/\bjson\b/i.test(type)) return null;
    if (encoding !== undefined && encoding !== 'identity') return null;
    const length = Number(headers['content-length'] ?? 0);
    if (length > WHOLE_MAX_BYTES) return null;
    return new DegradedAnswer(renaming, headers, (body) => this.degrade(degrade, body, Math.random()));
  }

  /** The body as it is told. `random`: one number in [0, 1). */
  degrade(degrade: Degradation, body: Buffer, random: number): Buffer {
    if (!this.changes(degrade)) return body;
    let root: unknown;
    try {
      root = JSON.parse(body.toString('utf8'));
    } catch {
      return this.cutBytes(degrade, body);
    }
    const { classPath, textPath } = this.reader;
    let changed = false;
    if (classPath !== undefined) {
      const wrong = this.otherThan(valueAt(root, classPath));
      if (wrong !== undefined && random < (degrade.wrongShare ?? 0)) changed = put(root, classPath, wrong);
    }
    const { truncateTo } = degrade;
    if (truncateTo === undefined) return changed ? Buffer.from(JSON.stringify(root)) : body;
    const text = textPath === undefined ? undefined : valueAt(root, textPath);
    if (textPath === undefined || typeof text !== 'string')
      return this.cutBytes(degrade, changed ? Buffer.from(JSON.stringify(root)) : body);
    put(root, textPath, text.slice(0, truncateTo));
    return Buffer.from(JSON.stringify(root));
  }

  private changes({ wrongShare = 0, truncateTo }: Degradation): boolean {
    return wrongShare > 0 || truncateTo !== undefined;
  }

  private cutBytes({ truncateTo }: Degradation, body: Buffer): Buffer {
    return truncateTo === undefined ? body : body.subarray(0, truncateTo);
  }

  /** Another class that was seen; undefined until there was one. */
  private otherThan(value: unknown): string | number | boolean | undefined {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
    if (this.classes.size < CLASSES_MAX) this.classes.add(value);
    return [...this.classes].find((known) => known !== value);
  }
}

/** Held until its end; then the changed answer goes out in one piece. */
export class DegradedAnswer implements RenamedAnswer {
  readonly held = true;
  readonly headers: Headers;
  /** What was told, for those who count it; null before. */
  told: Buffer | null = null;
  private readonly chunks: Buffer[] = [];

  constructor(
    private readonly inner: RenamedAnswer | null,
    headers: Headers,
    private readonly degrade: (body: Buffer) => Buffer,
  ) {
    const kept = { ...(inner?.headers ?? headers) };
    for (const name of OF_THE_FORMER_BYTES) delete kept[name];
    this.headers = kept;
  }

  take(chunk: Buffer): Buffer {
    this.chunks.push(this.inner ? this.inner.take(chunk) : chunk);
    return NOTHING;
  }

  end(): Buffer | null {
    const rest = this.inner ? this.inner.end() : NOTHING;
    if (rest === null) return null;
    this.told = this.degrade(Buffer.concat([...this.chunks, rest]));
    return this.told;
  }
}

function put(root: unknown, path: Path, value: unknown): boolean {
  const last = path[path.length - 1];
  const parent = path.length === 1 ? root : valueAt(root, path.slice(0, -1));
  if (typeof parent !== 'object' || parent === null || last === undefined) return false;
  if ('field' in last) (parent as Record<string, unknown>)[last.field] = value;
  else if ('index' in last && Array.isArray(parent)) (parent as unknown[])[last.index] = value;
  else return false;
  return true;
}

interface ChangedAnswer {
  /** What is passed on instead of the backend's bytes; null where these go on as they are. */
  readonly answer: RenamedAnswer | null;
  readonly degraded: DegradedAnswer | null;
}

const UNCHANGED: ChangedAnswer = { answer: null, degraded: null };

/** What becomes of an answer on its way; null where the public name cannot be given back in it. */
export function changedAnswer(
  degrader: Degrader,
  degrade: Degradation | null,
  selector: VersionSelector | undefined,
  answered: AnsweredWith,
): ChangedAnswer | null {
  if (selector?.by !== 'model' && degrade === null) return UNCHANGED;
  const renaming = selector?.by === 'model' ? renamedAnswer(selector, answered) : null;
  if (selector?.by === 'model' && renaming === null) return null;
  const degraded = degrade === null ? null : degrader.answer(degrade, answered, renaming);
  return { answer: degraded ?? renaming, degraded };
}
