import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type TgiFault = 'none' | 'not-ready' | 'status-500' | 'hang' | 'reset' | 'garbage' | 'huge' | 'queue';

export interface FakeTgi {
  readonly address: string;
  fault: TgiFault;
  info: object;
  batch: number;
  queue: number;
  readonly calls: string[];
  close(): Promise<void>;
}

/** Text Generation Inference as its documentation describes it; nothing of it was compared with a real one. */
export async function startFakeTgi(): Promise<FakeTgi> {
  let decoded = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => answer(request, response, text));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeTgi = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: 'none',
    info: { model_id: 'org/mail-7b', model_sha: 'abc123', version: '3.3.6', max_input_tokens: 4095 },
    batch: 0,
    queue: 0,
    calls: [],
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  };

  function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
    const route = `${request.method ?? ''} ${request.url ?? ''}`;
    fake.calls.push(route);
    if (route === 'GET /health')
      return void response
        .writeHead(fake.fault === 'not-ready' ? 503 : 200)
        .end(fake.fault === 'not-ready' ? '{"error":"unhealthy","error_type":"healthcheck"}' : '');
    if (route === 'GET /info') return void response.end(JSON.stringify(fake.info));
    if (route === 'GET /metrics') {
      if (fake.fault === 'queue') decoded += 1;
      return void response.end(
        `# TYPE tgi_batch_current_size gauge\ntgi_batch_current_size ${fake.batch}\n# TYPE tgi_queue_size gauge\ntgi_queue_size ${fake.queue}\n# TYPE tgi_batch_inference_count counter\ntgi_batch_inference_count{method="decode"} ${decoded}\n`,
      );
    }
    const inference = ['POST /generate', 'POST /v1/completions', 'POST /v1/chat/completions'].includes(route);
    if (!inference) return void response.writeHead(404).end();
    if (fake.fault === 'hang' || fake.fault === 'queue') return;
    if (fake.fault === 'reset') return void request.socket.destroy();
    if (fake.fault === 'status-500')
      return void response.writeHead(500).end('{"error":"Request failed during generation","error_type":"generation"}');
    if (fake.fault === 'garbage') return void response.end('<html>');
    if (fake.fault === 'huge') return void response.end(`"${'x'.repeat(200_000)}"`);
    const body = JSON.parse(text) as { inputs?: string; prompt?: string };
    if (route === 'POST /generate') {
      if (typeof body.inputs !== 'string') return void response.writeHead(422).end('missing field `inputs`');
      return void response.end('{"generated_text":"spam"}');
    }
    const choice = route.includes('chat') ? { message: { content: 'spam' } } : { text: 'spam' };
    response.end(JSON.stringify({ choices: [{ index: 0, ...choice, finish_reason: 'length' }] }));
  }
  return fake;
}
