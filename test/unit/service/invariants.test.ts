import fc from 'fast-check';
import { reduce } from '../../../domain/service/reduce';
import { play, scripts } from '../../support/service-scripts';

// 3,000 keep the whole suite below its time on two cores; a long search sets the variable (100_000 takes about ten minutes).
const runs = Number(process.env['LASTGOOD_PROPERTY_RUNS'] ?? 3_000);
const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2_147_483_647);

test(
  'no sequence of verdicts, reports, operators, crashes and outages breaks an invariant',
  () => {
    process.stdout.write(`service invariants: ${runs} sequences, seed ${seed}\n`);
    fc.assert(
      fc.property(scripts, (script) => {
        play(script, reduce);
      }),
      { seed, numRuns: runs },
    );
  },
  30 * 60_000,
);
