import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiClient } from '../../../cli/api-client';
import { sequence } from '../../../cli/report/course';
import { embeddable } from '../../../cli/report/picture';
import { findIncident } from '../../../cli/story/find-incident';
import { incidentChart } from '../../../domain/chart/incident-chart';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service, start, stored, type PlayedService } from './rollback-story';

const incident = '20261123-1';
const lastgood = { name: 'lastgood', proof: 'lastgood', from: 'controller' } as const;
/** What somebody may have put into a sentence, a reason or the name of a class. */
const foreign = '<script src="http://evil.example/x.js">alert(1)</script> | `x` [y](http://evil.example) \u202e';

const picture = incidentChart({
  service,
  incident,
  metric: 'recall:bulk',
  unit: 'ratio',
  sentence: `recall of ${foreign} fell`,
  fromMs: start,
  toMs: start + 3_640_000,
  points: [0.93, 0.92, null, 0.8, 0.78].map((value, index) => ({ atMs: start + index * 900_000, value })),
  center: 0.93,
  ucl: null,
  lcl: 0.85,
  onset: { atMs: start + 3_605_000, lowMs: start + 3_600_500, highMs: start + 3_612_000 },
  alarmMs: start + 3_639_000,
  shiftMs: start + 3_640_700,
});

let played: PlayedService;
let rig: ApiRig;

async function kept(digest: string, svg: string): Promise<void> {
  rig.pictures.set(digest, svg);
  await played.ledger.append({
    service,
    key: `chart/${digest}`,
    at: played.now,
    kind: 'evidence-kept',
    incident,
    actor: lastgood,
    summary: 'picture of recall:bulk kept',
    facts: { chart: { digest, bytes: svg.length, media: 'image/svg+xml' } },
  });
}

beforeAll(async () => {
  played = await rolledBack();
  rig = await new ApiRig(played).listen();
  await kept('sha256:aa', picture);
  await kept('sha256:bb', '<svg onload="alert(1)"><script>alert(2)</script></svg>');
  played.after(1_300_000);
  await played.ledger.append({
    service,
    key: 'by-hand/1',
    at: played.now,
    kind: 'operator-act',
    incident: null,
    actor: { name: 'bob', proof: 'oidc', from: '10.0.0.7' },
    summary: `bob clears the quarantine: ${foreign}`,
    facts: { act: 'clearQuarantine' },
  });
});
afterAll(async () => {
  await rig.close();
  removeTemporary();
});

test('the report as Markdown has the whole story, what was measured, weighed, done and what to do', async () => {
  const { code, out, err } = await rig.run('report', incident);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatchSnapshot();
});

