import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { z } from 'zod';
import { FaultDidNotHappen, FaultRefused, FaultRemains, FaultSelectsNothing } from '../errors';
import { proof, type FaultMaker } from './fault-maker';
import { proxyStateSchema, type Endpoint, type ProxyOrder, type ProxyState } from './registry-proxy';

const undoSchema = z.strictObject({
  control: z.string(),
  mode: z.enum(['cut', 'slow']),
  delayMs: z.number(),
  limitMs: z.number(),
});
const CONTROL_MS = 5_000;
const TRY_EXTRA_MS = 10_000;

/** Cuts or slows what lies between lastgood and its registry, by a proxy that the configuration names as the registry. */
export function registryFault(controlOf: (proxy: string) => string): FaultMaker<'registry'> {
  return {
    async prepare(service, { proxy, mode, delayMs, limitMs }) {
      const control = controlOf(proxy);
      if (!existsSync(control))
        throw new FaultSelectsNothing(
          `registry: no proxy named ${proxy} runs; start it with lastgood chaos proxy ${proxy}`,
        );
      const state = await ask(control, null);
      if (state.mode !== 'pass')
        throw new FaultRefused(`registry: the proxy ${proxy} is ordered to ${state.mode} already`);
      return {
        kind: 'registry',
        service,
        target: `${proxy}: ${wordsOf(state.listen)} before ${wordsOf(state.upstream)} (${mode})`,
        undo: { control, mode, delayMs, limitMs },
      };
    },
    async inject({ undo }) {
      const { control, mode, delayMs, limitMs } = undoSchema.parse(undo);
      const { listen } = await ask(control, { mode, delayMs, limitMs });
      const tried = await tryThrough(listen, delayMs + TRY_EXTRA_MS);
      const happened = mode === 'cut' ? !tried.answered : tried.answered && tried.ms >= delayMs;
      if (!happened) throw new FaultDidNotHappen(`registry: ordered to ${mode}, and a try ${trialWords(tried)}`);
      return proof(`the registry is ${mode === 'cut' ? 'cut off' : 'slow'}: a try ${trialWords(tried)}`, { ...tried });
    },
    async remove({ undo }) {
      const { control, mode, delayMs } = undoSchema.parse(undo);
      if (!existsSync(control)) return proof('the proxy has ended, and its order with it');
      const { listen, mode: now } = await ask(control, { mode: 'pass', delayMs: 0, limitMs: 1 });
      if (now !== 'pass') throw new FaultRemains(`registry: the proxy still is ordered to ${now}`);
      const tried = await tryThrough(listen, TRY_EXTRA_MS);
      // A registry that is down by itself answers nobody: only what the proxy does is ours to prove.
      if (mode === 'slow' && tried.answered && tried.ms >= delayMs)
        throw new FaultRemains(`registry: it passes again, and a try ${trialWords(tried)}`);
      return proof(`the proxy passes again: a try ${trialWords(tried)}`, { ...tried });
    },
  };
}

interface Tried {
  readonly answered: boolean;
  readonly ms: number;
}

function trialWords({ answered, ms }: Tried): string {
  return `${answered ? 'was answered' : 'got no answer'} after ${Math.round(ms)} ms`;
}

function wordsOf({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}

/** Any byte that comes back is an answer: whether the registry understood what it was asked does not matter here. */
function tryThrough(listen: Endpoint, limitMs: number): Promise<Tried> {
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect(listen);
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve({ answered, ms: performance.now() - began });
    };
    socket.setTimeout(limitMs, () => end(false));
    socket.once('connect', () => socket.write('HEAD / HTTP/1.0\r\n\r\n'));
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}

async function ask(socketPath: string, order: ProxyOrder | null): Promise<ProxyState> {
  const text = await new Promise<string>((resolve, reject) => {
    const call = request({ socketPath, path: '/', method: order === null ? 'GET' : 'PUT', timeout: CONTROL_MS });
    call.once('timeout', () => call.destroy(new Error(`no answer within ${CONTROL_MS} ms`)));
    call.once('error', reject);
    call.once('response', (response) => {
      let body = '';
      response.on('data', (piece: Buffer) => (body += piece.toString()));
      response.once('end', () => resolve(body));
      response.once('error', reject);
    });
    call.end(order === null ? undefined : JSON.stringify(order));
  }).catch((fault: unknown) => {
    throw new FaultSelectsNothing(`registry: the proxy at ${socketPath} does not answer`, { cause: fault });
  });
  const state = proxyStateSchema.safeParse(JSON.parse(text));
  if (!state.success) throw new FaultRefused(`registry: the proxy at ${socketPath} answered ${text.slice(0, 200)}`);
  return state.data;
}
