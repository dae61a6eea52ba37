import fc from 'fast-check';
import { PATHS_MAX, reduceInput } from '../../../domain/environment/input-fields';
import { CATEGORIES_MAX, InputProfileBuilder, profileInputs } from '../../../domain/environment/input-profile';
import { jsonInput, loans } from './inputs';

const pathsOf = (body: unknown): string[] =>
  [...(jsonInput(body).fields?.keys() ?? [])].filter((path) => !path.includes('#') && path !== '(endpoint)');

describe('an input', () => {
  it('is told by the places that the configuration uses for answers too: names where items have them', () => {
    const body = { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['buy now'] }] };
    expect(pathsOf(body)).toEqual([
      'inputs',
      'inputs[name=text]',
      'inputs[name=text].shape',
      'inputs[name=text].shape[0]',
      'inputs[name=text].datatype',
      'inputs[name=text].data',
      'inputs[name=text].data[0]',
    ]);
  });

  it('has a place for each number of a row, and one for a long vector', () => {
    expect(pathsOf({ row: [5.1, 3.5] })).toEqual(['row', 'row[0]', 'row[1]']);
    const vector = jsonInput({ row: Array.from({ length: 384 }, () => 0.5) }).fields;
    expect(vector?.get('row#length')?.number).toBe(384);
    expect(vector?.get('row#mean')?.number).toBe(0.5);
  });

  it('of a conversation is its newest turn and its length', () => {
    const messages = [
      { role: 'user', content: 'hello' },
      { role: 'tool', content: 'later' },
    ];
    const { fields } = jsonInput({ messages });
    expect(fields?.get('messages[].role')?.category).toBe('tool');
    expect(fields?.get('messages#length')?.number).toBe(2);
  });

  it('that is a map by data is told by its size: its keys are what users sent', () => {
    expect(pathsOf({ byUser: { 'ann@example.org': 1, 'bob@example.org': 2 } })).toEqual(['byUser']);
    expect(jsonInput({ byUser: { 'ann@example.org': 1 } }).fields?.get('byUser#keys')?.number).toBe(1);
  });

  it('that cannot be read says so, and text is one text', () => {
    const text = { atMs: 1, path: '/p?user=7', contentType: 'text/plain', body: 'grüße' };
    expect(reduceInput({ ...text, contentType: 'application/json' }).fields).toBeNull();
    expect(reduceInput(text).fields?.get('(body)')).toMatchObject({ kind: 'text', number: 5 });
    expect(reduceInput(text).fields?.get('(endpoint)')?.category).toBe('/p');
    expect(reduceInput(text).fields?.get('(body)#non-ascii')?.number).toBeCloseTo(0.4);
  });

  it('never has more places than are kept, whatever JSON it is, and is read twice alike (property)', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 12 }), (body) => {
        const sample = { atMs: 1, path: '/', contentType: 'application/json', body };
        const { fields, digest } = reduceInput(sample);
        const again = reduceInput(sample);
        return fields !== null && fields.size <= PATHS_MAX && digest === again.digest && Number.isSafeInteger(digest);
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});

describe('a profile of inputs', () => {
  it('says of each field how often it is there, which kind it has, its range and its categories', () => {
    const profile = profileInputs(loans(400, { change: (loan, at) => (at % 4 === 0 ? { ...loan, age: null } : loan) }));
    expect(profile.inputs).toBe(400);
    expect(profile.fields['age']).toMatchObject({ present: 300, kinds: { null: 100, number: 300 } });
    expect(profile.fields['age']?.numbers?.min).toBeGreaterThanOrEqual(18);
    expect(profile.fields['age']?.numbers?.max).toBeLessThan(78);
    expect(Object.keys(profile.fields['country']?.categories ?? {}).sort()).toEqual(['de', 'es', 'fr', 'it']);
    expect(profile.fields['note']?.categories).toBeNull();
  });

  it('has about a tenth of the numbers in each bin', () => {
    const { histogram } = profileInputs(loans(400)).fields['income']?.numbers ?? {};
    expect(histogram?.counts).toHaveLength(10);
    for (const count of histogram?.counts ?? []) expect(Math.abs(count - 40)).toBeLessThanOrEqual(5);
  });

  it('stays small, however many inputs, fields and values there are', () => {
    const builder = new InputProfileBuilder();
    for (let at = 0; at < 5_000; at += 1)
      builder.add(jsonInput({ [`field_${at % 500}`]: `value ${at}`, kind: `k${at % 200}`, n: at }));
    const profile = builder.build();
    expect(Object.keys(profile.fields).length).toBeLessThanOrEqual(PATHS_MAX);
    expect(profile.fields['kind']?.categories).toBeNull();
    for (const { categories } of Object.values(profile.fields))
      expect(Object.keys(categories ?? {}).length).toBeLessThanOrEqual(CATEGORIES_MAX);
    expect(JSON.stringify(profile).length).toBeLessThan(32 * 1024);
  });

  it('takes a field that has the name of a property of every object for what it is', () => {
    const inputs = Array.from({ length: 10 }, () => jsonInput(JSON.parse('{"__proto__": 1, "constructor": 2}')));
    const { fields } = profileInputs(inputs);
    expect(Object.hasOwn(fields, '__proto__')).toBe(true);
    expect(fields['constructor']?.present).toBe(10);
  });
});
