import { Bench, LIVE, pause, TRUSTED, type State } from './exposure/installation';
import { BadUse, medianRow, missingRow, NotMeasured, quantile, row, type Bench as Benchmark, type Row } from './report';

const DRILLS = 20;
const PER_SECOND = 20;
const HISTORY_MS = 90_000;
/** Half of the answers get another class: found by labels, which arrive 3 to 6 s later. */
const DEGRADE = { wrongShare: 0.5 };
const FOR_MS = 120_000;
const END_MS = 240_000;
/** Whatever a drill must leave alone, by the entries that would tell of it. */
const BRAKES = ['cooldown-started', 'breaker-opened', 'rollback-decided', 'degradation-began', 'incident-ended'];

interface Made {
  readonly outcome: string;
  readonly why: string;
  readonly stages: Readonly<Record<'detect' | 'decide' | 'shift' | 'restore', number | null>>;
  readonly exposedMs: number | null;
}

/** Mirrored drills on the example service, one after the other, under traffic with labels. `--drills N`. */
export const bench: Benchmark = async ({ seed, dataDir, more, say }) => {
  const count = countOf(more);
  const installed = await Bench.start({ dataDir: dataDir ?? '.cache/mail-triage', seed, say });
  try {
    await installed.act('vouch', { version: TRUSTED });
    for (const version of [TRUSTED, LIVE]) {
      await installed.act('deploy', { version });
      await installed.until(`${version} is live`, live(version), 120_000);
    }
    await installed.load.rate(PER_SECOND);
    say(`good history: ${HISTORY_MS / 1_000} s at ${PER_SECOND} requests a second`);
    await pause(HISTORY_MS);
    const head = await installed.ledgerHead();
    const made: Made[] = [];
    for (let number = 1; number <= count; number += 1) {
      const one = await drillOnce(installed);
      made.push(one);
      say(`drill ${number}: ${one.outcome}, ${JSON.stringify(one.stages)}, ${one.why}`);
    }
    const { records } = await installed.load.read();
    const lost = records.filter((record) => (record as { status?: number | null }).status !== 200).length;
    const touched = await installed.entries(BRAKES, head);
    for (const { kind, summary } of touched) say(`touched: ${kind}: ${summary}`);
    return { policy: installed.settings, rows: rowsOf(made, lost, touched.length) };
  } finally {
    await installed.stop();
  }
};

async function drillOnce(installed: Bench): Promise<Made> {
  const ready = (state: State): boolean => state.standby?.proof === 'ok' && !state.drill && state.operation === null;
  await installed.until('a proven standby', ready, 120_000);
  const head = await installed.ledgerHead();
  try {
    await installed.act('drill', { way: 'mirror', degrade: DEGRADE, share: 1, forMs: FOR_MS });
  } catch (error) {
    return { outcome: 'refused', why: String(error), stages: noStages, exposedMs: null };
  }
  const entry = await installed.entry(['drill-ended'], head, END_MS);
  if (entry === null) throw new NotMeasured(`a drill did not end within ${END_MS / 1_000} s`);
  const facts = entry.facts as Readonly<Record<string, unknown>>;
  const at = (name: string): number | null => (typeof facts[name] === 'number' ? facts[name] : null);
  const [onset, detected, decided] = [at('onsetAt'), at('detectedAt'), at('decidedAt')];
  const [shifted, restored] = [at('shiftedAt'), at('restoredAt')];
  return {
    outcome: String(facts['outcome']),
    why: String(facts['why']),
    stages: {
      detect: between(onset, detected),
      decide: between(detected, decided),
      shift: between(decided, shifted),
      restore: between(shifted, restored),
    },
    exposedMs: between(onset, restored),
  };
}

const noStages = { detect: null, decide: null, shift: null, restore: null } as const;

function rowsOf(made: readonly Made[], dropped: number, touched: number): Row[] {
  const share = (holds: (one: Made) => boolean): number => (100 * made.filter(holds).length) / made.length;
  const exposed = made.flatMap(({ exposedMs }) => (exposedMs === null ? [] : [exposedMs]));
  const p99 =
    exposed.length === 0
      ? missingRow('exposure.p99', 'ms', 'no drill went the whole way')
      : row('exposure.p99', 'ms', quantile(exposed, 0.99), exposed);
  const stages = (['detect', 'decide', 'shift', 'restore'] as const).map((stage) =>
    medianRow(
      `${stage}.p50`,
      'ms',
      made.flatMap(({ stages: { [stage]: ms } }) => (ms === null ? [] : [ms])),
    ),
  );
  return [
    row('detected', '%', share(({ stages: { detect } }) => detect !== null), made.map(({ stages: { detect } }) => Number(detect !== null) * 100), { better: 'higher', target: 100 }),
    row('rolled_back', '%', share(({ outcome }) => outcome === 'passed'), made.map(({ outcome }) => Number(outcome === 'passed') * 100), { better: 'higher', target: 100 }),
    medianRow('exposure.p50', 'ms', exposed),
    p99,
    row('dropped', '', dropped, [dropped], { better: 'zero' }),
    row('brakes.touched', '', touched, [touched], { better: 'zero' }),
    ...stages,
  ]; // prettier-ignore
}

function between(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : Math.max(0, to - from);
}

function live(version: string): (state: State) => boolean {
  return ({ declared, operation }) => declared?.primary === version && operation === null;
}

function countOf(given: Readonly<Record<string, string>>): number {
  for (const name of Object.keys(given))
    if (name !== 'drills') throw new BadUse(`--${name}: unknown, expected --drills`);
  const count = Number(given['drills'] ?? DRILLS);
  if (Number.isInteger(count) && count > 0) return count;
  throw new BadUse(`--drills: found ${given['drills']}, expected a whole number above 0`);
}
