import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'undici';
import { pause } from './site';

/** Where Node's inspector listens when a process is asked for it by SIGUSR1. */
const INSPECTOR = 'http://127.0.0.1:9229/json';

/** Takes a CPU profile of a running process for so long and writes it to `directory`; resolves to the file. */
export async function profile(pid: number, ms: number, directory: string): Promise<string> {
  process.kill(pid, 'SIGUSR1');
  await pause(1_000);
  const [target] = (await (await fetch(INSPECTOR)).json()) as { webSocketDebuggerUrl: string }[];
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '');
  const answers = new Map<number, (result: unknown) => void>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id: number; result: unknown };
    answers.get(id)?.(result);
  });
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
  let next = 0;
  const call = (method: string): Promise<unknown> =>
    new Promise((resolve) => {
      next += 1;
      answers.set(next, resolve);
      socket.send(JSON.stringify({ id: next, method }));
    });
  await call('Profiler.enable');
  await call('Profiler.start');
  await pause(ms);
  const { profile: taken } = (await call('Profiler.stop')) as { profile: unknown };
  socket.close();
  const file = join(directory, `controller-${pid}.cpuprofile`);
  writeFileSync(file, JSON.stringify(taken));
  return file;
}
