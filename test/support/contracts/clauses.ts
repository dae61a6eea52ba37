/** A clause that one adapter refuses by design: what it does instead is asserted in its place, and stands in the title. */
export interface Deviation<Subject> {
  readonly title: string;
  check(subject: Subject): Promise<void>;
}

export type Deviations<Clause extends string, Subject> = Readonly<Partial<Record<Clause, Deviation<Subject>>>>;

/** Declares the clauses of a contract; each is either kept or replaced, never left out. */
export function clauses<Clause extends string, Subject>(
  instead: Deviations<Clause, Subject>,
  subject: () => Subject,
): (clause: Clause, title: string, kept: () => Promise<void>) => void {
  return (clause, title, kept) => {
    const deviation = instead[clause];
    if (deviation === undefined) it(title, kept);
    else it(`${deviation.title} (instead of: ${title})`, () => deviation.check(subject()));
  };
}
