/** `14:03:10 UTC`. */
export function clock(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)} UTC`;
}

/** `14:03:10.123`, for steps that lie close together. */
export function fineClock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}

export function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** `2026-11-23 14:03:10 UTC`. */
export function moment(ms: number): string {
  return `${day(ms)} ${clock(ms)}`;
}

/** The time of day, with the date only where it is another day than `now`. */
export function when(ms: number, now: number): string {
  return day(ms) === day(now) ? clock(ms) : moment(ms);
}

/** `340 ms`, `1.4 s`, `35.7 s`, `3 min 20 s`, `2 h 5 min`, `3 days`. */
export function span(ms: number): string {
  const sign = ms < 0 ? '−' : '';
  const size = Math.abs(ms);
  if (size < 1000) return `${sign}${Math.round(size)} ms`;
  if (size < 59_950) return `${sign}${(size / 1000).toFixed(1).replace(/\.0$/, '')} s`;
  const seconds = Math.round(size / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${sign}${minutes} min${seconds % 60 === 0 ? '' : ` ${seconds % 60} s`}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${sign}${hours} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
  return `${sign}${Math.round(hours / 24)} days`;
}

export function ago(ms: number, now: number): string {
  return now - ms < 1000 ? 'just now' : `${span(now - ms)} ago`;
}

/** A value of a metric in its unit: rates in per cent, latencies in ms, growth of memory in MiB/h. */
export function metricValue(metric: string, value: number | null, unit?: string): string {
  if (value === null) return '–';
  const known = unit ?? unitOf(metric);
  if (known === 'ratio') return percent(value);
  return `${number(value)} ${known}`.trimEnd();
}

function unitOf(metric: string): string {
  if (metric.startsWith('latency')) return 'ms';
  if (metric.startsWith('memory')) return 'MiB/h';
  if (metric === 'answer-length') return 'characters';
  // Energy distances have no unit.
  if (metric.endsWith('-drift')) return '';
  return 'ratio';
}

/** `93 %`, `7.4 %`, `0.52 %`. */
export function percent(ratio: number): string {
  const value = ratio * 100;
  if (value === 0 || Math.abs(value) >= 99.95) return `${Math.round(value)} %`;
  return `${Math.abs(value) >= 10 ? value.toFixed(1) : Number(value.toPrecision(2))} %`;
}

export function number(value: number): string {
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3)));
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(rows: readonly (readonly string[])[], indent = ''): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  return rows.map((row) =>
    (
      indent + row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))).join('  ')
    ).trimEnd(),
  );
}

/** A label and its lines, the label once. */
export function labelled(label: string, lines: readonly string[], width = 12): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? label : '').padEnd(width)}${line}`);
}

/** A word in a shell: quoted only where it must be. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
