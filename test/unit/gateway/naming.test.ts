import fc from 'fast-check';
import { topLevelMember } from '../../../gateway/naming/json-member';
import { PublicName } from '../../../gateway/naming/public-name';
import { renamedAnswer, type AnsweredWith } from '../../../gateway/naming/renamed-answer';
import { selectModel, type NamedRequest } from '../../../gateway/naming/selected-model';
import { selectPath } from '../../../gateway/naming/selected-path';
import { selectRequest } from '../../../gateway/naming/selected-request';
import { backendSchema } from '../../../gateway/protocol';
import { Upstreams } from '../../../gateway/upstream';

const names = { by: 'model', public: 'mail', name: 'mail@v2' } as const;

/** The text in pieces that are cut at the given places, bytes of characters included. */
function pieces(text: string, cuts: readonly number[]): Buffer[] {
  const all = Buffer.from(text);
  const places = [0, ...cuts.map((cut) => cut % (all.length + 1)).sort((left, right) => left - right), all.length];
  return places.slice(1).map((end, index) => all.subarray(places[index], end));
}

function renamed(
  text: string,
  cuts: readonly number[],
  { name, public: shown } = names as { name: string; public: string },
) {
  const rewriting = new PublicName(name, shown);
  return Buffer.concat([...pieces(text, cuts).map((piece) => rewriting.take(piece)), rewriting.end()]).toString();
}

describe('the public name in answers', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('model', '"model":"mail@v2"', 'mail@v2', '\\'),
  );
  const json = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>('mail@v2', 'mail', 12_345_678_901_234_567_890n.toString(), null, 1.5),
      anyText,
      fc.dictionary(fc.oneof(fc.constant('model'), fc.constantFrom('id', 'modell', 'a"b'), anyText), tie('value'), {
        maxKeys: 4,
      }),
      fc.array(tie('value'), { maxLength: 4 }),
    ),
  })).value;

  /** What should come out, by the rule itself: the value of each key `model` that is the private name. */
  function expected(value: unknown, names: { name: string; public: string }): unknown {
    if (Array.isArray(value)) return value.map((each) => expected(each, names));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [
        key,
        key === 'model' && each === names.name ? names.public : expected(each, names),
      ]),
    );
  }

  test('stands in JSON wherever the key is model, wherever the pieces are cut, and nothing else changes', () => {
    fc.assert(
      fc.property(json, fc.array(fc.nat(), { maxLength: 12 }), fc.constantFrom(0, 1), (value, cuts, indent) => {
        const out = renamed(JSON.stringify(value, null, indent), cuts);
        expect(out).toBe(JSON.stringify(expected(value, names), null, indent));
      }),
      { numRuns: 500 },
    );
  });

  test('stands in every event of a stream, also where a name needs escapes or an event has a lone quote', () => {
    const odd = { name: 'größe"1\\\u{1F6B2}', public: 'öffentlich' };
    const event = (shown: string): string =>
      `data: {"id":"c","model": ${shown},"choices":[{"delta":{"content":"\\"model\\":\\"${'x'}\\""}}]}\n\n`;
    const ascii = JSON.stringify(odd.name).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`); // prettier-ignore
    const text = [
      event(JSON.stringify(odd.name)),
      'data: he said "\n\n',
      event(ascii),
      event('"other"'),
      ': c\n',
      'data: [DONE]\n\n',
    ];
    const shown = JSON.stringify(odd.public);
    const wanted = [event(shown), text[1], event(shown), event('"other"'), text[4], text[5]].join('');
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
        expect(renamed(text.join(''), cuts, odd)).toBe(wanted);
      }),
    );
  });

  test('holds back no more of an answer than the name could be long, and gives it back at the end', () => {
    const rewriting = new PublicName('mail@v2', 'mail');
    const endless = `{"model":"${'z'.repeat(1_000)}`;
    let out = 0;
    for (const byte of Buffer.from(endless)) out += rewriting.take(Buffer.from([byte])).length;
    expect(endless.length - out).toBeLessThanOrEqual('mail@v2'.length * 6 + 2);
    expect(renamed('{"model":"mail@v', [])).toBe('{"model":"mail@v');
  });
});

