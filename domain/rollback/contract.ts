/** One named input or output of a model, as its artifact declares it. */
export interface ContractField {
  readonly name: string;
  /** The protocol's own word: `BYTES`, `FP32`, `string`. */
  readonly type: string;
  /** Sizes of its dimensions without that of the batch, −1 where any will do; absent: not declared. */
  readonly shape?: readonly number[];
  /** Of an input: a request may leave it out. */
  readonly optional?: boolean;
}

/** What a model takes and gives. */
export interface VersionContract {
  readonly inputs: readonly ContractField[];
  readonly outputs: readonly ContractField[];
}

export interface ContractSide {
  readonly version: string;
  /** Protocol that it is served by. */
  readonly engine: string;
  /** Name by which its server knows it. */
  readonly model: string;
  readonly contract?: VersionContract;
}

/**
 * Why clients of the live version could not be served by the other one; null where they can, and where one of the two
 * does not declare what would have to be compared (I10). Clients speak the live version's protocol, send its inputs and
 * read its outputs: the other one must take at least these inputs, need no more, and give at least these outputs.
 * `named`: the router names the version in each request, so that clients do not.
 */
export function contractProblem(live: ContractSide, other: ContractSide, named: boolean): string | null {
  if (live.engine !== other.engine) return `served by ${other.engine}, ${live.version} by ${live.engine}`;
  if (live.model !== other.model && !named && other.engine !== 'plain-http')
    return `its model is named ${other.model}, clients ask for ${live.model}`;
  if (!live.contract || !other.contract) return null;
  const { inputs, outputs } = other.contract;
  for (const asked of live.contract.inputs) {
    const taken = inputs.find(({ name }) => name === asked.name);
    if (!taken) return `takes no input ${asked.name}, which ${live.version} takes`;
    if (asked.optional && !taken.optional) return `needs the input ${asked.name}, which clients may leave out`;
    const problem = fieldProblem(`input ${asked.name}`, asked, taken);
    if (problem !== null) return problem;
  }
  const extra = inputs.find(
    ({ name, optional }) => !optional && !live.contract?.inputs.some((asked) => asked.name === name),
  );
  if (extra) return `needs an input ${extra.name}, which clients of ${live.version} do not send`;
  for (const read of live.contract.outputs) {
    const given = outputs.find(({ name }) => name === read.name);
    if (!given) return `gives no output ${read.name}, which ${live.version} gives`;
    const problem = fieldProblem(`output ${read.name}`, given, read);
    if (problem !== null) return problem;
  }
  return null;
}

/** What is sent must fit what is expected: the same type, and sizes that agree where both say one. */
function fieldProblem(what: string, sent: ContractField, expected: ContractField): string | null {
  if (sent.type !== expected.type) return `its ${what} differs in type: ${sent.type} and ${expected.type}`;
  if (!sent.shape || !expected.shape) return null;
  const fits =
    sent.shape.length === expected.shape.length &&
    sent.shape.every((size, at) => size === -1 || expected.shape?.[at] === -1 || size === expected.shape?.[at]);
  return fits ? null : `its ${what} differs in shape: [${sent.shape.join(', ')}] and [${expected.shape.join(', ')}]`;
}
