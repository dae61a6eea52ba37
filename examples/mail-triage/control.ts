/** The control listener: `POST /fault` switches a fault on, `GET /fault` reads it. Loopback only. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseFault, type FaultState } from './faults';
import { BodyTooLarge, readBody, sendJson } from './http-bodies';

const LIMIT_BYTES = 16 * 1024;

/**
 * The answer comes when the fault is in effect: no request that begins after it escapes. It carries the time of the
 * machine's monotonic clock (`monotonicNs`, the same for all processes since boot). `crash` is answered with the time
 * right before the process is killed.
 */
export async function startControl(faults: FaultState, kill: () => void): Promise<{ port: number; close(): void }> {
  const server = createServer((request, response) => {
    if (request.url !== '/fault') return sendJson(response, 404, { error: `${request.url}: unknown, try /fault` });
    if (request.method === 'GET') return sendJson(response, 200, faults.current());
    if (request.method !== 'POST') return sendJson(response, 405, { error: 'expected GET or POST' });
    readBody(request, LIMIT_BYTES).then(
      (body) => {
        try {
          const fault = parseFault(body);
          faults.set(fault);
          if (fault.kind === 'crash') response.once('finish', () => setImmediate(kill));
          sendJson(response, 200, { ...fault, monotonicNs: String(process.hrtime.bigint()), timeMs: Date.now() });
        } catch (error) {
          sendJson(response, 400, { error: (error as Error).message });
        }
      },
      (error: Error) => sendJson(response, error instanceof BodyTooLarge ? 413 : 400, { error: error.message }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