describe('the model of a request', () => {
  const post = {
    method: 'POST',
    url: '/v1/chat/completions?x=1',
    headers: { 'content-type': 'application/json; charset=utf-8' },
  };
  const select = (body: string, asked: Partial<typeof post> = {}): ReturnType<typeof selectModel> =>
    selectModel(names, { ...post, ...asked }, Buffer.from(body));

  test('is the only thing that changes in a body, byte for byte', () => {
    const body =
      '{ "n":12345678901234567890.10e2, "messages":[{"model":"mail"}],\n"mod\\u0065l" :\t"m\\u0061il" , "x":"\\ud83d\\"model\\":" }';
    const { body: sent, path } = select(body) as NamedRequest;
    expect(sent?.toString()).toBe(body.replace('"m\\u0061il"', '"mail@v2"'));
    expect(path).toBe('/v1/chat/completions?x=1');
  });

  test('is found in any object as a parser finds it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        fc.jsonValue(),
        fc.nat(2),
        (rest, value, indent) => {
          const object = { ...rest, model: value };
          const text = Buffer.from(JSON.stringify(object, null, indent));
          const found = topLevelMember(text, 'model');
          expect(found).toEqual({
            from: expect.any(Number),
            to: expect.any(Number),
            value: JSON.parse(JSON.stringify(value)),
          });
          const { from, to } = found as { from: number; to: number };
          const other = Buffer.concat([text.subarray(0, from), Buffer.from('"y"'), text.subarray(to)]);
          expect(JSON.parse(other.toString())).toEqual(JSON.parse(JSON.stringify({ ...object, model: 'y' })));
        },
      ),
    );
  });

  test.each([
    ['another model', '{"model":"gpt"}', {}, 404, 'unknown-model'],
    ['the private name of the version itself', '{"model":"mail@v2"}', {}, 404, 'unknown-model'],
    ['two models', '{"model":"mail","m\\u006fdel":"mail@v1"}', {}, 400, 'model-twice'],
    ['no model', '{"messages":[{"model":"mail"}]}', {}, 400, 'model-missing'],
    ['a model that is no text', '{"model":{"model":"mail"}}', {}, 400, 'model-missing'],
    ['a list', '[{"model":"mail"}]', {}, 400, 'not-json'],
    ['what is no JSON', '{"model":"mail"', {}, 400, 'not-json'],
    ['a byte order mark', '\ufeff{"model":"mail"}', {}, 400, 'not-json'],
    ['nothing', '', {}, 400, 'not-json'],
    ['a form', '--b', { headers: { 'content-type': 'multipart/form-data; boundary=b' } }, 415, 'not-json'],
    [
      'a compressed body',
      '{"model":"mail"}',
      { headers: { ...post.headers, 'content-encoding': 'gzip' } },
      415,
      'encoded-body',
    ],
    [
      'a path of the administration',
      '{"model":"mail","lora_name":"mail@v1"}',
      { url: '/v1/unload_lora_adapter' },
      404,
      'not-offered',
    ],
    [
      'a path that only looks like one that names',
      '{"model":"mail"}',
      { url: '/v1/chat/completions/../../sleep' },
      404,
      'not-offered',
    ],
    ['the metrics, which name all versions', '', { method: 'GET', url: '/metrics' }, 404, 'not-offered'],
    ['another model in the list', '', { method: 'GET', url: '/v1/models/mail@v1' }, 404, 'unknown-model'],
    [
      'a method that names nothing',
      '{"model":"mail"}',
      { method: 'DELETE', url: '/v1/responses/1' },
      404,
      'not-offered',
    ],
  ])('%s is refused before any backend is asked', (_, body, asked, status, reason) => {
    expect(select(body, asked as Partial<typeof post>)).toMatchObject({ status, reason });
  });

  test('no refusal tells the name of a version', () => {
    for (const body of ['{"model":"x"}', '{}', '{"model":1}'])
      expect(JSON.stringify(select(body))).not.toContain('@v2');
  });

  test('questions that name no version pass: health, and the list of models', () => {
    const get = (url: string): unknown => selectModel(names, { method: 'GET', url, headers: {} }, null);
    expect(get('/health')).toEqual({ path: '/health', body: null });
    expect(get('/v1/models')).toEqual({ path: '/v1/models', body: null });
    expect(get('/v1/models/mail')).toEqual({ path: '/v1/models/mail%40v2', body: null });
  });
});

