import { GROUNDS, groundOf, type Ground, type GroundName } from './load/grounds';
import { Site } from './load/site';
import { Traffic } from './load/traffic';
import { BadUse, median, medianRow, missingRow, type Bench, type Row } from './report';

const ROUNDS = 5;
const ROUNDS_MIN = 5;

/** Milliseconds of one round. */
interface Times {
  /** From the decision to deploy a version that does not run to its first answer. */
  readonly cold: number;
  /** From the decision to go back to the version before, whose copy is warm, to its first answer. */
  readonly warm: number;
  /** The same engine started without lastgood, from the command until it is ready. */
  readonly bare: number;
}

/**
 * From decision to traffic, on each ground: the time in the ledger entry of the decision until the first answer of the
 * version. `ours` is what is left of `cold` without the median of the bare starts of the same run. `--rounds N`, at least 5;
 * `--grounds LIST`.
 */
export const bench: Bench = async ({ more, say }) => {
  const { rounds, grounds } = planOf(more);
  const rows: Row[] = [];
  for (const name of grounds) {
    const start = groundOf(name);
    if (typeof start === 'string') {
      say(`${name}: ${start}`);
      rows.push(...rowsOf(name, [], start));
    } else {
      rows.push(...rowsOf(name, await roundsOf(await start(), rounds, say), null));
    }
  }
  return { policy: { rounds, shipped: true, copiesLoadedMax: 4 }, rows };
};

async function roundsOf(ground: Ground, rounds: number, say: (line: string) => void): Promise<Times[]> {
  const site = await Site.start(ground);
  let traffic: Traffic | null = null;
  try {
    await site.add('1.0');
    await site.act('deploy', '1.0');
    await site.live('1.0');
    const users = (traffic = new Traffic(site.entrance));
    const times: Times[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const version = `1.${round}`;
      const artifact = await site.add(version);
      const bare = await ground.bare(artifact, round);
      const cold = await timed(site, users, 'deploy', version);
      await site.live(version);
      await site.warm('1.0');
      const warm = await timed(site, users, 'rollback', '1.0');
      await site.live('1.0');
      times.push({ cold, warm, bare });
      say(`${ground.name} ${round}: cold ${ms(cold)}, warm ${ms(warm)}, the engine alone ${ms(bare)}`);
    }
    say(`${ground.name}: ${users.sent} requests, ${users.failed} failed`);
    return times;
  } finally {
    await traffic?.stop();
    await site.stop();
    await ground.close();
  }
}

async function timed(site: Site, users: Traffic, act: 'deploy' | 'rollback', version: string): Promise<number> {
  users.forget();
  await site.act(act, version);
  const decision = await site.entry(['deploy-decided', 'rollback-decided']);
  await site.live(version);
  return (users.answeredAt(version) ?? NaN) - decision.at;
}

function rowsOf(name: GroundName, times: readonly Times[], why: string | null): Row[] {
  const ours = { target: 100 };
  if (why !== null) {
    return [
      missingRow(`${name}.cold.p50`, 'ms', why),
      missingRow(`${name}.warm.p50`, 'ms', why),
      missingRow(`${name}.ours.p50`, 'ms', why, ours),
    ];
  }
  const bare = median(times.map((one) => one.bare));
  const engine = { peers: { 'engine alone': Math.round(bare * 1_000) / 1_000 } };
  return [
    medianRow(`${name}.cold.p50`, 'ms', times.map(({ cold }) => cold), engine), // prettier-ignore
    medianRow(`${name}.warm.p50`, 'ms', times.map(({ warm }) => warm)), // prettier-ignore
    medianRow(`${name}.ours.p50`, 'ms', times.map(({ cold }) => cold - bare), ours), // prettier-ignore
  ];
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function planOf(given: Readonly<Record<string, string>>): { rounds: number; grounds: readonly GroundName[] } {
  for (const name of Object.keys(given)) {
    if (name !== 'rounds' && name !== 'grounds') throw new BadUse(`--${name}: unknown, expected --rounds or --grounds`);
  }
  const rounds = Number(given['rounds'] ?? ROUNDS);
  if (!(Number.isInteger(rounds) && rounds >= ROUNDS_MIN))
    throw new BadUse(`--rounds: found ${given['rounds']}, expected a whole number from ${ROUNDS_MIN} on`);
  const grounds = (given['grounds']?.split(',') ?? [...GROUNDS]).map((name) => {
    const found = GROUNDS.find((known) => known === name);
    if (!found) throw new BadUse(`--grounds: found ${name}, expected some of ${GROUNDS.join(', ')}`);
    return found;
  });
  return { rounds, grounds };
}
