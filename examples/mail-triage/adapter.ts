/**
 * A low-rank delta for the weights (Hu et al., LoRA, 2021): `W + scale · B · A` with B of classes × rank and A of rank ×
 * buckets. It is what a version learned from its newest mails on top of base weights trained on older ones.
 */
import type { LinearModel } from './model';

export interface Adapter {
  rank: number;
  scale: number;
  /** rank × buckets, row after row. */
  a: Float32Array;
  /** classes × rank, row after row. */
  b: Float32Array;
}

/**
 * The best rank-1 approximation of `tuned − base` (Eckart–Young): the first singular vector by power iteration on the
 * small matrix ΔW·ΔWᵀ (classes × classes).
 */
export function lowRankDelta(base: LinearModel, tuned: LinearModel): Adapter {
  const { buckets } = base;
  const rows = base.weights.length / buckets;
  const delta = tuned.weights.map((weight, cell) => weight - (base.weights[cell] as number));
  const gram = Array.from({ length: rows * rows }, (_none, at) => {
    const left = Math.floor(at / rows) * buckets;
    const right = (at % rows) * buckets;
    let sum = 0;
    for (let cell = 0; cell < buckets; cell += 1) {
      sum += (delta[left + cell] as number) * (delta[right + cell] as number);
    }
    return sum;
  });
  let direction = Array.from({ length: rows }, (_none, row) => 1 + row);
  for (let round = 0; round < 200; round += 1) {
    const image = direction.map((_value, row) =>
      direction.reduce((sum, value, column) => sum + (gram[row * rows + column] as number) * value, 0),
    );
    const length = Math.hypot(...image);
    if (length === 0) break;
    direction = image.map((value) => value / length);
  }
  const a = new Float32Array(buckets);
  for (let cell = 0; cell < buckets; cell += 1) {
    a[cell] = direction.reduce((sum, value, row) => sum + value * (delta[row * buckets + cell] as number), 0);
  }
  return { rank: 1, scale: 1, a, b: Float32Array.from(direction) };
}

/** The model with the delta added to its weights; the bias stays. */
export function applyAdapter(model: LinearModel, adapter: Adapter): LinearModel {
  const { buckets } = model;
  const rows = model.weights.length / buckets;
  if (adapter.a.length !== adapter.rank * buckets || adapter.b.length !== rows * adapter.rank) {
    throw new Error(
      `adapter: A has ${adapter.a.length} and B ${adapter.b.length} values, ` +
        `expected ${adapter.rank * buckets} and ${rows * adapter.rank} for rank ${adapter.rank}`,
    );
  }
  const weights = model.weights.slice();
  for (let row = 0; row < rows; row += 1) {
    for (let rank = 0; rank < adapter.rank; rank += 1) {
      const factor = adapter.scale * (adapter.b[row * adapter.rank + rank] as number);
      for (let cell = 0; cell < buckets; cell += 1) {
        const at = row * buckets + cell;
        weights[at] = (weights[at] as number) + factor * (adapter.a[rank * buckets + cell] as number);
      }
    }
  }
  return { buckets, weights, bias: model.bias };
}
