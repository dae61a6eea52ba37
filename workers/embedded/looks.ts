import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { Health } from '../../api/types';
import { readJson } from '../files';
import type { RunPaths } from './paths';

const limitMs = 2_000;
/** The gap in which nobody decided is an entry of each service. */
const postLimitMs = 60_000;

const healthSchema = z.object({
  pid: z.int(),
  parts: z.array(z.object({ part: z.string(), ok: z.boolean(), why: z.string() })),
});

/** The processes, asked over their Unix sockets. Each look has a limit of 2 s. */
export class Looks {
  private readonly agents = new Map<string, Agent>();

  constructor(private readonly paths: RunPaths) {}

  /** Null when the gateway with this pid answers. */
  async gateway(pid: number): Promise<string | null> {
    const { socket } = this.paths.gatewayControl;
    const answer = await this.ask(socket, 'GET', '/control/v1/health', z.object({ pid: z.int() }));
    if (typeof answer === 'string') return `the gateway does not answer: ${answer}`;
    return answer.pid === pid ? null : `another gateway (pid ${answer.pid}) answers`;
  }

  /** Null when the controller answers, reaches Temporal, and its workers poll. */
  async controller(pid: number | null): Promise<string | null> {
    const answer = await this.ask(this.paths.apiSocket, 'GET', '/v1/health', healthSchema);
    if (typeof answer === 'string') return `the controller does not answer: ${answer}`;
    if (pid !== null && answer.pid !== pid) return `another controller (pid ${answer.pid}) answers`;
    const needed: Health['parts'][number]['part'][] = ['temporal', 'workers'];
    const bad = answer.parts.find(({ part, ok }) => !ok && (needed as string[]).includes(part));
    return bad === undefined ? null : `${bad.part}: ${bad.why}`;
  }

  /** Null when the host worker with this pid polls. */
  async host(pid: number): Promise<string | null> {
    const report = await readJson(this.paths.hostReport, z.object({ pid: z.int(), polling: z.boolean() }));
    if (report?.pid !== pid) return 'the host worker has not reported';
    return report.polling ? null : 'the host worker does not poll';
  }

  /** A request of the local user to the API; rejects unless it is answered 2xx. */
  async post(path: string, body: unknown): Promise<void> {
    const answer = await this.ask(this.paths.apiSocket, 'POST', path, z.unknown(), body);
    if (typeof answer === 'string') throw new Error(`POST ${path}: ${answer}`);
  }

  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.destroy()));
    this.agents.clear();
  }

  private async ask<S extends z.ZodType>(
    socketPath: string,
    method: 'GET' | 'POST',
    path: string,
    schema: S,
    body?: unknown,
  ): Promise<z.output<S> | string> {
    try {
      const answer = await request(`http://local${path}`, {
        method,
        dispatcher: this.agentFor(socketPath),
        signal: AbortSignal.timeout(method === 'GET' ? limitMs : postLimitMs),
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      const text = await answer.body.text();
      // 503 is an answer of the health route: its parts say what is missing.
      if (answer.statusCode >= 400 && answer.statusCode !== 503) return `${answer.statusCode} ${text.slice(0, 200)}`;
      const parsed = schema.safeParse(JSON.parse(text));
      return parsed.success ? parsed.data : `${answer.statusCode} ${text.slice(0, 200)}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private agentFor(socketPath: string): Agent {
    let agent = this.agents.get(socketPath);
    if (agent === undefined) {
      agent = new Agent({ connect: { socketPath }, pipelining: 0, connections: 4 });
      this.agents.set(socketPath, agent);
    }
    return agent;
  }
}

/** The bearer token in a file of the data directory. */
export async function readToken(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}
