import { clockText, numberText, percentText } from '../detection/verdict';
import { timeTicks, valueScale, type ValueScale } from './scales';

/** What an incident was decided on, as it can be drawn. Times in ms since the epoch, values in `unit`. */
export interface IncidentPicture {
  readonly service: string;
  readonly incident: string;
  readonly metric: string;
  readonly unit: string;
  readonly sentence: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** In the order of time; null where nothing was measured: a gap, never a line across it. */
  readonly points: readonly { readonly atMs: number; readonly value: number | null }[];
  readonly center: number | null;
  readonly ucl: number | null;
  readonly lcl: number | null;
  readonly onset: { readonly atMs: number; readonly lowMs: number | null; readonly highMs: number | null } | null;
  readonly alarmMs: number | null;
  readonly shiftMs: number | null;
}

const WIDTH = 760;
const HEIGHT = 420;
const PLOT = { left: 74, right: WIDTH - 92, top: 132, bottom: HEIGHT - 52 };
/** Names of the marks stand above the plot, each in a row of its own: the moments are often seconds apart. */
const ROWS = [PLOT.top - 6, PLOT.top - 20, PLOT.top - 34] as const;
const LABEL_HEIGHT = 26;
const POINTS_MAX = 600;
const SENTENCE_LINE = 92;
const SENTENCE_LINES = 2;

interface Frame {
  readonly x: (atMs: number) => number;
  readonly y: (value: number) => number;
  readonly text: (value: number) => string;
  readonly scale: ValueScale;
}

/**
 * An SVG picture of at most 60 kB that needs nothing from anywhere: values with gaps, limits, centre, onset with its
 * interval, alarm and shift. Told apart by dashes and words, not by colour alone; light or dark as its reader is.
 */
export function incidentChart(picture: IncidentPicture): string {
  const { service, incident, metric, sentence, fromMs, toMs } = picture;
  const frame = frameOf(picture);
  const id = `lastgood-${incident.replaceAll(/[^A-Za-z0-9-]/g, '-')}`;
  const title = `${service} ${incident}: ${metric}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="${id}-title ${id}-desc">`,
    `<title id="${id}-title">${escaped(title)}</title>`,
    `<desc id="${id}-desc">${escaped(describe(picture, frame))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${HEIGHT}"/>`,
    label(PLOT.left, 28, title, 'head'),
    ...linesOf(sentence).map((line, index) => label(PLOT.left, 48 + 17 * index, line, 'words')),
    ...axes(picture, frame),
    ...limits(picture, frame),
    ...onsetBand(picture, frame),
    ...series(picture, frame),
    ...marks(picture, frame),
    label(
      PLOT.right,
      HEIGHT - 12,
      `UTC, ${day(fromMs)}${day(fromMs) === day(toMs) ? '' : ` to ${day(toMs)}`}`,
      'note end',
    ),
    '</svg>',
    '',
  ].join('\n');
}

// Colours that keep a contrast of at least 4.5 to their ground, in both schemes.
const STYLE =
  'svg{color:#1f2328;font:13px system-ui,sans-serif}.ground{fill:#fff}text{fill:currentColor}.head{font-size:16px;font-weight:600}' +
  '.note{font-size:11px}.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:currentColor;stroke-opacity:.14}' +
  '.series{fill:none;stroke:#0550ae;stroke-width:1.8;stroke-linejoin:round}.dot{fill:#0550ae}.limit{stroke:#b35900;stroke-width:1.5;stroke-dasharray:7 4}' +
  '.center{stroke:currentColor;stroke-opacity:.7;stroke-dasharray:2 3}.onset{fill:#b35900;fill-opacity:.16}.mark{stroke:currentColor;stroke-width:1.3}' +
  '.mark.begin{stroke-dasharray:4 3}@media(prefers-color-scheme:dark){svg{color:#e6edf3}.ground{fill:#0d1117}.series{stroke:#79c0ff}' +
  '.dot{fill:#79c0ff}.limit{stroke:#f0a35e}.onset{fill:#f0a35e;fill-opacity:.22}}';

function frameOf(picture: IncidentPicture): Frame {
  const { fromMs, toMs, points, center, ucl, lcl, unit } = picture;
  const shown = [center, ucl, lcl, ...points.map(({ value }) => value)].filter((value) => value !== null);
  // Nothing that lastgood draws is below zero by nature, unless a value is.
  const scale = valueScale(shown, 0);
  const length = Math.max(1, toMs - fromMs);
  return {
    scale,
    x: (atMs) => PLOT.left + (clamped((atMs - fromMs) / length) || 0) * (PLOT.right - PLOT.left),
    y: (value) => PLOT.bottom - ((value - scale.from) / (scale.to - scale.from)) * (PLOT.bottom - PLOT.top),
    text: (value) => (unit === 'ratio' ? percentText(value) : `${numberText(value)} ${unit}`.trim()),
  };
}

function axes({ fromMs, toMs }: IncidentPicture, { x, y, text, scale }: Frame): string[] {
  return [
    ...scale.ticks.flatMap((tick) => [
      line(PLOT.left, y(tick), PLOT.right, y(tick), 'grid'),
      label(PLOT.left - 8, y(tick) + 4, text(tick), 'note end'),
    ]),
    ...timeTicks(fromMs, toMs).map(({ atMs, label: words }) => label(x(atMs), PLOT.bottom + 18, words, 'note middle')),
    line(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom, 'mark'),
  ];
}

