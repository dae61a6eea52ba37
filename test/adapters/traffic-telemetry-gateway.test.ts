import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { request } from 'undici';
import { gatewayTelemetry, TelemetryUnreachable } from '../../adapters/telemetry/gateway';
import { gatewayRouter } from '../../adapters/traffic/gateway';
import { GatewayAnswerRefused, GatewayUnreachable } from '../../adapters/traffic/gateway-control';
import type { CountsRow, TelemetryRow } from '../../gateway/protocol';
import { startFakeModel, type FakeModel } from '../support/fake-model';
import { FakeTelemetry } from '../support/fakes/telemetry';
import { FakeTrafficRouter } from '../support/fakes/traffic-router';
import { route, startGateway, type GatewayProcess } from '../support/gateway-process';
import { telemetryContract } from '../support/contracts/telemetry';
import { trafficRouterContract } from '../support/contracts/traffic-router';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const INFERENCE = JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] });
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(removeTemporary);

function infer(gateway: GatewayProcess): Promise<{ headers: Record<string, unknown> }> {
  return request(`${gateway.address()}/v2/models/mail/infer`, { method: 'POST', body: INFERENCE }).then(
    async (answer) => {
      await answer.body.dump();
      return { headers: answer.headers };
    },
  );
}
const backendOf = (model: FakeModel, version: string) => ({
  address: model.address,
  instance: `mail@${version}#x`,
  digest: 'sha256:x',
});
const socketOf = (gateway: GatewayProcess): string => (gateway.config.control as { socket: string }).socket;

trafficRouterContract('the fake router', () => {
  const router = new FakeTrafficRouter(['mail']);
  return Promise.resolve({
    router,
    backend: (version) => ({ address: 'http://127.0.0.1:2', instance: `mail@${version}#x`, digest: 'sha256:x' }),
    holdRequest: () => {
      router.setInFlight('mail', '1.0', 1);
      return Promise.resolve(() => Promise.resolve(router.setInFlight('mail', '1.0', 0)));
    },
    close: () => Promise.resolve(),
  });
});

trafficRouterContract('the gateway', async () => {
  const gateway = await startGateway();
  const model = await startFakeModel();
  const router = gatewayRouter({ address: { socket: socketOf(gateway) } });
  return {
    router,
    backend: (version) => backendOf(model, version),
    holdRequest: async () => {
      let release: () => void = () => undefined;
      model.gate = new Promise<void>((resolve) => (release = resolve));
      const { requests } = model;
      const running = infer(gateway);
      await until('the request at the backend', () => model.requests > requests);
      return async () => {
        release();
        await running;
        await until('the end', async () => (await gateway.state()).inFlight['1.0'] !== 1);
      };
    },
    close: async () => {
      await router.close();
      await model.close();
      await gateway.stop();
    },
  };
});

telemetryContract('the fake telemetry', () => {
  const telemetry = new FakeTelemetry('mail', 50);
  let seq = 0;
  return Promise.resolve({
    telemetry,
    request: () => {
      const id = `r${++seq}`;
      telemetry.push(counts({ seq, fromMs: Date.now() }));
      const common = {
        at: Date.now(),
        id,
        service: 'mail',
        version: '1.0',
        digest: 'sha256:x',
        instance: 'mail@1.0#x',
      };
      telemetry.answers.set(id, {
        ...common,
        epoch: 1,
        reason: 'primary',
        status: 200,
        ms: 1,
        class: 'spam',
        score: 0.9,
      });
      return Promise.resolve(id);
    },
    close: () => Promise.resolve(),
  });
});

telemetryContract('the telemetry of the gateway', async () => {
  const gateway = await startGateway();
  const model = await startFakeModel();
  await gateway.apply(route(1, '1.0', { '1.0': [backendOf(model, '1.0')] }));
  const telemetry = gatewayTelemetry({ address: { socket: socketOf(gateway) } });
  return {
    telemetry,
    request: async () => String((await infer(gateway)).headers['x-request-id']),
    close: async () => {
      await telemetry.close();
      await model.close();
      await gateway.stop();
    },
  };
});

