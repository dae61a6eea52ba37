import { incidentChart, type IncidentPicture } from '../../../domain/chart/incident-chart';
import { timeTicks, valueScale } from '../../../domain/chart/scales';

const fromMs = Date.UTC(2026, 4, 1, 12);
const minute = 60_000;

function picture(change: Partial<IncidentPicture> = {}): IncidentPicture {
  return {
    service: 'mail-triage',
    incident: 'inc-7',
    metric: 'error-rate',
    unit: 'ratio',
    sentence: '12 of 80 requests failed (15 %) since 12:40:05 UTC; its own history says 0.5 %',
    fromMs,
    toMs: fromMs + 60 * minute,
    points: Array.from({ length: 61 }, (_, index) => ({
      atMs: fromMs + index * minute,
      value: index >= 20 && index < 25 ? null : index < 40 ? 0.005 : 0.15,
    })),
    center: 0.005,
    ucl: 0.02,
    lcl: null,
    onset: { atMs: fromMs + 40 * minute, lowMs: fromMs + 39 * minute, highMs: fromMs + 42 * minute },
    alarmMs: fromMs + 41 * minute,
    shiftMs: fromMs + 42 * minute,
    ...change,
  };
}

const paths = (svg: string): string[] => [...svg.matchAll(/<path class="series" d="([^"]*)"/g)].map(([, d = '']) => d);
const numbersOf = (svg: string): number[] =>
  [...svg.matchAll(/ (?:x|y|x1|x2|y1|y2|cx|cy)="([^"]*)"/g)].map(([, n]) => Number(n));

describe('the chart of an incident', () => {
  it('shows values, limits, onset, alarm and shift, and says the same in words for those who cannot see it', () => {
    const svg = incidentChart(picture());
    for (const words of ['upper limit', 'expected', 'onset 12:40:00', 'alarm 12:41:00', 'traffic shifted 12:42:00'])
      expect(svg).toContain(words);
    expect(svg).toMatch(/<title id="lastgood-inc-7-title">mail-triage inc-7: error-rate<\/title>/);
    expect(svg).toMatch(/<desc [^>]*>.*56 values of error-rate\. Expected 0\.5 %\. Upper limit 2 %\..*<\/desc>/);
    expect(svg).not.toContain('lower limit');
  });

  it('shows a gap as a gap, and a value between two gaps as a dot', () => {
    expect(paths(incidentChart(picture()))).toHaveLength(2);
    const lonely = [1, null, 3, null, 5, 6].map((value, index) => ({ atMs: fromMs + index * minute, value }));
    const svg = incidentChart(picture({ points: lonely, unit: 'ms' }));
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(paths(svg)).toHaveLength(1);
  });

  it('needs nothing from anywhere, and follows the scheme of its reader', () => {
    const svg = incidentChart(picture());
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|href|url\(|@import|<script|<image/);
    expect(svg).toContain('prefers-color-scheme:dark');
    expect(svg).toContain('currentColor');
  });

  it('stays below 60 kB however many values there are, and inside its frame whatever their size', () => {
    const points = Array.from({ length: 20_000 }, (_, index) => ({
      atMs: fromMs + index * 180,
      value: Math.sin(index) * 1e9,
    }));
    const svg = incidentChart(picture({ points, ucl: 3e9, lcl: -3e9, unit: 'bytes', sentence: 'long '.repeat(500) }));
    expect(Buffer.byteLength(svg)).toBeLessThan(60_000);
    expect(numbersOf(svg).every((value) => value >= 0 && value <= 760)).toBe(true);
  });

  it.each<[string, Partial<IncidentPicture>]>([
    ['no value at all', { points: [], center: null, ucl: null }],
    ['nothing but gaps', { points: [{ atMs: fromMs, value: null }], center: null, ucl: null }],
    ['a constant series at its centre', { points: [{ atMs: fromMs, value: 0 }], center: 0, ucl: 0 }],
    ['no time', { toMs: fromMs }],
    ['an onset before the picture', { onset: { atMs: fromMs - minute, lowMs: null, highMs: null } }],
  ])('is whole with %s', (_, change) => {
    const svg = incidentChart(picture(change));
    expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
    expect(numbersOf(svg).every((value) => value >= 0 && value <= 760)).toBe(true);
  });

  it('takes no markup from names', () => {
    const svg = incidentChart(picture({ metric: 'recall:<script>"&', sentence: 'a < b & "c"\u0001' }));
    expect(svg).not.toContain('<script');
    expect(svg).toContain('recall:&lt;script&gt;&quot;&amp;');
    expect(svg).not.toContain('\u0001');
  });
});

describe('the scales of a chart', () => {
  it('have ticks at round numbers inside, and do not go below a floor that no value crosses', () => {
    const scale = valueScale([0.001, 0.15], 0);
    expect(scale.from).toBe(0);
    expect(scale.ticks).toEqual([0, 0.05, 0.1, 0.15]);
    expect(valueScale([-5, 5], 0).from).toBeLessThan(-5);
    expect(valueScale([7, 7]).to).toBeGreaterThan(valueScale([7, 7]).from);
  });

  it('name at most eight round moments, by day where the picture is long', () => {
    const hour = timeTicks(fromMs + 1, fromMs + 60 * minute);
    expect(hour.map(({ label }) => label)).toEqual(['12:10', '12:20', '12:30', '12:40', '12:50', '13:00']);
    const fortnight = timeTicks(fromMs, fromMs + 14 * 86_400_000);
    expect(fortnight.length).toBeLessThanOrEqual(8);
    expect(fortnight[0]?.label).toBe('05-03');
  });
});
