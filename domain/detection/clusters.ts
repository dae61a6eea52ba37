import type { DistanceMatrix } from './distance-matrix';

/** A medoid is moved at most so often; it settles after three or four rounds. */
const MAX_ROUNDS = 20;

/**
 * The cell of each point, 0 … k − 1: k medoids of the pooled points (k-means++ choice of the first ones, then the
 * alternating method of Park & Jun 2009). Both samples make the cells together: cells made from one of them alone fit
 * that one better, which looks like drift. Fewer cells where there are fewer different points.
 */
export function clusterCells(matrix: DistanceMatrix, cells: number, uniform: () => number): number[] {
  let medoids = spreadMedoids(matrix, cells, uniform);
  let assigned = nearestMedoid(matrix, medoids);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const moved = medoids.map((medoid, cell) => centralPoint(matrix, assigned, cell) ?? medoid);
    if (moved.every((point, cell) => point === medoids[cell])) break;
    medoids = moved;
    assigned = nearestMedoid(matrix, medoids);
  }
  return assigned;
}

/** How many points of each cell are `current` (1) or not. */
export function cellCounts(
  assigned: readonly number[],
  current: ArrayLike<number>,
): { reference: number[]; current: number[] } {
  const cells = assigned.reduce((most, cell) => Math.max(most, cell + 1), 0);
  const counts = { reference: new Array<number>(cells).fill(0), current: new Array<number>(cells).fill(0) };
  assigned.forEach((cell, point) => {
    const side = current[point] === 1 ? counts.current : counts.reference;
    side[cell] = (side[cell] ?? 0) + 1;
  });
  return counts;
}

function spreadMedoids(matrix: DistanceMatrix, cells: number, uniform: () => number): number[] {
  if (matrix.size === 0) return [];
  const medoids = [Math.floor(uniform() * matrix.size)];
  const nearest = row(matrix, medoids[0] ?? 0).map((distance) => distance ** 2);
  while (medoids.length < cells) {
    const sum = nearest.reduce((all, value) => all + value, 0);
    if (!(sum > 0)) break;
    let left = uniform() * sum;
    let chosen = nearest.findLastIndex((value) => value > 0);
    for (let point = 0; point < nearest.length; point += 1) {
      left -= nearest[point] ?? 0;
      if (left < 0) {
        chosen = point;
        break;
      }
    }
    medoids.push(chosen);
    row(matrix, chosen).forEach((distance, point) => {
      nearest[point] = Math.min(nearest[point] ?? Infinity, distance ** 2);
    });
  }
  return medoids;
}

function nearestMedoid(matrix: DistanceMatrix, medoids: readonly number[]): number[] {
  return Array.from({ length: matrix.size }, (_, point) => {
    const distances = medoids.map((medoid) => matrix.values[medoid * matrix.size + point] ?? Infinity);
    return distances.indexOf(Math.min(...distances));
  });
}

/** The point of a cell with the least sum of distances to the others of it. */
function centralPoint(matrix: DistanceMatrix, assigned: readonly number[], cell: number): number | null {
  const members = assigned.flatMap((of, point) => (of === cell ? [point] : []));
  let best: number | null = null;
  let least = Infinity;
  for (const candidate of members) {
    const distances = row(matrix, candidate);
    const sum = members.reduce((all, member) => all + (distances[member] ?? 0), 0);
    if (sum < least) {
      least = sum;
      best = candidate;
    }
  }
  return best;
}

function row(matrix: DistanceMatrix, point: number): Float64Array {
  return matrix.values.subarray(point * matrix.size, (point + 1) * matrix.size);
}