function counts(change: Partial<CountsRow>): CountsRow {
  return {
    kind: 'counts',
    seq: 1,
    fromMs: 0,
    toMs: 1,
    version: '1.0',
    epoch: 1,
    cohort: 'live',
    requests: 1,
    failures: 0,
    timeouts: 0,
    clientErrors: 0,
    malformed: 0,
    repeated: 0,
    cut: 0,
    latency: null,
    predicted: { spam: 1 },
    scoreSum: 0,
    scoreCount: 0,
    labels: {},
    ...change,
  };
}

/** A server that answers as a gateway should not. */
async function strange(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ host: string; port: number; tokenFile: string }> {
  const server: Server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));
  const tokenFile = join(temporaryDirectory('token'), 'token');
  writeFileSync(tokenFile, 'secret-token-of-the-gateway\n');
  const address = server.address();
  return { host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0, tokenFile };
}
const line = (row: TelemetryRow): string => `${JSON.stringify(row)}\n`;

describe('the client of a gateway', () => {
  it('on loopback sends the token of its file', async () => {
    const tokens: (string | undefined)[] = [];
    const address = await strange((incoming, response) => {
      tokens.push(incoming.headers.authorization);
      response.end('{"floor":4}');
    });
    expect(await gatewayRouter({ address }).fence('mail', 4)).toBe(4);
    expect(tokens).toEqual(['Bearer secret-token-of-the-gateway']);
  });

  it('works against a real gateway on loopback, and says so when its token is refused', async () => {
    const tokenFile = join(temporaryDirectory('token'), 'token');
    writeFileSync(tokenFile, '0123456789abcdef0123456789abcdef\n');
    const gateway = await startGateway({ control: { host: '127.0.0.1', port: 0, tokenFile } });
    closers.push(() => gateway.stop());
    const report = readFileSync(gateway.config.reportFile ?? '', 'utf8');
    const { control } = JSON.parse(report) as { control: { address: string } };
    const address = { host: '127.0.0.1', port: Number(new URL(control.address).port), tokenFile };
    expect(await gatewayRouter({ address }).read('mail')).toMatchObject({ record: null });
    const wrong = join(temporaryDirectory('token'), 'token');
    writeFileSync(wrong, 'another-token-altogether\n');
    await expect(gatewayRouter({ address: { ...address, tokenFile: wrong } }).read('mail')).rejects.toThrow(
      /token is not accepted/,
    );
  });

  it('marks its probes in a way that the gateway believes: they are in no metric', async () => {
    const gateway = await startGateway();
    const model = await startFakeModel();
    closers.push(
      () => gateway.stop(),
      () => model.close(),
    );
    await gateway.apply(route(1, '1.0', { '1.0': [backendOf(model, '1.0')] }));
    const { address, probeHeaders } = await gatewayRouter({ address: { socket: socketOf(gateway) } }).entrance('mail');
    const probe = await request(`${address}/v2/models/mail/infer`, {
      method: 'POST',
      body: INFERENCE,
      headers: { ...probeHeaders },
    });
    await probe.body.dump();
    expect(probe.statusCode).toBe(200);
    await infer(gateway);
    const rows = await until('the counted request', async () => {
      const found = (await gateway.telemetry()).filter((row): row is CountsRow => row.kind === 'counts');
      return found.length > 0 ? found : null;
    });
    expect(rows.reduce((sum, row) => sum + row.requests, 0)).toBe(1);
    expect(model.inferences).toHaveLength(2);
  });

  it.each([
    ['is not there', { socket: '/nonexistent/control.sock' }, /ENOENT/],
    ['has no token', { host: '127.0.0.1', port: 1, tokenFile: '/nonexistent/token' }, /no token/],
  ])('rejects as unreachable when the gateway %s', async (_, address, message) => {
    const fault = await gatewayRouter({ address })
      .read('mail')
      .catch((caught: unknown) => caught);
    expect(fault).toBeInstanceOf(GatewayUnreachable);
    expect((fault as Error).message).toMatch(message);
  });

  it.each([
    ['no JSON', 200, 'hello', GatewayAnswerRefused, /expected JSON/],
    ['another JSON', 200, '{"service":1}', GatewayAnswerRefused, /service/],
    ['an error of its own', 503, '{"error":"full disk"}', GatewayUnreachable, /full disk/],
    ['a bad request', 400, '{"error":"bad"}', GatewayAnswerRefused, /400/],
    ['more than is read', 200, 'x'.repeat(2_000), GatewayAnswerRefused, /longer than 1000 bytes/],
  ])('rejects an answer that is %s, with what was found', async (_, status, body, kind, message) => {
    const address = await strange((_incoming, response) => response.writeHead(status).end(body));
    const fault = await gatewayRouter({ address, limitBytes: 1_000 })
      .read('mail')
      .catch((caught: unknown) => caught);
    expect(fault).toBeInstanceOf(kind);
    expect((fault as Error).message).toMatch(message);
  });

  it('gives up on an answer that drips for ever', async () => {
    const address = await strange((_incoming, response) => {
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    });
    await expect(gatewayRouter({ address, timeoutMs: 200 }).read('mail')).rejects.toThrow(
      /no whole answer within 200 ms/,
    );
  });

  it('does not take an applied route from an answer whose status says otherwise', async () => {
    const address = await strange((_incoming, response) =>
      response.writeHead(409).end('{"applied":true,"epoch":1,"persistedAt":1}'),
    );
    await expect(gatewayRouter({ address }).apply(route(1, '1', {}))).rejects.toThrow(/status 409 with applied = true/);
  });
});

