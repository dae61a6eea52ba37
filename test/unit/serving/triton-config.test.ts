import { parseModelConfig, withVersions } from '../../../adapters/serving/triton/model-config';

const read = (text: string) => parseModelConfig(text, 'mail', 'config.pbtxt');

const operators = `# in force since Tuesday
name: "mail", backend: 'python';
max_batch_size: -1
input [ { name: "a # no comment { " data_type: TYPE_STRING dims: [ -1, 2 ] } ]
version_policy { specific: { versions: [ 1, 3 ] } }  # theirs
parameters < key: "path" value: { string_value: "C:\\\\models\\"" "joined" } >
optimization { execution_accelerators { gpu_execution_accelerator : [ { name : "tensorrt" } ] } }
default_model_filename: "model.py"`;

test('the versions in force are changed, and every other byte of the file stays', () => {
  expect(read(operators).versions).toEqual([1, 3]);
  const written = withVersions(read(operators), [12, 3, 3]);
  const policy = 'version_policy: { specific: { versions: [ 3, 12 ] } }';
  expect(written).toBe(operators.replace('version_policy { specific: { versions: [ 1, 3 ] } }', policy));
  expect(read(written).versions).toEqual([3, 12]);
  expect(read(withVersions(read(written), [])).versions).toEqual([]);
});

test('a file without a policy gets one, and one with latest or all names no versions', () => {
  expect(withVersions(read('backend: "python"'), [1])).toBe(
    'backend: "python"\nversion_policy: { specific: { versions: [ 1 ] } }\n',
  );
  expect(read('').versions).toBeNull();
  expect(read('version_policy: { latest { num_versions: 2 } }').versions).toBeNull();
  expect(read('version_policy: { all { } }').versions).toBeNull();
  expect(read('version_policy: { specific { versions: 4 versions: 5 } }').versions).toEqual([4, 5]);
});

test.each([
  ['input [ {', /line 1: found the end of the file, expected \}/],
  ['name: "mail\nbackend: "x"', /line 1: found "\\"mail", expected a value/],
  ['backend: "python"\n}', /line 2: found "}", expected the name of a field/],
  ['backend "python"', /line 1: .*expected : after backend/],
  ['a { b: [ 1 2 ] }', /expected , or \] in a list/],
  [`${'a { '.repeat(60)}`, /at most 50 messages in each other/],
  ['name: "other"', /it is of the model "other", expected "mail"/],
  ['version_policy: { all {} }\nversion_policy: { all {} }', /found 2 times version_policy/],
  ['version_policy: { specific { versions: [ 1, x ] } }', /version_policy that lastgood does not understand/],
  ['version_policy: 3', /version_policy that is no message/],
])('what cannot be read is refused with its place: %j', (text, words) => {
  expect(() => read(text)).toThrow(words);
  expect(() => read(text)).toThrow(/^config\.pbtxt/);
});
