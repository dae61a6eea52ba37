import { memoryOf } from '../../adapters/serving/memory-limit';

test('one process holds what is resident; of several, shared pages count once, and one that ended counts as it was seen', () => {
  const { pid } = process;
  const resident = 64 * 2 ** 30;
  expect(memoryOf([{ pid, residentBytes: resident }])).toBe(resident);
  const both = memoryOf([
    { pid, residentBytes: resident },
    { pid, residentBytes: resident },
  ]);
  expect(both).toBeGreaterThan(0);
  expect(both).toBeLessThan(resident);
  const gone = { pid: 2 ** 30, residentBytes: 5_000 };
  expect(memoryOf([gone, gone])).toBe(10_000);
});