describe('following a telemetry', () => {
  async function followed(
    answer: (response: ServerResponse) => void,
    options: { limitLineBytes?: number } = {},
  ): Promise<{ rows: (TelemetryRow | null)[]; fault: unknown }> {
    const address = await strange((_incoming, response) => answer(response));
    const rows: (TelemetryRow | null)[] = [];
    try {
      for await (const row of gatewayTelemetry({ address, silenceMs: 300, ...options }).follow(
        'mail',
        0,
        AbortSignal.timeout(5_000),
      ))
        rows.push(row);
    } catch (fault) {
      return { rows, fault };
    }
    return { rows, fault: null };
  }

  it('puts rows together however they are cut, several in one piece and one in many', async () => {
    const text = line(counts({ seq: 1, version: '1.0-ä' })) + '\n' + line(counts({ seq: 2 }));
    const { rows, fault } = await followed((response) => {
      const bytes = Buffer.from(text);
      let at = 0;
      const drip = setInterval(() => {
        response.write(bytes.subarray(at, (at += 97)));
        if (at >= bytes.length) response.end(() => clearInterval(drip));
      }, 2);
    });
    expect(rows.map((row) => row && [row.seq, row.version])).toEqual([[1, '1.0-ä'], null, [2, '1.0']]);
    expect(fault).toBeInstanceOf(TelemetryUnreachable);
    expect((fault as Error).message).toMatch(/ended the stream after row 2/);
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['silent', (response) => response.write(line(counts({ seq: 1 }))), /nothing came for 300 ms/],
    ['silent before its headers', () => undefined, /no answer within 300 ms/],
    [
      'reset',
      (response) => (response.write(line(counts({ seq: 1 }))), setTimeout(() => response.destroy(), 50)),
      /aborted|closed|terminated|socket/i,
    ],
    [
      'repeating a row',
      (response) => response.write(line(counts({ seq: 1 })) + line(counts({ seq: 1 }))),
      /row 1 after row 1/,
    ],
    ['garbage', (response) => response.write('<html>\n'), /expected a row, found "<html>"/],
    ['a row of another form', (response) => response.write('{"kind":"counts","seq":1}\n'), /after row 0/],
    ['one endless line', (response) => response.write('x'.repeat(20_000)), /a line is longer than 10000 bytes/],
    ['an error', (response) => response.writeHead(500).end('{}'), /500/],
  ])('ends with TelemetryUnreachable when the source is %s', async (_, answer, message) => {
    const { fault } = await followed(answer, { limitLineBytes: 10_000 });
    expect(fault).toBeInstanceOf(TelemetryUnreachable);
    expect((fault as Error).message).toMatch(message);
  });

  it('closes its connection when the caller leaves the loop', async () => {
    let closed = false;
    const address = await strange((_incoming, response) => {
      response.on('close', () => (closed = true));
      response.write(line(counts({ seq: 1 })));
    });
    for await (const row of gatewayTelemetry({ address }).follow('mail', 0, new AbortController().signal)) {
      expect(row?.seq).toBe(1);
      break;
    }
    await until('the closed connection', () => closed);
  });
});
