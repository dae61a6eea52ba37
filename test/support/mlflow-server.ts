import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import { until } from './poll';
import { temporaryDirectory } from './temporary';

const python = resolve(__dirname, '../../.cache/test-deps/mlflow/bin/python');

/** `describe`, or with one visible line `describe.skip`. */
export function describeMlflow(what: string): jest.Describe {
  if (existsSync(python)) return describe;
  process.stdout.write(`skipped: ${what} (no MLflow; scripts/test-deps/mlflow.sh installs it)\n`);
  return describe.skip;
}

export interface MlflowUser {
  readonly name: string;
  readonly password: string;
}

type Json = Record<string, unknown>;

/** A real MLflow server on loopback, and what a person would do there, over its HTTP interface. */
export class MlflowServer {
  private constructor(
    readonly url: string,
    private readonly user: MlflowUser | null,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(user: MlflowUser | null = null): Promise<MlflowServer> {
    const directory = temporaryDirectory('mlflow');
    const port = await freePort();
    const child = spawn(
      python,
      [
        ...['-m', 'mlflow', 'server', '--backend-store-uri', `sqlite:///${join(directory, 'mlflow.db')}`],
        ...['--artifacts-destination', join(directory, 'artifacts'), '--serve-artifacts'],
        ...['--host', '127.0.0.1', '--port', String(port), '--workers', '1'],
        ...(user === null ? [] : ['--app-name', 'basic-auth']),
      ],
      {
        cwd: directory,
        // Its own session: the server is a child of the program that starts it.
        detached: true,
        stdio: ['ignore', 'ignore', 'ignore'],
        env: {
          PATH: process.env['PATH'],
          HOME: directory,
          MLFLOW_DISABLE_TELEMETRY: 'true',
          DO_NOT_TRACK: 'true',
          MLFLOW_FLASK_SERVER_SECRET_KEY: 'only for this test',
          ...(user === null
            ? {}
            : { MLFLOW_AUTH_ADMIN_USERNAME: user.name, MLFLOW_AUTH_ADMIN_PASSWORD: user.password }),
        },
      },
    );
    const ended = new Promise<void>((done) => child.once('exit', () => done()));
    const url = `http://127.0.0.1:${port}`;
    const stop = async (): Promise<void> => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      await ended;
    };
    const healthy = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`MLflow ended with ${child.exitCode}`);
      const answer = await request(`${url}/health`).catch(() => null);
      await answer?.body.dump();
      return answer?.statusCode === 200;
    };
    await until('a healthy MLflow', healthy, 120_000).catch(async (fault: unknown) => {
      await stop();
      throw fault;
    });
    return new MlflowServer(url, user, stop);
  }

  async call(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: Json | Buffer): Promise<Json> {
    const { user } = this;
    const headers = {
      ...(user === null
        ? {}
        : { authorization: `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}` }),
      ...(body === undefined || Buffer.isBuffer(body) ? {} : { 'content-type': 'application/json' }),
    };
    const answer = await request(`${this.url}/api/2.0/${path}`, {
      method,
      headers,
      headersTimeout: 30_000,
      ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return JSON.parse(text === '' ? '{}' : text) as Json;
  }

  async model(name: string): Promise<void> {
    await this.call('POST', 'mlflow/registered-models/create', { name });
  }

  /** A run with these metrics; answers with its id. */
  async run(
    metrics: Readonly<Record<string, number>> = {},
    params: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const answer = await this.call('POST', 'mlflow/runs/create', { experiment_id: '0', start_time: 1 });
    const { run_id: run } = (answer['run'] as { info: { run_id: string } }).info;
    await this.call('POST', 'mlflow/runs/log-batch', {
      run_id: run,
      metrics: Object.entries(metrics).map(([key, value]) => ({ key, value, timestamp: 1_795_358_698_866, step: 0 })),
      params: Object.entries(params).map(([key, value]) => ({ key, value })),
    });
    return run;
  }

  async upload(path: string, content: Buffer | string): Promise<void> {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    await this.call('PUT', `mlflow-artifacts/artifacts/${encoded}`, Buffer.from(content));
  }

  /** Registers files of a run; answers with the version's number. */
  async version(
    model: string,
    run: string,
    files: Readonly<Record<string, Buffer | string>>,
    folder = 'model',
  ): Promise<string> {
    for (const [path, content] of Object.entries(files))
      await this.upload(`0/${run}/artifacts/${folder}/${path}`, content);
    return await this.register(model, `mlflow-artifacts:/0/${run}/artifacts/${folder}`, run);
  }

  async register(model: string, source: string, run: string): Promise<string> {
    const [, id] = /^models:\/(.+)$/.exec(source) ?? [];
    const made = await this.call('POST', 'mlflow/model-versions/create', {
      ...{ name: model, source, run_id: run },
      ...(id === undefined ? {} : { model_id: id }),
    });
    return (made['model_version'] as { version: string }).version;
  }

  async alias(model: string, alias: string, version: string): Promise<void> {
    await this.call('POST', 'mlflow/registered-models/alias', { name: model, alias, version });
  }

  async tag(model: string, version: string, key: string, value: string): Promise<void> {
    await this.call('POST', 'mlflow/model-versions/set-tag', { name: model, version, key, value });
  }

  async tags(model: string, version: string): Promise<Record<string, string>> {
    const query = new URLSearchParams({ name: model, version }).toString();
    const { tags = [] } = (await this.call('GET', `mlflow/model-versions/get?${query}`))['model_version'] as {
      tags?: { key: string; value: string }[];
    };
    return Object.fromEntries(tags.map(({ key, value }) => [key, value]));
  }

  async remove(model: string, version: string): Promise<void> {
    await this.call('DELETE', 'mlflow/model-versions/delete', { name: model, version });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise<void>((done) => void server.close(() => done()));
  return port;
}
