import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  PrivateEngine as Engine,
  whyNoEngine,
  writeImageRoot,
  type EngineOptions,
} from '../../bench/load/docker-engine';
import { temporaryDirectory } from './temporary';

export type { EngineOptions };
export type PrivateEngine = Engine;

/** In a directory that is removed after the test. */
export const PrivateEngine = {
  start: (options: EngineOptions = {}): Promise<Engine> =>
    Engine.start({ directory: temporaryDirectory('docker'), ...options }),
};

/** `describe` for tests that need a real dockerd; where none can be had, one line of a file says so. */
export function needsDocker(title: string, tests: () => void): void {
  const missing = whyNoEngine();
  if (missing === null) describe(title, tests);
  else if (!told) it.skip(`the tests against a real Docker engine: ${missing}`, () => undefined);
  told = missing !== null;
}
let told = false;

let tarOfRoot: Buffer | null = null;

export function imageTar(): Buffer {
  if (tarOfRoot !== null) return tarOfRoot;
  const root = temporaryDirectory('docker-image');
  writeImageRoot(
    root,
    ['fake-model.js', 'light-model.js'].map((script) => join(__dirname, script)),
  );
  tarOfRoot = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1024 ** 3 });
  return tarOfRoot;
}

/** The image of the fake model, imported into the engine; resolves to its id. */
export function fakeModelImage(engine: PrivateEngine): Promise<string> {
  return engine.import(imageTar(), ['ENTRYPOINT ["/bin/node","/app/fake-model.js"]', 'USER 1000:1000']);
}
