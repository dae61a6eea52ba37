import { lnGamma } from '../../../domain/detection/binomial-distribution';

/**
 * P(Dₙ ≥ distance) of the one-sample statistic, by the method that scipy chooses: exact for few values and near the
 * middle, twice the one-sided probability in the tail of many (Miller 1956).
 */
export function oneSamplePValue(distance: number, n: number): number {
  if (n > 140 && n * distance * distance >= 2.2) return 2 * oneSidedPValue(distance, n);
  return 1 - exactProbability(distance, n);
}

/** P(Dₙ⁺ ≥ distance): Birnbaum & Tingey (1951), equation 3.0. */
function oneSidedPValue(distance: number, n: number): number {
  let sum = 0;
  for (let j = 0; j <= Math.floor(n * (1 - distance)); j += 1) {
    const above = distance + j / n;
    const binomial = lnGamma(n + 1) - lnGamma(j + 1) - lnGamma(n - j + 1);
    sum += Math.exp(binomial + (j - 1) * Math.log(above) + (n - j) * Math.log1p(-above));
  }
  return distance * sum;
}

/** Marsaglia, Tsang & Wang (2003): an entry of the n-th power of a matrix. */
function exactProbability(distance: number, n: number): number {
  const k = Math.floor(n * distance) + 1;
  const size = 2 * k - 1;
  const h = k - n * distance;
  const matrix = Array.from({ length: size }, (_, i) =>
    Float64Array.from({ length: size }, (__, j) => (i - j + 1 < 0 ? 0 : 1)),
  );
  const at = (i: number): Float64Array => matrix[i] ?? new Float64Array();
  for (let i = 0; i < size; i += 1) {
    at(i)[0] = (at(i)[0] ?? 0) - h ** (i + 1);
    at(size - 1)[i] = (at(size - 1)[i] ?? 0) - h ** (size - i);
  }
  at(size - 1)[0] = (at(size - 1)[0] ?? 0) + (2 * h - 1 > 0 ? (2 * h - 1) ** size : 0);
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j <= Math.min(i, size - 1); j += 1) {
      for (let g = 1; g <= i - j + 1; g += 1) at(i)[j] = (at(i)[j] ?? 0) / g;
    }
  }
  const { power, exponent } = matrixPower(matrix, n);
  let probability = power[k - 1]?.[k - 1] ?? 0;
  let scale = exponent;
  for (let i = 1; i <= n; i += 1) {
    probability *= i / n;
    if (probability < 1e-140) {
      probability *= 1e140;
      scale -= 140;
    }
  }
  return probability * 10 ** scale;
}

type Matrix = readonly Float64Array[];

/** Entries are kept in range by powers of ten. */
function matrixPower(base: Matrix, n: number): { power: Matrix; exponent: number } {
  if (n === 1) return { power: base, exponent: 0 };
  const half = matrixPower(base, Math.floor(n / 2));
  let power = multiply(half.power, half.power);
  let exponent = 2 * half.exponent;
  if (n % 2 === 1) power = multiply(base, power);
  const middle = Math.floor(power.length / 2);
  if ((power[middle]?.[middle] ?? 0) > 1e140) {
    power = power.map((row) => row.map((value) => value * 1e-140));
    exponent += 140;
  }
  return { power, exponent };
}

function multiply(left: Matrix, right: Matrix): Matrix {
  return left.map((row) => {
    const product = new Float64Array(row.length);
    row.forEach((value, k) => {
      const other = right[k];
      if (value === 0 || !other) return;
      for (let j = 0; j < product.length; j += 1) product[j] = (product[j] ?? 0) + value * (other[j] ?? 0);
    });
    return product;
  });
}
