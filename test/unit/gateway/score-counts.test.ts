import { OUTSIDE_BIN, scoreBin, scoreBinFrom, SCORE_BINS } from '../../../domain/detection/score-bins';
import { countsRowSchema } from '../../../gateway/protocol';
import { ScoreCounts } from '../../../gateway/score-counts';
import { merged } from '../../../gateway/telemetry-fold';
import { DDSketch } from '@datadog/sketches-js';
import { counts } from '../activities/detection-rows';

test('every score from 0 to 1 has the bin that begins at or below it; what is no share is counted apart', () => {
  for (let step = 0; step <= 2_000; step += 1) {
    const score = step / 2_000;
    const bin = scoreBin(score);
    expect(scoreBinFrom(bin)).toBeLessThanOrEqual(score);
    if (bin + 1 < SCORE_BINS) expect(scoreBinFrom(bin + 1)).toBeGreaterThan(score);
  }
  expect([-0.01, 1.01, 37, NaN].map(scoreBin)).toEqual([OUTSIDE_BIN, OUTSIDE_BIN, OUTSIDE_BIN, OUTSIDE_BIN]);
});

test('a correction takes back what it replaces, and classes that the model invents without end are counted together', () => {
  const one = new ScoreCounts();
  one.labelled('spam', 0.91, 'bulk', 1);
  one.labelled('spam', 0.91, 'bulk', -1);
  one.labelled('spam', 0.91, 'spam', 1);
  expect(one.ofLabels()).toEqual({ judged: { spam: { 13: [1, 1] } }, mistaken: { spam: { bulk: 0 } } });
  expect(one.ofAnswers()).toEqual({});

  const many = new ScoreCounts();
  for (let index = 0; index < 500; index += 1) {
    many.answered(`class ${index}`, 0.5);
    many.labelled(`class ${index}`, 0.5, `class ${index + 1}`, 1);
    many.labelled('class 0', 0.5, `class ${index + 1}`, 1);
  }
  const { scores, judged, mistaken } = { ...many.ofAnswers(), ...many.ofLabels() };
  expect(Object.keys(scores ?? {})).toHaveLength(51);
  expect(scores?.['(other)']).toEqual({ 5: 450 });
  expect(judged?.['(other)']).toEqual({ 5: [450, 0] });
  expect(Object.keys(mistaken?.['class 0'] ?? {})).toHaveLength(51);
  expect(mistaken?.['class 0']?.['(other)']).toBe(450);
});

test('rows of an older gateway are still rows, and a minute of both kinds keeps what the newer ones know', () => {
  const old = countsRowSchema.parse(counts(1));
  const sketch = new DDSketch();
  expect(merged(old, old, sketch)).not.toHaveProperty('scores');
  const newer = countsRowSchema.parse(
    counts(2, {
      scores: { spam: { 4: 2, 21: 1 } },
      judged: { spam: { 4: [2, 1] } },
      mistaken: { spam: { bulk: 1 } },
    }),
  );
  const both = merged(merged(old, newer, sketch), newer, sketch);
  expect(countsRowSchema.parse(both)).toMatchObject({
    scores: { spam: { 4: 4, 21: 2 } },
    judged: { spam: { 4: [4, 2] } },
    mistaken: { spam: { bulk: 2 } },
  });
});
