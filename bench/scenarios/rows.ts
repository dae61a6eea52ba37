import { median, row, type Row, type RowOptions } from '../report';
import type { Outcome } from './case-run';
import { ENVIRONMENT_CHANGES, isEnvironmentChange, isModelFault, MODEL_FAULTS, type CaseKind } from './cases';
import { upperEvents } from './draws';
import { PEERS, type PeerName } from './peers';

const PEER_NAMES = Object.keys(PEERS) as PeerName[];
/** Hard faults must be found in the first row that holds them. */
const ONE_EVALUATION_MINUTES = 1;

/** The rows of a run from what became of its cases. */
export function scenarioRows(outcomes: readonly Outcome[], say: (line: string) => void): Row[] {
  const of = (kind: CaseKind): Outcome[] => outcomes.filter((one) => one.kind === kind);
  const model = outcomes.filter(({ kind }) => isModelFault(kind));
  const environment = outcomes.filter(({ kind }) => isEnvironmentChange(kind));
  const hard = [...of('crash'), ...of('timeouts')];
  tell(outcomes, say);
  return [
    ...[...MODEL_FAULTS, ...ENVIRONMENT_CHANGES, 'both' as const].flatMap((kind) => detectionRows(kind, of(kind))),
    share('hard.detected', hard, within(ONE_EVALUATION_MINUTES), { target: 100, better: 'higher' }),
    share('plus2.in15', of('plus2'), within(15), { target: 95, better: 'higher' }),
    share('plus1.in30', of('plus1'), within(30), { target: 80, better: 'higher' }),
    ...falseRows(of('clean')),
    share('environment.rolled_back', environment, rolledBack, { target: 1, better: 'lower' }, constant(100, 0)),
    share('model.rolled_back', model, rolledBack, { target: 90, better: 'higher' }, constant(100, 0)),
    share('both.rolled_back', of('both'), rolledBack, { better: 'higher' }, constant(100, 0)),
    ...ENVIRONMENT_CHANGES.map((kind) => share(`${kind}.rolled_back`, of(kind), rolledBack, { better: 'lower' })),
    ...MODEL_FAULTS.map((kind) => share(`${kind}.rolled_back`, of(kind), rolledBack, { better: 'higher' })),
    ...attributionRows(model, environment),
  ];
}

/** What a rule makes of one case: the minute of its alarm after the onset, of its rollback; null for never. */
interface Seen {
  readonly alarm: number | null;
  readonly rollback: number | null;
  readonly early: boolean;
}
type Question = (seen: Seen) => boolean;

function shipped({ detected, rolledBack: rollback, early }: Outcome): Seen {
  return { alarm: detected, rollback, early };
}

function peer(name: PeerName): (of: Outcome) => Seen {
  return ({ peers }) => {
    const alarm = peers[name];
    const early = alarm !== null && alarm <= 0;
    return { alarm: early ? null : alarm, rollback: early ? null : alarm, early };
  };
}

function within(minutes: number): Question {
  return ({ alarm }) => alarm !== null && alarm <= minutes;
}

/** A version that was left before anything happened was left as well. */
function rolledBack({ rollback, early }: Seen): boolean {
  return rollback !== null || early;
}

function constant(always: number, never: number): Record<string, number> {
  return { 'always-roll-back': always, 'never-roll-back': never };
}

function share(
  name: string,
  cases: readonly Outcome[],
  question: Question,
  options: Pick<RowOptions, 'target' | 'better'>,
  constants: Record<string, number> = {},
): Row {
  const percent = (see: (of: Outcome) => Seen): number =>
    (100 * cases.filter((one) => question(see(one))).length) / cases.length;
  const peers = Object.fromEntries(PEER_NAMES.map((one) => [one, rounded(percent(peer(one)))]));
  const found = row(name, '%', percent(shipped), undefined, { ...options, peers: { ...peers, ...constants } });
  return { ...found, n: cases.length };
}

function detectionRows(kind: CaseKind, cases: readonly Outcome[]): Row[] {
  const delays = (see: (of: Outcome) => Seen): number[] => cases.flatMap((one) => see(one).alarm ?? []);
  const ours = delays(shipped);
  const peers = Object.fromEntries(
    PEER_NAMES.map((one) => {
      const found = delays(peer(one));
      return [one, found.length === 0 ? null : median(found)];
    }),
  );
  const detected = share(`${kind}.detected`, cases, ({ alarm }) => alarm !== null, { better: 'higher' });
  return [detected, row(`${kind}.delay.p50`, 'min', ours.length === 0 ? NaN : median(ours), ours, { peers })];
}

function falseRows(clean: readonly Outcome[]): Row[] {
  const per1000 = (see: (of: Outcome) => Seen): number =>
    (1_000 * clean.filter((one) => rolledBack(see(one))).length) / clean.length;
  const events = clean.filter((one) => rolledBack(shipped(one))).length;
  const peers = Object.fromEntries(PEER_NAMES.map((one) => [one, rounded(per1000(peer(one)))]));
  const name = 'false.per_1000_deploy_days';
  return [
    {
      ...row(name, '1/1000 days', per1000(shipped), undefined, {
        target: 1,
        peers: { ...peers, ...constant(1_000, 0) },
      }),
      n: clean.length,
    },
    { ...row(`${name}.upper95`, '1/1000 days', (1_000 * upperEvents(events)) / clean.length), n: clean.length },
  ];
}

/** Of the cases that were found: how many were laid to what they came from; undetermined is wrong. */
function attributionRows(model: readonly Outcome[], environment: readonly Outcome[]): Row[] {
  const right = (cases: readonly Outcome[], cause: Outcome['attribution']): number => {
    const found = cases.filter(({ attribution }) => attribution !== null);
    return found.filter(({ attribution }) => attribution === cause).length / Math.max(1, found.length);
  };
  const undetermined = right([...model, ...environment], 'undetermined');
  const [ofModel, ofEnvironment] = [right(model, 'model'), right(environment, 'environment')];
  const peers = { 'always-model': 0.5, 'always-environment': 0.5 };
  const n = [...model, ...environment].filter(({ attribution }) => attribution !== null).length;
  const higher = { better: 'higher' } as const;
  return [
    { ...row('attribution.synthetic.model', 'share', ofModel, undefined, higher), n },
    { ...row('attribution.synthetic.environment', 'share', ofEnvironment, undefined, higher), n },
    { ...row('attribution.synthetic.undetermined', 'share', undetermined), n },
    {
      ...row('attribution.synthetic.balanced', 'share', (ofModel + ofEnvironment) / 2, undefined, {
        ...higher,
        target: 0.9,
        peers,
      }),
      n,
    },
  ];
}

/** What the verdicts were on, by kind of case: the first one of each. */
function tell(outcomes: readonly Outcome[], say: (line: string) => void): void {
  const counts = new Map<string, number>();
  for (const { kind, story } of outcomes) {
    const first = story[0]?.replace(/^\S+ /, '') ?? 'nothing';
    counts.set(`${kind}: ${first}`, (counts.get(`${kind}: ${first}`) ?? 0) + 1);
  }
  for (const [what, count] of [...counts].sort()) say(`${what} ${count}`);
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
