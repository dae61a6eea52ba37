import { missingRow, type Row } from '../report';

/** Energy test of 100 against 100 embeddings of 384 dimensions with 200 permutations. */
export function energyRow(): Row {
  return missingRow('energy.ms', 'ms', 'the energy test is not part of this build', { target: 100 });
}
