import { Agent, request } from 'node:http';
import { monotonicMs, type Kind, type UserRecord } from './records';

/**
 * The users of one router, a process of its own: takes one JSON command a line on standard input and answers each with one
 * line. Clients ask one after the other over kept-alive connections and repeat nothing.
 */
export interface UserPlan {
  readonly entrance: string;
  readonly unpinned: number;
  readonly pinned: number;
  readonly streams: number;
  /** Between the end of one request and the next. */
  readonly pauseMs: number;
  /** A client begins another session after this time. */
  readonly sessionMs: number;
}

type Command =
  | ({ readonly do: 'start' } & UserPlan)
  /** The records that were made since the last one; they are forgotten here. */
  | { readonly do: 'take' }
  | { readonly do: 'stop' };

const BODY = Buffer.from(
  JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['Re: the build is broken'] }] }),
);
const LIMIT_MS = 10_000;

let records: UserRecord[] = [];
let going = false;
const clients: Promise<void>[] = [];
let agent = new Agent();

interface Session {
  readonly id: string;
  readonly until: number;
  born: UserRecord['born'];
}

function ask(plan: UserPlan, kind: Kind, session: Session | null): Promise<void> {
  return new Promise((resolve) => {
    const sentMs = monotonicMs();
    let status: number | null = null;
    let text = '';
    let over = false;
    const end = (lost: string | null): void => {
      if (over) return;
      over = true;
      clearTimeout(limit);
      const versions = versionsOf(kind, text);
      const endedMs = monotonicMs();
      if (session !== null) session.born ??= { sentMs, endedMs };
      const { id = null, born = null } = session ?? {};
      records.push({ kind, sentMs, endedMs, status, versions, session: id, born, lost });
      resolve();
    };
    const path = kind === 'stream' ? '/stream' : '/v2/models/mail/infer';
    const headers = {
      'content-type': 'application/json',
      'content-length': String(BODY.length),
      ...(session !== null && { 'x-session-id': session.id }),
    };
    const call = request(`${plan.entrance}${path}`, { method: 'POST', agent, headers }, (response) => {
      status = response.statusCode ?? null;
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', () => end('cut'));
      response.on('end', () => {
        const whole = response.complete && (kind !== 'stream' || status !== 200 || text.endsWith('data: [DONE]\n\n'));
        end(whole ? null : 'cut');
      });
    });
    const limit = setTimeout(() => {
      end(status === null ? 'timeout' : 'cut');
      call.destroy();
    }, LIMIT_MS);
    call.on('error', (error: NodeJS.ErrnoException) => end(status === null ? (error.code ?? error.message) : 'cut'));
    call.end(BODY);
  });
}

function versionsOf(kind: Kind, text: string): string[] {
  if (kind === 'stream') {
    const found = [...text.matchAll(/^data: (?!\[DONE\])(.+)$/gm)].map(([, version]) => version as string);
    return [...new Set(found)];
  }
  const version = /"model_version":"([^"]+)"/.exec(text)?.[1];
  return version === undefined ? [] : [version];
}

async function client(plan: UserPlan, kind: Kind, number: number): Promise<void> {
  let session: Session | null = null;
  // Not all at the same moment, and not in step with one another.
  await pause(Math.random() * plan.pauseMs);
  while (going) {
    const now = monotonicMs();
    if (kind === 'pinned' && (session === null || now >= session.until)) {
      // The first one is shorter by chance: else all sessions of a run would be equally old.
      const lasts: number = session === null ? Math.random() * plan.sessionMs : plan.sessionMs;
      session = { id: `${number}-${Math.round(now)}`, until: now + lasts, born: null };
    }
    await ask(plan, kind, session);
    await pause(plan.pauseMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}

async function obey(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'start': {
      going = true;
      agent = new Agent({ keepAlive: true, maxSockets: Infinity });
      const counts: readonly (readonly [Kind, number])[] = [
        ['unpinned', command.unpinned],
        ['pinned', command.pinned],
        ['stream', command.streams],
      ];
      for (const [kind, count] of counts) {
        for (let number = 0; number < count; number += 1) clients.push(client(command, kind, number));
      }
      return { started: true };
    }
    case 'take': {
      const taken = records;
      records = [];
      return taken;
    }
    case 'stop':
      going = false;
      await Promise.all(clients.splice(0));
      agent.destroy();
      return { stopped: true };
  }
}

let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  const lines = (rest + chunk.toString()).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    void obey(JSON.parse(line) as Command).then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`));
  }
});
process.stdin.on('end', () => process.exit(0));
