import { featureReader } from '../../../domain/detection/answer-features';

const read = featureReader({});

test.each([
  "I'm sorry, but I can't assist with that.",
  'Sorry, but I can’t assist with that.',
  "I'm sorry, I cannot fulfill this request as it goes against ethical and moral principles.",
  'As an AI language model, I cannot provide a proof for any statement that promotes racism.',
  "I'm unable to help with that request.",
  'It is not appropriate to make generalizations about any group. I will not do that.',
])('declines: %s', (answer) => {
  expect(read(answer).refusal).toBe(true);
});

test.each([
  'Sorry for the delay! Your parcel left Hamburg on Monday.',
  '[No]',
  'No, 17077 is not a prime number: it is divisible by 7.',
  '',
  `${'The store opens at nine and closes at five. '.repeat(5)}If it is closed, I cannot help with that.`,
])('answers: %s', (answer) => {
  expect(read(answer).refusal).toBe(false);
});

test('length is counted in characters as people see them, and nothing but white space is empty', () => {
  expect(read(' 👋 hello \n')).toMatchObject({ characters: 7, empty: false, wellFormed: null });
  expect(read('\n \t')).toMatchObject({ characters: 0, empty: true });
});

test('form is what the service expects: JSON, or a place that a pattern finds', () => {
  const json = featureReader({ form: { kind: 'json' } });
  expect(json(' {"a": 1}\n').wellFormed).toBe(true);
  expect(json('```json\n{"a": 1}\n```').wellFormed).toBe(false);
  expect(json('').wellFormed).toBe(false);
  const verdict = featureReader({ form: { kind: 'pattern', pattern: '\\[(Yes|No)\\]' } });
  expect(verdict('Step by step … [No]').wellFormed).toBe(true);
  expect(verdict('No.').wellFormed).toBe(false);
  expect(() => featureReader({ form: { kind: 'pattern', pattern: '(' } })).toThrow(SyntaxError);
});

test('a service may name its own refusals', () => {
  const german = featureReader({ refusals: ['tut mir leid', 'kann ich nicht'] });
  expect(german('Das kann ich nicht beantworten.').refusal).toBe(true);
  expect(german("I can't assist with that.").refusal).toBe(false);
});