describe('a version in the path', () => {
  const triton = { from: '/v2/models/mail', to: '/v2/models/mail/versions/3' };

  test.each([
    ['/v2/models/mail/infer?a=/versions/1', '/v2/models/mail/versions/3/infer?a=/versions/1'],
    ['/v2/models/mail', '/v2/models/mail/versions/3'],
    ['/v2/models/mail?x', '/v2/models/mail/versions/3?x'],
    ['/v2/models/mail/my%20tensor/', '/v2/models/mail/versions/3/my%20tensor/'],
  ])('%s goes to %s', (url, to) => {
    expect(selectPath(triton, 'POST', url)).toBe(to);
  });

  test.each([
    ['/v2/models/mail/versions/1/infer', 404, 'version-named'],
    ['/v2/models/mail/versions/3/infer', 404, 'version-named'],
    ['/v2/models/mail/versions', 404, 'version-named'],
    ['/v2/models/mail/%76ersions/1/infer', 404, 'version-named'],
    ['/v2/models/mail/Versions/1', 404, 'version-named'],
    ['/v2/models/mail/%2576ersions/1', 400, 'ambiguous-path'],
    ['/v2/models/mail/../mail/versions/1/infer', 400, 'ambiguous-path'],
    ['/v2/models/mail/x/%2e%2e/versions/1', 400, 'ambiguous-path'],
    ['/v2/models/mail/x%2f..%2fversions/1', 400, 'ambiguous-path'],
    ['/v2/models/mail//versions/1/infer', 400, 'ambiguous-path'],
    ['/v2/models/mail/versions;x/1', 400, 'ambiguous-path'],
    ['/v2/models/mail/%zz', 400, 'ambiguous-path'],
    ['/v2/models/mail/a%00', 400, 'ambiguous-path'],
    ['/v2/models/mailer/infer', 404, 'not-offered'],
    ['/v2/models/other/infer', 404, 'not-offered'],
    ['/v2/repository/models/mail/unload', 404, 'not-offered'],
    ['//v2/models/mail/infer', 404, 'not-offered'],
    ['http://host/v2/models/mail/infer', 404, 'not-offered'],
  ])('%s is refused', (url, status, reason) => {
    expect(selectPath(triton, 'POST', url)).toMatchObject({ status, reason });
  });

  test('the health of the server may be asked, by GET alone', () => {
    expect(selectPath(triton, 'GET', '/v2/health/ready')).toBe('/v2/health/ready');
    expect(selectPath(triton, 'POST', '/v2/health/ready')).toMatchObject({ status: 404 });
  });

  test('whatever a client sends, what leaves is the version of the route or a refusal', () => {
    const segment = fc.constantFrom(
      'versions',
      '1',
      '3',
      '..',
      '.',
      '',
      '%2e%2e',
      '%76ersions',
      'infer',
      '%2F',
      'a b',
      'é',
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (rest) => {
        const sent = selectPath(triton, 'POST', ['/v2/models/mail', ...rest].join('/'));
        if (typeof sent !== 'string') return;
        expect(new URL(sent, 'http://x').pathname.startsWith(triton.to)).toBe(true);
        expect(decodeURIComponent(sent).slice(triton.to.length).startsWith('/versions')).toBe(false);
      }),
    );
  });
});

test('a header names the version whatever the client sent, in any spelling', () => {
  const selector = { by: 'header', header: 'X-Model-Version', value: '3' } as const;
  const headers = ['x-model-version', '1', 'x_model_version', '2', 'authorization', 'Bearer t'];
  const sent = selectRequest(selector, { method: 'POST', url: '/p', headers: {} }, headers, null);
  expect(sent).toEqual({ path: '/p', body: null, headers: ['authorization', 'Bearer t', 'x-model-version', '3'] });
  for (const header of ['host', 'Content-Length', 'x-lastgood-probe', 'Authorization', 'Transfer-Encoding']) {
    const backend = {
      address: 'http://a:1',
      instance: 'i',
      digest: 'd',
      selector: { by: 'header', header, value: '3' },
    };
    expect(backendSchema.safeParse(backend).success).toBe(false);
  }
});

