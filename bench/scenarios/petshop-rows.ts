import { NotMeasured, missingRow, row, type Row } from '../report';
import { judgePetShop, type NodeJudged } from './petshop';

const BALANCED = 0.8;

/** Who is blamed for recorded issues of a shop of microservices, each node taken for the deployed service in turn. */
export function petShopRows(dataDir: string | undefined, say: (line: string) => void): Row[] {
  let judged: NodeJudged[];
  try {
    judged = judgePetShop(dataDir);
  } catch (error) {
    if (!(error instanceof NotMeasured)) throw error;
    return ['culprit', 'others', 'balanced'].map((name) =>
      missingRow(`attribution.petshop.${name}`, 'share', error.message, { better: 'higher' }),
    );
  }
  for (const { issue, node, culprit, verdict } of judged)
    if (culprit || verdict === 'model')
      say(`${issue}: ${node}${culprit ? ' (culprit)' : ''}: ${verdict ?? 'no verdict'}`);
  const culprits = judged.filter(({ culprit }) => culprit);
  const others = judged.filter(({ culprit }) => !culprit);
  const found = shareOf(culprits, ({ verdict }) => verdict === 'model');
  const spared = shareOf(others, ({ verdict }) => verdict === null || verdict === 'environment');
  const degraded = others.filter(({ verdict }) => verdict !== null);
  const higher = { better: 'higher' } as const;
  const peers = { 'always-model': 0.5, 'always-environment': 0.5 };
  const make = (name: string, value: number, n: number, options: Parameters<typeof row>[4] = higher): Row => ({
    ...row(`attribution.petshop.${name}`, 'share', value, undefined, options),
    n,
  });
  return [
    make('culprit', found, culprits.length),
    make('others', spared, others.length),
    make('balanced', (found + spared) / 2, judged.length, { ...higher, target: BALANCED, peers }),
    make(
      'others.degraded',
      shareOf(degraded, ({ verdict }) => verdict === 'environment'),
      degraded.length,
    ),
    make(
      'undetermined',
      shareOf(judged, ({ verdict }) => verdict === 'undetermined'),
      judged.length,
      { better: 'lower' },
    ),
  ];
}

function shareOf(of: readonly NodeJudged[], question: (one: NodeJudged) => boolean): number {
  return of.filter(question).length / Math.max(1, of.length);
}
