/** Euclidean distances of all pairs, row by row: `values[i * size + j]`; symmetric, zeros on the diagonal. */
export interface DistanceMatrix {
  readonly size: number;
  readonly values: Float64Array;
}

/**
 * Work in slices: a caller on an event loop yields to it between two `next()`. 200 points of 384 dimensions take about
 * 10 ms in 200 slices. Throws RangeError for points of different length and for NaN or infinite coordinates.
 */
export function* distanceMatrix(points: readonly ArrayLike<number>[]): Generator<void, DistanceMatrix> {
  const size = points.length;
  const dimensions = points[0]?.length ?? 0;
  const flat = new Float64Array(size * dimensions);
  points.forEach((point, index) => {
    if (point.length !== dimensions) {
      throw new RangeError(`point ${index} has ${point.length} dimensions, the first has ${dimensions}`);
    }
    flat.set(point, index * dimensions);
  });
  const values = new Float64Array(size * size);
  for (let left = 0; left < size; left += 1) {
    // A distance to itself that is not zero is the sign of a coordinate that is no number.
    for (let right = left; right < size; right += 1) {
      const distance = Math.sqrt(squaredDistance(flat, left * dimensions, right * dimensions, dimensions));
      if (!Number.isFinite(distance))
        throw new RangeError(`point ${left} or ${right} has a coordinate that is no number`);
      values[left * size + right] = distance;
      values[right * size + left] = distance;
    }
    yield;
  }
  return { size, values };
}

function squaredDistance(flat: Float64Array, left: number, right: number, dimensions: number): number {
  let sum = 0;
  for (let axis = 0; axis < dimensions; axis += 1) {
    const difference = (flat[left + axis] as number) - (flat[right + axis] as number);
    sum += difference * difference;
  }
  return sum;
}

/** The part of a matrix that belongs to some of its points, in the order given; one point may come more than once. */
export function subMatrix(matrix: DistanceMatrix, points: readonly number[]): DistanceMatrix {
  const size = points.length;
  const values = new Float64Array(size * size);
  points.forEach((from, row) => {
    points.forEach((to, column) => {
      values[row * size + column] = matrix.values[from * matrix.size + to] ?? NaN;
    });
  });
  return { size, values };
}
