import type { StandingVerdict, WatchInput } from '../../workflows/contract/activities';
import type { OutsideMetrics } from '../ports';
import { judgeOutside, type OutsideJudged } from './judge-outside';

/**
 * The immediate metrics that come from outside, looked at between the assessments. What stands is followed here, so that
 * a verdict ends by the same values that it would end by there.
 */
export class OutsideWatch {
  private standing: readonly StandingVerdict[];
  private busy = false;

  constructor(
    private readonly outside: OutsideMetrics,
    private readonly input: WatchInput,
  ) {
    this.standing = input.standing;
  }

  /** Whether there is anything to look at. */
  get isNeeded(): boolean {
    return this.metrics.length > 0;
  }

  /** Never rejects: a source that cannot be asked is unmeasured. A look while another one is on its way finds nothing. */
  async look(now: number): Promise<readonly OutsideJudged[]> {
    if (this.busy) return [];
    this.busy = true;
    try {
      const about = { ...this.input, now, standing: this.standing };
      const judged = await Promise.all(this.metrics.map((metric) => judgeOutside(this.outside, about, metric, null)));
      const over = new Set(judged.flatMap(({ ended }) => (ended ? [ended.id] : [])));
      const began = judged.flatMap((one) => (one.began ? [one.began] : []));
      this.standing = [...this.standing.filter(({ id }) => !over.has(id)), ...began];
      return judged;
    } finally {
      this.busy = false;
    }
  }

  private get metrics() {
    return (this.input.policy.outside ?? []).filter(({ kind, tier }) => tier === 'immediate' && kind !== 'series');
  }
}