function limits({ center, ucl, lcl }: IncidentPicture, { y, text }: Frame): string[] {
  const lines = [
    { value: ucl, name: 'upper limit', look: 'limit' },
    { value: lcl, name: 'lower limit', look: 'limit' },
    { value: center, name: 'expected', look: 'center' },
  ].filter((each): each is { value: number; name: string; look: string } => each.value !== null);
  const places = apart(lines.map(({ value }) => y(value)));
  return lines.flatMap(({ value, name, look }, index) => [
    line(PLOT.left, y(value), PLOT.right, y(value), look),
    label(PLOT.right + 6, (places[index] ?? 0) - 1, name, 'note'),
    label(PLOT.right + 6, (places[index] ?? 0) + 11, text(value), 'note'),
  ]);
}

function onsetBand({ onset }: IncidentPicture, { x }: Frame): string[] {
  if (onset === null) return [];
  const [low, high] = [x(onset.lowMs ?? onset.atMs), x(onset.highMs ?? onset.atMs)];
  const width = Math.max(2, high - low);
  return [
    `<rect class="onset" x="${px(low)}" y="${PLOT.top}" width="${px(width)}" height="${PLOT.bottom - PLOT.top}"/>`,
  ];
}

function series({ points }: IncidentPicture, { x, y }: Frame): string[] {
  const runs: string[][] = [[]];
  for (const { atMs, value } of points.slice(-POINTS_MAX)) {
    if (value === null) runs.push([]);
    else runs.at(-1)?.push(`${px(x(atMs))} ${px(y(value))}`);
  }
  return runs.flatMap((run) => {
    const [first] = run;
    if (first === undefined) return [];
    const [cx, cy] = first.split(' ');
    // A value between two gaps has no line to be seen by.
    if (run.length === 1) return [`<circle class="dot" cx="${cx}" cy="${cy}" r="2.5"/>`];
    return [`<path class="series" d="M${run.join('L')}"/>`];
  });
}

function marks({ onset, alarmMs, shiftMs }: IncidentPicture, { x }: Frame): string[] {
  const all = [
    { atMs: onset?.atMs ?? null, name: 'onset', look: 'mark begin' },
    { atMs: alarmMs, name: 'alarm', look: 'mark' },
    { atMs: shiftMs, name: 'traffic shifted', look: 'mark' },
  ]
    .flatMap(({ atMs, ...rest }) => (atMs === null ? [] : [{ ...rest, atMs, at: x(atMs) }]))
    .sort((one, other) => one.atMs - other.atMs);
  const left = Math.max(...all.map(({ at }) => at)) > (PLOT.left + PLOT.right) / 2;
  return all.flatMap(({ atMs, at, name, look }, index) => {
    // No line reaches the row of a name that stands across it.
    const row = ROWS[left ? index : all.length - 1 - index] ?? PLOT.top;
    return [
      line(at, row - 10, at, PLOT.bottom, look),
      label(at + (left ? -5 : 5), row, `${name} ${clockText(atMs).slice(0, 8)}`, left ? 'note end' : 'note'),
    ];
  });
}

function describe(
  { metric, sentence, points, center, ucl, lcl, onset, alarmMs, shiftMs }: IncidentPicture,
  { text }: Frame,
): string {
  const measured = points.filter(({ value }) => value !== null).length;
  const parts = [
    `${sentence}.`,
    measured === 0 ? 'No values of it are on record.' : `${measured} values of ${metric}.`,
    ...(center === null ? [] : [`Expected ${text(center)}.`]),
    ...(ucl === null ? [] : [`Upper limit ${text(ucl)}.`]),
    ...(lcl === null ? [] : [`Lower limit ${text(lcl)}.`]),
    ...(onset === null ? [] : [`Onset at about ${clockText(onset.atMs)}.`]),
    ...(alarmMs === null ? [] : [`Alarm at ${clockText(alarmMs)}.`]),
    ...(shiftMs === null ? [] : [`Traffic shifted at ${clockText(shiftMs)}.`]),
  ];
  return parts.join(' ').slice(0, 1_500);
}

/** Words at the edge, at least a label's height from each other and above the axis, in their order. */
function apart(places: readonly number[]): number[] {
  const order = places.map((place, index) => ({ place, index })).sort((left, right) => right.place - left.place);
  const moved = [...places];
  let room = PLOT.bottom - LABEL_HEIGHT / 2;
  for (const { place, index } of order) {
    const at = Math.min(place, room);
    moved[index] = at;
    room = at - LABEL_HEIGHT;
  }
  return moved;
}

function linesOf(sentence: string): string[] {
  const lines: string[] = [''];
  for (const word of sentence.split(/\s+(?!%)/)) {
    const current = lines[lines.length - 1] ?? '';
    if (current.length + word.length < SENTENCE_LINE)
      lines[lines.length - 1] = current === '' ? word : `${current} ${word}`;
    else lines.push(word.slice(0, SENTENCE_LINE));
  }
  if (lines.length <= SENTENCE_LINES) return lines;
  return [...lines.slice(0, SENTENCE_LINES - 1), `${(lines[SENTENCE_LINES - 1] ?? '').slice(0, SENTENCE_LINE - 1)}…`];
}

function line(x1: number, y1: number, x2: number, y2: number, look: string): string {
  return `<line class="${look}" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`;
}

function label(x: number, y: number, words: string, look: string): string {
  return `<text class="${look}" x="${px(x)}" y="${px(y)}">${escaped(words)}</text>`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function clamped(share: number): number {
  return Math.max(0, Math.min(1, share));
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Names of metrics and classes come from configuration and answers. A control character is no XML. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(/\p{Cc}/gu, ' ');
}
