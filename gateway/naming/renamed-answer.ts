import { listsModels, type ModelNames } from './selected-model';
import { PublicName } from './public-name';

type Headers = Record<string, string | string[] | undefined>;

/** An answer of known length up to this is renamed in one piece and keeps a length; longer ones go on in chunks. */
const WHOLE_MAX_BYTES = 1_048_576;
/** Of an answer that tells of an error, or lists the models. */
const TOLD_MAX_BYTES = 262_144;
/** Headers that are true of the backend's bytes only. */
const OF_THE_FORMER_BYTES = ['content-length', 'content-md5', 'content-digest', 'digest', 'repr-digest', 'etag', 'accept-ranges']; // prettier-ignore
const NOTHING = Buffer.alloc(0);

/** An answer on its way to a client that must see the public name only. */
export interface RenamedAnswer {
  /** Without what is not true any more. */
  readonly headers: Headers;
  /** The answer begins with its end: until then its length is not known, and nothing has gone to the client. */
  readonly held: boolean;
  /** What can go on now. */
  take(chunk: Buffer): Buffer;
  /** The rest, or null where the public name cannot be given back. */
  end(): Buffer | null;
}

export interface AnsweredWith {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
}

/** Null where the answer cannot be read, because the backend compressed it although it was asked not to. */
export function renamedAnswer(names: ModelNames, answered: AnsweredWith): RenamedAnswer | null {
  const { method, status, url } = answered;
  const encoding = answered.headers['content-encoding'];
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
  if (hasBody && encoding !== undefined && encoding !== 'identity') return null;
  const headers = { ...answered.headers };
  for (const name of OF_THE_FORMER_BYTES) delete headers[name];
  if (!hasBody) return { headers, held: false, take: (chunk) => chunk, end: () => NOTHING };
  const type = textOf(answered.headers['content-type']);
  if (listsModels(method, url) && status < 300) return new Held(headers, TOLD_MAX_BYTES, (all) => listed(names, all));
  const isJson = /\bjson\b/i.test(type);
  if (status >= 400 && (isJson || /^text\//i.test(type))) {
    return new Held(headers, TOLD_MAX_BYTES, (all) => retold(names, all));
  }
  if (!isJson && !/^text\/event-stream\b/i.test(type)) {
    return { headers, held: false, take: (chunk) => chunk, end: () => NOTHING };
  }
  const name = new PublicName(names.name, names.public);
  const length = Number(textOf(answered.headers['content-length']) || Infinity);
  if (length > WHOLE_MAX_BYTES) {
    return { headers, held: false, take: (chunk) => name.take(chunk), end: () => name.end() };
  }
  return new Held(headers, WHOLE_MAX_BYTES, (all) => Buffer.concat([name.take(all), name.end()]));
}

class Held implements RenamedAnswer {
  readonly held = true;
  private chunks: Buffer[] = [];
  private bytes = 0;

  constructor(
    readonly headers: Headers,
    private readonly limitBytes: number,
    private readonly rename: (all: Buffer) => Buffer | null,
  ) {}

  take(chunk: Buffer): Buffer {
    this.bytes += chunk.length;
    if (this.bytes <= this.limitBytes) this.chunks.push(chunk);
    else this.chunks = [];
    return NOTHING;
  }

  end(): Buffer | null {
    return this.bytes > this.limitBytes ? null : this.rename(Buffer.concat(this.chunks));
  }
}

/** The one model of this service; the others at its server are other versions, and `root` and `parent` are its paths. */
function listed(names: ModelNames, all: Buffer): Buffer | null {
  let answer: unknown;
  try {
    answer = JSON.parse(all.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof answer !== 'object' || answer === null) return null;
  const { data } = answer as { data?: unknown };
  const shown = Array.isArray(data)
    ? { object: 'list', data: data.filter((each) => idOf(each) === names.name).map((each) => shownModel(names, each)) }
    : idOf(answer) === names.name
      ? shownModel(names, answer)
      : null;
  return shown === null ? null : Buffer.from(JSON.stringify(shown));
}

function idOf(model: unknown): unknown {
  return typeof model === 'object' && model !== null ? (model as { id?: unknown }).id : undefined;
}

function shownModel(names: ModelNames, model: unknown): unknown {
  const { object, created, owned_by, max_model_len } = model as Record<string, unknown>;
  return { id: names.public, object, created, owned_by, max_model_len };
}

/** An error in the server's words, where they quote the name: ``The model `x` does not exist``. */
function retold(names: ModelNames, all: Buffer): Buffer {
  const [inner, shown] = [names.name, names.public].map((name) => JSON.stringify(name).slice(1, -1)) as [
    string,
    string,
  ];
  const quotedName = new RegExp(`(["'\`])${inner.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(\\\\?["'\`])`, 'g');
  return Buffer.from(
    all.toString('utf8').replace(quotedName, (_, before: string, after: string) => before + shown + after),
  );
}

function textOf(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : '';
}
