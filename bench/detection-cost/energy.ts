import { performance } from 'node:perf_hooks';
import { distanceMatrix } from '../../domain/detection/distance-matrix';
import { energyTest } from '../../domain/detection/energy-test';
import { seededUniform } from '../../domain/detection/seeded-random';
import { medianRow, row, type Row } from '../report';

const POINTS = 100;
const DIMENSIONS = 384;
const PERMUTATIONS = 200;
const RUNS = 20;

/**
 * Energy test of 100 against 100 embeddings of 384 dimensions with 200 permutations, distances included, and its longest
 * slice: the activity gives the event loop back between two of them.
 */
export function energyRows(seed: number): Row[] {
  const uniform = seededUniform(seed);
  const points = Array.from({ length: 2 * POINTS }, () => Float32Array.from({ length: DIMENSIONS }, uniform));
  const labels = points.map((_, index) => (index < POINTS ? 0 : 1));
  const totals: number[] = [];
  let longest = 0;
  const drive = <T>(steps: Generator<void, T>): T => {
    for (;;) {
      const began = performance.now();
      const next = steps.next();
      longest = Math.max(longest, performance.now() - began);
      if (next.done === true) return next.value;
    }
  };
  for (let run = 0; run < RUNS; run += 1) {
    const began = performance.now();
    const matrix = drive(distanceMatrix(points));
    drive(energyTest(matrix, labels, { alpha: 0.01, permutations: PERMUTATIONS, uniform }));
    totals.push(performance.now() - began);
  }
  return [
    medianRow('energy.ms', 'ms', totals, { target: 100 }),
    row('energy.max_slice', 'ms', longest, [longest], { target: 20 }),
  ];
}
