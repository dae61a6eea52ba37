import { Agent, request } from 'undici';

/**
 * Users of the busy services, as a process of their own: `users.js` is given JSON lines `{entrances, perSecond}` and
 * `{ask: true}` on its input, and answers the second with what happened since it was asked last. Nothing is repeated.
 */
interface Entrance {
  readonly service: string;
  readonly url: string;
  readonly perSecond: number;
}

interface Seen {
  sent: number;
  failed: number;
  /** When requests without a good answer were sent, by `Date.now()`. */
  readonly failedAt: number[];
  /** Versions of good answers with the moment of sending, newest last. */
  last: { readonly at: number; readonly version: string } | null;
}

const agent = new Agent({ connections: 8, keepAliveTimeout: 30_000 });
const seen = new Map<string, Seen>();
const body = JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] });

async function ask({ service, url }: Entrance, about: Seen): Promise<void> {
  const at = Date.now();
  about.sent += 1;
  try {
    const answer = await request(`${url}/v2/models/${service}/infer`, {
      method: 'POST',
      dispatcher: agent,
      body,
      headers: { 'content-type': 'application/json' },
      headersTimeout: 10_000,
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(String(answer.statusCode));
    about.last = { at, version: (JSON.parse(text) as { model_version: string }).model_version };
  } catch {
    about.failed += 1;
    about.failedAt.push(at);
  }
}

function begin(entrances: readonly Entrance[]): void {
  for (const [index, entrance] of entrances.entries()) {
    const about: Seen = { sent: 0, failed: 0, failedAt: [], last: null };
    seen.set(entrance.service, about);
    const everyMs = 1_000 / entrance.perSecond;
    // Not all of them in the same millisecond.
    setTimeout(() => setInterval(() => void ask(entrance, about), everyMs), (index * everyMs) / entrances.length);
  }
}

let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  const lines = (rest + chunk.toString()).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    const said = JSON.parse(line) as { readonly entrances?: readonly Entrance[] };
    if (said.entrances !== undefined) begin(said.entrances);
    else process.stdout.write(`${JSON.stringify(Object.fromEntries(seen))}\n`);
  }
});
process.stdin.on('end', () => process.exit(0));
