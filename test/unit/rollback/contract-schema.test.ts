import { parseManifest } from '../../../adapters/artifacts/manifest';

const manifest = {
  schema: 1,
  service: 'mail-triage',
  version: '1.2',
  createdAt: '2026-05-01T12:00:00Z',
  engine: 'open-inference',
  model: 'triage',
  files: [{ path: 'model.onnx', sha256: 'a'.repeat(64), bytes: 1, role: 'weights' }],
  preprocessing: { version: '2' },
  external: [],
};
const parse = (more: object): ReturnType<typeof parseManifest> =>
  parseManifest(Buffer.from(JSON.stringify({ ...manifest, ...more })));

describe('the contract in a manifest', () => {
  const contract = {
    inputs: [{ name: 'text', type: 'BYTES', shape: [-1] }],
    outputs: [{ name: 'label', type: 'BYTES' }],
  };

  it('is read, and may be absent', () => {
    expect(parse({ contract })).toMatchObject({ value: { contract } });
    expect(parse({})).toHaveProperty('value');
  });

  it.each([
    ['an unknown key', { ...contract, sideEffects: [] }, 'sideEffects'],
    ['a size that is none', { ...contract, inputs: [{ name: 'text', type: 'BYTES', shape: [-2] }] }, '-2'],
    ['a name twice', { ...contract, outputs: [...contract.outputs, ...contract.outputs] }, 'each name once'],
  ])('is refused with %s, and the problem names it', (_what, wrong, named) => {
    const parsed = parse({ contract: wrong });
    expect(JSON.stringify('problems' in parsed ? parsed.problems : null)).toContain(named);
  });
});
