/** Bodies of the Open Inference Protocol (v2, REST) as this model speaks it: one text in, one label out. */
import type { Prediction } from './model';

export const MODEL_NAME = 'mail-triage';

export interface InferenceRequest {
  id?: string;
  inputs: { name: 'text'; shape: [1]; datatype: 'BYTES'; data: [string] }[];
  outputs?: { name: OutputName }[];
}

/** `tokens`, the ids that the model reads, only comes when it is asked for. */
export const OUTPUTS = ['label', 'score', 'scores', 'tokens'] as const;
export type OutputName = (typeof OUTPUTS)[number];
const DEFAULT_OUTPUTS: readonly OutputName[] = ['label', 'score', 'scores'];

export class RequestError extends Error {
  override name = 'RequestError';
}

/** @param text `subject`, an empty line, the decoded body */
export function inferenceRequest(text: string, id?: string): InferenceRequest {
  return {
    ...(id === undefined ? {} : { id }),
    inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: [text] }],
  };
}

/** @throws RequestError that names the place, what was found and what was expected */
export function parseInferenceRequest(body: string): { id?: string; text: string; outputs: readonly OutputName[] } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw new RequestError(`body: not JSON: ${(error as Error).message}`, { cause: error });
  }
  const request = object('body', value, ['id', 'inputs', 'outputs', 'parameters']);
  const { id, inputs } = request;
  if (id !== undefined && typeof id !== 'string') throw mismatch('id', id, 'a string');
  if (!Array.isArray(inputs) || inputs.length !== 1) throw mismatch('inputs', inputs, 'a list of one input');
  const input = object('inputs[0]', inputs[0], ['name', 'shape', 'datatype', 'data', 'parameters']);
  if (input['name'] !== 'text') throw mismatch('inputs[0].name', input['name'], '"text"');
  if (input['datatype'] !== 'BYTES') throw mismatch('inputs[0].datatype', input['datatype'], '"BYTES"');
  const shape = input['shape'];
  if (!Array.isArray(shape) || shape.length !== 1 || shape[0] !== 1) throw mismatch('inputs[0].shape', shape, '[1]');
  const data = input['data'];
  if (!Array.isArray(data) || data.length !== 1 || typeof data[0] !== 'string') {
    throw mismatch('inputs[0].data', data, 'a list of one string');
  }
  return { ...(id === undefined ? {} : { id }), text: data[0], outputs: parseOutputs(request['outputs']) };
}

function parseOutputs(value: unknown): readonly OutputName[] {
  if (value === undefined) return DEFAULT_OUTPUTS;
  if (!Array.isArray(value) || value.length === 0) throw mismatch('outputs', value, 'a list of outputs');
  return value.map((item, at) => {
    const name = object(`outputs[${at}]`, item, ['name', 'parameters'])['name'];
    const known = OUTPUTS.find((output) => output === name);
    if (known === undefined) throw mismatch(`outputs[${at}].name`, name, `one of ${OUTPUTS.join(', ')}`);
    return known;
  });
}

export interface Answer {
  readonly prediction: Prediction;
  /** Present where they were asked for. */
  readonly tokens?: readonly number[];
}

export function inferenceAnswer(
  { prediction, tokens = [] }: Answer,
  outputs: readonly OutputName[],
  version: string,
  digest: string,
  id: string | undefined,
): Record<string, unknown> {
  const all = {
    label: { shape: [1], datatype: 'BYTES', data: [prediction.label] },
    score: { shape: [1], datatype: 'FP64', data: [prediction.score] },
    scores: { shape: [1, prediction.scores.length], datatype: 'FP64', data: prediction.scores },
    tokens: { shape: [tokens.length], datatype: 'INT32', data: tokens },
  };
  return {
    model_name: MODEL_NAME,
    model_version: version,
    ...(id === undefined ? {} : { id }),
    parameters: { digest },
    outputs: outputs.map((name) => ({ name, ...all[name] })),
  };
}

export function modelMetadata(version: string, digest: string, classes: number): Record<string, unknown> {
  return {
    name: MODEL_NAME,
    versions: [version],
    platform: 'mail-triage_linear-softmax',
    inputs: [{ name: 'text', datatype: 'BYTES', shape: [1] }],
    outputs: [
      { name: 'label', datatype: 'BYTES', shape: [1] },
      { name: 'score', datatype: 'FP64', shape: [1] },
      { name: 'scores', datatype: 'FP64', shape: [1, classes] },
      { name: 'tokens', datatype: 'INT32', shape: [-1] },
    ],
    parameters: { digest },
  };
}

function object(place: string, value: unknown, known: string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(place, value, 'an object');
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new RequestError(`${place}: unknown key "${key}", expected ${known.join(', ')}`);
  }
  return value as Record<string, unknown>;
}

function mismatch(place: string, found: unknown, expected: string): RequestError {
  return new RequestError(`${place}: found ${(JSON.stringify(found) ?? 'nothing').slice(0, 80)}, expected ${expected}`);
}
