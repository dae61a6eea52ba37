import { readBackgrounds } from './scenarios/backgrounds';
import { runCases } from './scenarios/case-pool';
import { casesOf, ENVIRONMENT_CHANGES, MODEL_FAULTS, type CaseKind } from './scenarios/cases';
import { PEER_SETTINGS } from './scenarios/peers';
import { petShopRows } from './scenarios/petshop-rows';
import { scenarioRows } from './scenarios/rows';
import { shippedPolicy } from './scenarios/shipped-policy';
import { slowDecline } from './scenarios/slow-decline';
import { BadUse, row, type Bench } from './report';

const FULL = { clean: 3_000, model: 100, environment: 100, both: 100, declines: 40 };
/** Too few for the false rate: its upper limit says so. */
const QUICK = { clean: 100, model: 20, environment: 20, both: 20, declines: 10 };
const KNOWN = ['quick', 'clean'];
const SAY_EVERY = 250;

/**
 * Deploys on real backgrounds: faults of the new version, changes around it, and nothing at all. The shipped detection
 * and policy decide; other rules see the same rows. `--quick`; `--clean N` clean deploy-days (3,000).
 */
export const bench: Bench = async ({ seed, dataDir, more, say }) => {
  const unknown = Object.keys(more).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw new BadUse(`--${unknown}: unknown, expected --${KNOWN.join(', --')}`);
  const size = more['quick'] === undefined ? FULL : QUICK;
  const clean = Number(more['clean'] ?? size.clean);
  if (!Number.isInteger(clean) || clean < 1)
    throw new BadUse(`--clean: found ${more['clean']}, expected a whole number from 1`);
  const backgrounds = readBackgrounds(dataDir);
  const policy = shippedPolicy();
  const of = (kinds: readonly CaseKind[], count: number): ReturnType<typeof casesOf> =>
    kinds.flatMap((kind) => casesOf(kind, count, seed));
  const cases = [
    ...of(MODEL_FAULTS, size.model),
    ...of(ENVIRONMENT_CHANGES, size.environment),
    ...of(['both'], size.both),
    ...of(['clean'], clean),
  ];
  say(`${backgrounds.length} backgrounds, ${cases.length} cases, ${clean} of them clean deploy-days`);
  const outcomes = await runCases(cases, dataDir ?? '', (done) => {
    if (done % SAY_EVERY === 0) say(`${done} of ${cases.length}`);
  });
  const declines: (number | null)[] = [];
  for (let at = 0; at < size.declines; at += 1)
    declines.push(await slowDecline(seed * 1_000 + at, backgrounds, policy));
  const found = declines.filter((days) => days !== null);
  return {
    policy: {
      shipped: policy,
      size: { ...size, clean },
      backgrounds: backgrounds.map(({ name }) => name),
      peers: PEER_SETTINGS,
    },
    rows: [
      ...scenarioRows(outcomes, say),
      ...petShopRows(dataDir, say),
      {
        ...row('slow_decline.found', '%', (100 * found.length) / declines.length, undefined, {
          target: 100,
          better: 'higher',
        }),
        n: declines.length,
      },
      { ...row('slow_decline.days.p50', 'days', median(found)), n: found.length },
    ],
  };
};

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? NaN;
}