test('the page is one file that loads nothing, runs nothing, and shows foreign words as words', async () => {
  const file = join(rig.directory, 'incident.html');
  expect(await rig.run('report', '--out', file)).toMatchObject({ code: 0, err: '' });
  const page = readFileSync(file, 'utf8');
  expect(page).toMatchSnapshot();
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  const tags = [...page.matchAll(/<([a-z]+)/g)].map(([, name]) => name);
  expect(
    tags.filter((name) => /^(?:script|img|iframe|link|object|embed|form|base|image|use)$/.test(name ?? '')),
  ).toEqual([]);
  expect(page).not.toMatch(/\s(?:src|on[a-z]+|action|xlink:href)=(?=["'][^"']*["'][^<]*>)/);
  expect([...page.matchAll(/<[^>]* href="([^"]*)"/g)].every(([, to]) => to?.startsWith('#'))).toBe(true);
  expect(page).not.toMatch(/url\(|@import/);
  expect(page).not.toContain('\u202e');
  expect(page.match(/<svg /g)).toHaveLength(1);
  expect(page).toContain('it holds more than a picture of lastgood does');
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('Markdown in a file has its pictures beside it, and nothing that is there is written over', async () => {
  const file = join(rig.directory, 'night.md');
  const beside = join(rig.directory, 'night-1.svg');
  const { code, out } = await rig.run('report', incident, '--out', file, '--json');
  expect([code, JSON.parse(out)]).toMatchObject([0, { service, incident, file, format: 'md', pictures: [beside] }]);
  expect(readFileSync(beside, 'utf8')).toBe(picture);
  expect(readFileSync(file, 'utf8')).toContain('](night-1.svg)');
  expect(await rig.run('report', incident, '--out', file)).toMatchObject({
    code: 64,
    err: expect.stringContaining('is there already') as string,
  });
});

test('a form that is not known, and an incident that nobody has, end with 64 and what to do', async () => {
  expect((await rig.run('report', '--format', 'pdf')).err).toContain('found "pdf", expected one of md, html');
  const unknown = await rig.run('report', '20990101-1');
  expect([unknown.code, unknown.err]).toEqual([64, expect.stringContaining('to do: lastgood incidents')]);
});

test('a picture is embedded only when it holds nothing but what lastgood draws', () => {
  expect(embeddable(picture, '1')).toContain(`id="lastgood-${incident}-title-1"`);
  const wrap = (inside: string): string => `<svg xmlns="http://www.w3.org/2000/svg" width="1">${inside}</svg>`;
  expect(embeddable(wrap('<text class="x">fine</text>'), '1')).not.toBeNull();
  for (const inside of [
    '<script>1</script>',
    '<image href="http://evil.example/"/>',
    '<rect onclick="x"/>',
    '<style>@import "http://evil.example"</style>',
    '<style>rect{fill:url(http://evil.example)}</style>',
    '<rect x="1"',
    '</svg><b>out</b><svg>',
    '<foreignObject>x</foreignObject>',
  ])
    expect(embeddable(wrap(inside), '1')).toBeNull();
});

test('an incident with more entries than are held keeps its begin and its end, and says how many are left out', async () => {
  const own = played.ledger.entries(service).filter((entry) => entry.incident === incident);
  const [model] = own;
  if (!model) throw new Error('the story has no entry of its incident');
  const many = Array.from({ length: 4_500 }, (_, index) => ({ ...model, seq: index + 1, at: start + index }));
  let pages = 0;
  const client = {
    services: () => Promise.resolve([{ service }]),
    ledger: (_: string, { after = 0, limit = 1_000 }) => {
      pages += 1;
      return Promise.resolve({ entries: many.filter(({ seq }) => seq > after).slice(0, limit), head: null });
    },
  } as unknown as ApiClient;
  const found = await findIncident(client, 'report', { what: incident });
  const numbers = found.entries.map(({ seq }) => seq);
  expect([numbers.length, numbers[1_999], numbers[2_000], numbers.at(-1)]).toEqual([4_000, 2_000, 2_501, 4_500]);
  expect([found.leftOut, pages]).toEqual([500, 6]);
  expect(sequence(found.entries, found.leftOut)[0]).toMatchObject({
    text: expect.stringContaining('500 from its middle are left out') as string,
  });
});

test('the report of an incident with a hold move tells each move, and the exposure of its users once', async () => {
  const story = await rolledBack({ cooldown: '1m' });
  await story.apply({
    type: 'versions-listed',
    versions: ['1.0', '1.1', '1.2', '1.3'].map((version, order) => stored(version, order)),
  });
  const bob = { name: 'bob', proof: 'oidc', from: '10.0.0.7' } as const;
  await story.message({ name: 'vouch', requestId: 'v1', reason: 'known for years', actor: bob, version: '1.0' });
  await story.apply({ type: 'degradation-ended', report: { id: 'v1', epoch: 0, at: story.now, sentence: 'over' } });
  await story.after(61_000).apply({ type: 'tick' });
  await story.degraded(undefined, 'model', undefined, 'v2');
  await story.after(300).operation('1.1', 'rollback');
  await story.after(1_000).operation('1.0', 'rollback');
  const itsRig = await new ApiRig(story).listen();
  try {
    const { out } = await itsRig.run('report', '20261123-2');
    expect(out).toMatchSnapshot();
    expect(out).toContain(', 1.2 → 1.1 → 1.0: settled');
    expect(out).toContain('the users of 1.2 for ');
    expect(out).not.toContain('the users of 1.1');
  } finally {
    await itsRig.close();
  }
});
