import { contractProblem, type ContractSide, type VersionContract } from '../../../domain/rollback/contract';

const contract: VersionContract = {
  inputs: [
    { name: 'text', type: 'BYTES', shape: [1] },
    { name: 'lang', type: 'BYTES', optional: true },
  ],
  outputs: [
    { name: 'label', type: 'BYTES' },
    { name: 'score', type: 'FP32', shape: [3] },
  ],
};
const live: ContractSide = { version: '1.5', engine: 'open-inference', model: 'triage', contract };
const problem = (change: Partial<ContractSide>, named = false): string | null =>
  contractProblem(live, { ...live, version: '1.4', ...change }, named);
const inputs = (...more: VersionContract['inputs']): Partial<ContractSide> => ({
  contract: { ...contract, inputs: more },
});
const [text, lang] = contract.inputs as [VersionContract['inputs'][0], VersionContract['inputs'][0]];

describe('the contract with the clients of the live version', () => {
  it('is kept by the same inputs and outputs, and by more outputs and optional inputs than they know', () => {
    expect(problem({})).toBeNull();
    expect(problem(inputs(text, lang, { name: 'hint', type: 'BYTES', optional: true }))).toBeNull();
    expect(
      problem({ contract: { ...contract, outputs: [...contract.outputs, { name: 'why', type: 'BYTES' }] } }),
    ).toBeNull();
  });

  it.each([
    [{ engine: 'openai' }, 'served by openai, 1.5 by open-inference'],
    [{ model: 'spam' }, 'its model is named spam, clients ask for triage'],
    [inputs(lang), 'takes no input text, which 1.5 takes'],
    [inputs(text, { ...lang, optional: false }), 'needs the input lang, which clients may leave out'],
    [inputs(text, lang, { name: 'user', type: 'INT64' }), 'needs an input user, which clients of 1.5 do not send'],
    [inputs({ ...text, type: 'FP32' }, lang), 'its input text differs in type: BYTES and FP32'],
    [inputs({ ...text, shape: [8] }, lang), 'its input text differs in shape: [1] and [8]'],
    [{ contract: { ...contract, outputs: [] } }, 'gives no output label, which 1.5 gives'],
    [
      { contract: { ...contract, outputs: [{ name: 'label', type: 'INT64' }, ...contract.outputs.slice(1)] } },
      'its output label differs in type: INT64 and BYTES',
    ],
  ])('is broken by %j', (change, why) => {
    expect(problem(change)).toBe(why);
  });

  it('is not judged where one of the two says nothing (I10), or says that any size will do', () => {
    const { contract: _declared, ...silent } = live;
    expect(contractProblem(live, { ...silent, version: '1.4' }, false)).toBeNull();
    expect(contractProblem(silent, { ...live, version: '1.4' }, false)).toBeNull();
    expect(problem(inputs({ ...text, shape: [-1] }, lang))).toBeNull();
  });

  it('lets the name of the model differ where the router writes it, or where no request names it', () => {
    expect(problem({ model: 'triage-4' }, true)).toBeNull();
    const plain = { ...live, engine: 'plain-http' };
    expect(contractProblem(plain, { ...plain, version: '1.4', model: 'other' }, false)).toBeNull();
  });
});
