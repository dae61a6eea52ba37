const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A size for people. */
export function sizeWords(bytes: number): string {
  const step = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${step === 0 ? bytes : (bytes / 1024 ** step).toFixed(1)} ${units[step] ?? 'B'}`;
}