describe('answers of a version with a name of its own', () => {
  const answer = (
    asked: Partial<AnsweredWith>,
    body: string,
  ): { headers: unknown; body: string | null; held: boolean } => {
    const way = renamedAnswer(names, { method: 'POST', url: '/v1/completions', status: 200, headers: {}, ...asked });
    if (!way) return { headers: null, body: null, held: false };
    const passed = [...Buffer.from(body)].map((byte) => way.take(Buffer.from([byte])));
    const rest = way.end();
    return { headers: way.headers, held: way.held, body: rest && Buffer.concat([...passed, rest]).toString() };
  };
  const json = { 'content-type': 'application/json', 'content-length': '24', etag: '"x"' };

  test('lose what is not true of them any more, and are held only where that gives them a length', () => {
    const short = answer({ headers: json }, '{"model":"mail@v2","a":1}');
    expect(short).toEqual({
      headers: { 'content-type': json['content-type'] },
      held: true,
      body: '{"model":"mail","a":1}',
    });
    const long = answer({ headers: { ...json, 'content-length': '2000000' } }, '{"model":"mail@v2"');
    expect(long).toMatchObject({ held: false, body: '{"model":"mail"' });
    expect(answer({ method: 'HEAD', headers: json }, '')).toMatchObject({ held: false, body: '' });
    expect(answer({ headers: { ...json, 'content-encoding': 'gzip' } }, 'x').body).toBeNull();
  });

  test('a list of models has the public one alone, without the paths of the server', () => {
    const list = { object: 'list', data: ['base', 'mail@v1', 'mail@v2'].map((id) => ({ id, object: 'model', root: '/models/x', parent: 'base', max_model_len: 8 })) }; // prettier-ignore
    const asked = { method: 'GET', url: '/v1/models', headers: json };
    expect(JSON.parse(answer(asked, JSON.stringify(list)).body ?? '')).toEqual({
      object: 'list',
      data: [{ id: 'mail', object: 'model', max_model_len: 8 }],
    });
    const one = answer({ ...asked, url: '/v1/models/mail' }, JSON.stringify(list.data[2]));
    expect(JSON.parse(one.body ?? '')).toEqual({ id: 'mail', object: 'model', max_model_len: 8 });
    expect(answer(asked, 'oops').body).toBeNull();
    expect(answer(asked, JSON.stringify('x'.repeat(300_000))).body).toBeNull();
  });

  test('an error speaks of the public name, and leaves words alone that only contain it', () => {
    const error =
      '{"error":{"message":"The model `mail@v2` does not exist; \\"mail@v2\\" of mail@v2.","n":12345678901234567890}}';
    expect(answer({ status: 404, headers: json }, error).body).toBe(
      '{"error":{"message":"The model `mail` does not exist; \\"mail\\" of mail@v2.","n":12345678901234567890}}',
    );
  });
});

test('versions at one address share its connections, not their health', () => {
  const address = 'http://127.0.0.1:1';
  const of = (version: string) => ({ address, instance: `m@${version}#1`, digest: version, selector: { by: 'header', header: 'v', value: version } as const }); // prettier-ignore
  const upstreams = new Upstreams(1_000, () => undefined);
  const record = { service: 'm', epoch: 1, primary: '1', pins: [], backends: { '1': [of('1')], '2': [of('2')] } };
  const [one, two] = [...upstreams.lanesOf(record).values()];
  const [first, second] = [one?.targets[0], two?.targets[0]];
  if (!one || !two || !first || !second) throw new Error('no lanes');
  expect(first.upstream).toBe(second.upstream);
  one.flight.count += 1;
  expect(upstreams.inFlight()).toEqual({ '1': 1 });
  // The first kills its worker with every request, while the second answers.
  first.health.failed('reset', 0);
  second.health.answered();
  first.health.failed('reset', 0);
  second.health.answered();
  expect([one.dead(), two.dead()]).toEqual([true, false]);
  // A new record keeps what is known; a refused connection concerns both, an answer of one shows the door to be open.
  const again = upstreams.lanesOf({ ...record, epoch: 2 }).get('1');
  expect(again?.dead()).toBe(true);
  first.health.answered();
  second.health.failed('refused', 0);
  expect([one.dead(), two.dead()]).toEqual([true, true]);
  first.health.answered();
  expect([one.dead(), two.dead()]).toEqual([false, false]);
  upstreams.destroy();
});
