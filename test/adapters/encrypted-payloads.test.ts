import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { encryptedPayloads, EncryptedPayloads, PayloadKeyMissing } from '../../workers/encrypted-payloads';
import { startDevServer } from '../support/temporal-servers';

const old = { id: '2025', key: randomBytes(32) };
const newer = { id: '2026', key: randomBytes(32) };
const canary = 'canary-7d1f0c';
const payload = (): Payload => defaultPayloadConverter.toPayload({ secret: canary }) as Payload;
const meant = ([one]: readonly Payload[]): unknown => one && defaultPayloadConverter.fromPayload(one);

test('what was encrypted is read again, and shows nothing of itself; the same twice does not look the same', async () => {
  const codec = new EncryptedPayloads([old]);
  const [first, second] = await codec.encode([payload(), payload()]);
  expect(Buffer.from(first?.data ?? []).toString('latin1')).not.toContain(canary);
  expect(first?.data).not.toEqual(second?.data);
  expect(meant(await codec.decode([first as Payload]))).toEqual({ secret: canary });
});

test('after a change of keys the new one encrypts, the old one still reads, and what came before encryption is read too', async () => {
  const before = await new EncryptedPayloads([old]).encode([payload()]);
  const codec = new EncryptedPayloads([newer, old]);
  expect(meant(await codec.decode(before))).toEqual({ secret: canary });
  expect(meant(await codec.decode([payload()]))).toEqual({ secret: canary });
  const after = await codec.encode([payload()]);
  await expect(new EncryptedPayloads([old]).decode(after)).rejects.toThrow(PayloadKeyMissing);
  await expect(new EncryptedPayloads([old]).decode(after)).rejects.toThrow('by the key "2026"');
});

test('a payload that was changed, or given another key, is not read', async () => {
  const [sealed] = await new EncryptedPayloads([old]).encode([payload()]);
  const data = Buffer.from(sealed?.data ?? []);
  data.writeUInt8(data.readUInt8(40) ^ 1, 40);
  const codec = new EncryptedPayloads([old, newer]);
  await expect(codec.decode([{ ...sealed, data }])).rejects.toThrow();
  const metadata = { ...sealed?.metadata, 'encryption-key-id': Buffer.from('2026') };
  await expect(codec.decode([{ ...sealed, metadata }])).rejects.toThrow();
});

test('a key file that holds no key ends the start with its name', () => {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-keys-'));
  const file = join(directory, 'one.key');
  writeFileSync(file, 'short\n');
  expect(() => encryptedPayloads([{ id: 'a', file }])).toThrow(`${file}: found 5 characters, expected 32 bytes`);
  writeFileSync(file, `${randomBytes(32).toString('hex')}\n`);
  expect(encryptedPayloads([{ id: 'a', file }])).toBeInstanceOf(EncryptedPayloads);
  expect(encryptedPayloads([])).toBeNull();
  rmSync(directory, { recursive: true });
});

test('a real server keeps no readable byte of an input', async () => {
  const { env, stop } = await startDevServer();
  try {
    const history = async (client: Client, workflowId: string): Promise<string> => {
      await client.workflow.start('nobodyRunsIt', { taskQueue: 'q', workflowId, args: [{ secret: canary }] });
      const raw = await env.connection.workflowService.getWorkflowExecutionHistory({
        namespace: client.options.namespace,
        execution: { workflowId },
      });
      return JSON.stringify(
        raw.history?.events?.map((event) =>
          event.workflowExecutionStartedEventAttributes?.input?.payloads?.map(({ data }) =>
            Buffer.from(data ?? []).toString('latin1'),
          ),
        ),
      );
    };
    const { connection, options } = env.client;
    const dataConverter = { payloadCodecs: [new EncryptedPayloads([old])] };
    expect(await history(env.client, 'plain')).toContain(canary);
    expect(
      await history(new Client({ connection, namespace: options.namespace, dataConverter }), 'sealed'),
    ).not.toContain(canary);
  } finally {
    await stop();
  }
}, 60_000);
