/** Where progress is written: standard error, or what a test gives. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface Progress {
  /** Bytes that have arrived. */
  update(bytes: number): void;
  /** Leaves the last state on a line of its own. */
  finish(): void;
}

const barWidth = 30;
const lineIntervalMs = 3_000;

/** A bar on a terminal; where there is none, a line at the start and every three seconds. */
export function showProgress(label: string, totalBytes: number | undefined, output: ProgressOutput): Progress {
  let shown = '';
  let lineAtMs = performance.now();
  let last = -1;
  // Without a terminal somebody who reads a log must see at once what the time goes into.
  if (output.isTTY !== true && totalBytes !== undefined) output.write(`${label} (${mib(totalBytes)} MiB)\n`);
  return {
    update(bytes) {
      // Nothing is shown of an attempt that never got a byte: another may follow.
      if (bytes === last || (bytes === 0 && totalBytes === undefined)) return;
      last = bytes;
      if (output.isTTY === true) {
        const text = `${label} ${bar(bytes, totalBytes)}${amount(bytes, totalBytes)}`;
        output.write(`\r${text.padEnd(shown.length)}`);
        shown = text;
      } else if (performance.now() - lineAtMs >= lineIntervalMs) {
        lineAtMs = performance.now();
        output.write(`${label} ${amount(bytes, totalBytes)}\n`);
      }
    },
    finish() {
      if (shown !== '') output.write('\n');
      shown = '';
    },
  };
}

function bar(bytes: number, totalBytes: number | undefined): string {
  if (totalBytes === undefined) return '';
  const filled = Math.min(barWidth, Math.floor((bytes / totalBytes) * barWidth));
  return `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] `;
}

function amount(bytes: number, totalBytes: number | undefined): string {
  if (totalBytes === undefined) return `${mib(bytes)} MiB`;
  return `${mib(Math.min(bytes, totalBytes))} of ${mib(totalBytes)} MiB`;
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}
