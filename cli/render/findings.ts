import type { Finding } from '../checks/finding';
import { plural } from './words';

const marks: Readonly<Record<Finding['level'], string>> = {
  ok: 'ok  ',
  warning: 'warn',
  wrong: 'BAD ',
  'not measured': '?   ',
};

/** One line a finding, its remedy below it, and what it comes to. */
export function renderFindings(findings: readonly Finding[]): string[] {
  const count = (level: Finding['level']): number => findings.filter((finding) => finding.level === level).length;
  const bad = count('wrong');
  const lines = findings.flatMap(({ level, what, said, remedy }) => [
    `${marks[level]} ${what}: ${said}`,
    ...(remedy === null ? [] : [`       → ${remedy}`]),
  ]);
  return [
    ...lines,
    bad > 0
      ? `${plural(bad, 'thing is', 'things are')} wrong`
      : `nothing is wrong${count('warning') > 0 ? `, ${plural(count('warning'), 'warning')}` : ''}${count('not measured') > 0 ? `, ${count('not measured')} not measured` : ''}`,
  ];
}
