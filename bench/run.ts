import { BadUse, makeReport, NotMeasured, table, type Bench, type BenchOptions } from './report';

/** Each benchmark by name, loaded when it is asked for: one whose parts are missing does not hinder the others. */
const BENCHES: Record<string, () => Promise<{ bench: Bench }>> = {
  gateway: () => import('./gateway'),
  exposure: () => import('./exposure'),
  calibration: () => import('./calibration'),
  'detection-cost': () => import('./detection-cost'),
  nab: () => import('./nab'),
  cloud: () => import('./cloud'),
  semantic: () => import('./semantic'),
  scenarios: () => import('./scenarios'),
  swap: () => import('./swap'),
  crash: () => import('./crash'),
  load: () => import('./load'),
  caches: () => import('./caches'),
  pipelines: () => import('./pipelines'),
  chaos: () => import('./chaos'),
  drills: () => import('./drills'),
  security: () => import('./security'),
  scale: () => import('./scale'),
};

const USAGE = `usage: npm run -s bench -- NAME [--data DIR] [--seed N] [--json] [options of the benchmark]
benchmarks: ${Object.keys(BENCHES).join(', ')}`;

async function main(): Promise<number> {
  const [name, ...rest] = process.argv.slice(2);
  const load = name === undefined ? undefined : BENCHES[name];
  if (name === undefined || !load) {
    process.stderr.write(`${USAGE}\n`);
    return 64;
  }
  const flags = parseFlags(rest);
  const seed = Number(flags['seed'] ?? 1);
  if (!Number.isInteger(seed)) {
    process.stderr.write(`--seed: found ${flags['seed']}, expected a whole number\n`);
    return 64;
  }
  const { data: dataDir, json, seed: _, ...more } = flags;
  const options: BenchOptions = { seed, dataDir, more, say: (line) => process.stderr.write(`${line}\n`) };
  try {
    const { bench } = await load();
    const report = makeReport(name, seed, await bench(options));
    process.stdout.write(`${json === undefined ? table(report) : JSON.stringify(report)}\n`);
    return 0;
  } catch (error) {
    if (error instanceof BadUse) {
      process.stderr.write(`${error.message}\n`);
      return 64;
    }
    process.stderr.write(`${name}: ${error instanceof NotMeasured ? error.message : String((error as Error).stack)}\n`);
    return 2;
  }
}

/** `--name value` and `--name` alone (then `true`). */
function parseFlags(args: readonly string[]): Record<string, string> {
  const flags: Record<string, string> = {};
  for (let index = 0; index < args.length; index += 1) {
    const name = args[index]?.replace(/^--/, '') ?? '';
    const next = args[index + 1];
    if (next === undefined || next.startsWith('--')) flags[name] = 'true';
    else {
      flags[name] = next;
      index += 1;
    }
  }
  return flags;
}

void main().then((code) => process.exit(code));
