import { inputFits, type InputFitOptions } from '../../adapters/environment/input-fits';
import { reduceInput } from '../../domain/environment/input-fields';
import { profileInputs, type InputProfile } from '../../domain/environment/input-profile';
import type { SampledInput } from '../../gateway/protocol';

const start = Date.UTC(2026, 4, 1, 12);
const minute = 60_000;

function inputs(count: number, country: (at: number) => string): SampledInput[] {
  return Array.from({ length: count }, (_, at) => ({
    requestId: `r${at}`,
    atMs: start - minute + at,
    path: '/v2/models/loan/infer',
    contentType: 'application/json',
    body: JSON.stringify({ country: country(at), age: 20 + (at % 40) }),
    version: '1.2',
  })) as unknown as SampledInput[];
}
const profileOf = (of: readonly SampledInput[]): InputProfile => profileInputs(of.map((one) => reduceInput(one)));
const mixed = (at: number): string => ['de', 'fr', 'it'][at % 3] ?? 'de';

/** 1.1 was validated on one country, 1.2 on three, 1.0 on nobody knows what. */
class Rig {
  now = start;
  live: string | null = '1.2';
  sampled: { off: boolean; inputs: readonly SampledInput[] } = { off: false, inputs: inputs(200, mixed) };
  samplesFail = false;
  tellFails = false;
  reads = 0;
  readonly told: number[] = [];
  readonly fits = inputFits(this.options());

  private options(): InputFitOptions {
    const profiles = new Map([
      ['1.1', profileOf(inputs(300, () => 'de'))],
      ['1.2', profileOf(inputs(300, mixed))],
    ]);
    return {
      services: [{ name: 'loan', everyMs: 10 * minute }],
      samples: {
        inputs: () => {
          this.reads += 1;
          return this.samplesFail ? Promise.reject(new Error('away')) : Promise.resolve(this.sampled);
        },
      },
      versionsOf: () => Promise.resolve(['0.9', '1.0', '1.1', '1.2']),
      profileOf: (_service, version) =>
        version === '0.9' ? Promise.reject(new Error('damaged')) : Promise.resolve(profiles.get(version) ?? null),
      liveOf: () => Promise.resolve(this.live),
      tell: () => {
        if (this.tellFails) return Promise.reject(new Error('no workflow yet'));
        this.told.push(this.now);
        return Promise.resolve();
      },
      now: () => this.now,
    };
  }

  async look(afterMs = 0): Promise<void> {
    this.now += afterMs;
    await this.fits.look();
  }
}

describe('the fits that the controller keeps', () => {
  it('are nothing before the first look, and then one for each version, with the reason where there is none (I10)', async () => {
    const rig = new Rig();
    expect(rig.fits.latest('loan').size).toBe(0);
    await rig.look();
    const fits = rig.fits.latest('loan');
    expect(fits.get('1.2')).toMatchObject({ n: 200, at: start });
    expect(fits.get('1.1')).toMatchObject({ field: 'country' });
    const [close, far] = [fits.get('1.2'), fits.get('1.1')].map((fit) =>
      typeof fit === 'object' ? fit.distance : NaN,
    );
    expect(close).toBeLessThan(0.05);
    expect(far).toBeGreaterThan(0.25);
    expect([fits.get('1.0'), fits.get('0.9')]).toEqual(['no-profile', 'unreadable']);
    expect(rig.fits.latest('another').size).toBe(0);
  });

  it('are told when the picture changes, when the live version does, and twice an hour so that they stay fresh', async () => {
    const rig = new Rig();
    await rig.look();
    await rig.look(minute);
    expect(rig).toMatchObject({ told: [start], reads: 1 });
    rig.live = '1.1';
    await rig.look(minute);
    expect(rig.told).toHaveLength(2);
    rig.sampled = { off: false, inputs: inputs(200, () => 'jp') };
    await rig.look(10 * minute);
    expect(rig).toMatchObject({ reads: 2 });
    expect(rig.told).toHaveLength(3);
    for (let step = 0; step < 6; step += 1) await rig.look(10 * minute);
    expect(rig.told).toHaveLength(5);
  });

  it('are told at the next look where nobody could be told, and never reject', async () => {
    const rig = new Rig();
    rig.tellFails = true;
    await rig.look();
    rig.tellFails = false;
    await rig.look(15_000);
    expect(rig).toMatchObject({ told: [start + 15_000], reads: 1 });
  });

  it('are unmeasured where samples are off, cannot be read, or are too few', async () => {
    const rig = new Rig();
    rig.sampled = { off: true, inputs: [] };
    await rig.look();
    expect([...rig.fits.latest('loan').values()]).toEqual(Array(4).fill('samples-off'));
    rig.samplesFail = true;
    await rig.look(10 * minute);
    expect([...rig.fits.latest('loan').values()]).toEqual(Array(4).fill('unreadable'));
    rig.samplesFail = false;
    rig.sampled = { off: false, inputs: inputs(99, mixed) };
    await rig.look(10 * minute);
    expect(rig.fits.latest('loan').get('1.2')).toBe('few-inputs');
    // What nobody can measure is told once, not twice an hour.
    const told = rig.told.length;
    await rig.look(hours(2));
    expect(rig.told).toHaveLength(told);
  });
});

function hours(count: number): number {
  return count * 60 * minute;
}
