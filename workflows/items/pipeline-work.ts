import { condition } from '@temporalio/workflow';
import { actionOf, windowOf, type PipelinePolicy } from '../../domain/items/pipeline-policy';
import { addCounts, countWords, NO_ITEMS } from '../../domain/items/treated';
import type { Actor, Json } from '../../domain/ledger';
import type { ItemsInput, PersonsOrder, PipelineProgress } from '../contract/items';
import type { AboutPipeline } from '../contract/items-activities';
import { items } from '../proxies';
import { lostCall } from '../rollback/activity-failure';
import { inBytes } from '../summary';
import type { Account } from './account';

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 600_000;
/** Who has not looked by then is told again, as often as this. */
const REMINDS_MS = 86_400_000;

export const unverified: Actor = { name: 'unverified', proof: 'unverified', from: 'signal' };

export function freshProgress(policy: PipelinePolicy): PipelineProgress {
  const { action, why } = actionOf(policy);
  return {
    name: policy.name,
    action,
    why,
    phase: 'waits',
    total: null,
    counts: NO_ITEMS,
    guarantee: null,
    cursor: null,
    pending: null,
    parts: 0,
    head: null,
    down: null,
  };
}

/** One pipeline of one incident, page by page. What it does next depends on its progress alone, which a new run carries. */
export class PipelineWork {
  private order: PersonsOrder | null = null;
  private remindedAt = 0;
  private readonly window: { readonly fromMs: number; readonly toMs: number };

  constructor(
    private readonly input: ItemsInput,
    private readonly policy: PipelinePolicy,
    public progress: PipelineProgress,
    private readonly account: Account,
    private readonly show: () => void,
    /** This run should end, and the next one go on. */
    private readonly full: () => boolean,
  ) {
    this.window = windowOf(policy, input);
  }

  get ended(): boolean {
    return this.progress.phase === 'done' || this.progress.phase === 'skipped';
  }

  /** An order that was not obeyed yet: the next run must have it. */
  get waiting(): PersonsOrder | null {
    return this.ended ? null : this.order;
  }

  give(order: PersonsOrder): void {
    this.order = order;
  }

  /** Until everything is treated, a person skips the rest, or this run is full. */
  async run(): Promise<void> {
    if (this.progress.phase === 'waits') await this.untilOver();
    while (!this.ended && !this.full()) {
      if (this.order?.order === 'skip') {
        await this.skip(this.order);
        return;
      }
      this.order = null;
      try {
        await this.next();
        if (this.progress.down) this.change({ down: null });
      } catch (error) {
        await this.isDown(lostCall(error).why);
      }
    }
  }

  /**
   * What was under way at the shift is handled by then, and no session is on the degraded version any more: a batch must not be
   * treated while a part of it is still to come. So only a skip ends the wait for sessions.
   */
  private async untilOver(): Promise<void> {
    const { pinnedUntil } = this.input;
    const ms = this.window.toMs - Date.now();
    const what = pinnedUntil === undefined ? 'what is under way ends' : 'sessions leave the degraded version';
    const ends = (): boolean => (pinnedUntil === undefined ? this.order !== null : this.order?.order === 'skip');
    if (ms > 0) await condition(ends, ms, { summary: inBytes(`${this.policy.name}: ${what}`) });
    if (this.order?.order !== 'skip') this.change({ phase: 'batches' });
  }

  private async next(): Promise<void> {
    const { pending, phase } = this.progress;
    if (phase === 'batches') return await this.lookForBatches();
    if (pending) return await this.treat(pending);
    return await this.list();
  }

  private async lookForBatches(): Promise<void> {
    const { name, cursor, parts, head, counts } = this.progress;
    const found = await items.listPartlyHandled.executeWithOptions({ summary: inBytes(`${name}: batches`) }, [
      { ...this.about(), cursor, part: parts + 1, previous: head },
    ]);
    this.change({
      parts: found.head === head ? parts : parts + 1,
      head: found.head,
      counts: addCounts(counts, { partly: found.partly }),
      cursor: found.next,
      ...(found.next === null && { phase: 'items' as const }),
    });
  }

  private async list(): Promise<void> {
    const { name, cursor, counts, guarantee, total } = this.progress;
    const listed = await items.listItems.executeWithOptions({ summary: inBytes(`${name}: next page`) }, [
      { ...this.about(), cursor, count: guarantee === null },
    ]);
    const { found, digest, next } = listed;
    this.change({
      guarantee: listed.guarantee,
      total: listed.total ?? total,
      counts: addCounts(counts, { found }),
      cursor: next,
      pending: digest === null ? null : { digest, next },
    });
    if (digest === null && next === null) await this.finish();
  }

  private async treat({ digest, next }: NonNullable<PipelineProgress['pending']>): Promise<void> {
    const { name, action, why, parts, head, counts } = this.progress;
    const treated = await items.treatItems.executeWithOptions({ summary: inBytes(`${name}: ${action}`) }, [
      {
        ...this.about(),
        digest,
        action,
        unit: this.policy.unit ?? 'item',
        why: why ?? 'flagged by the policy of the pipeline',
        part: parts + 1,
        previous: head,
      },
    ]);
    this.change({ counts: addCounts(counts, treated.counts), head: treated.head, parts: parts + 1, pending: null });
    if (next === null) await this.finish();
  }

  private about(): AboutPipeline {
    const { service, incident, version } = this.input;
    return { service, incident, pipeline: this.policy.name, version, ...this.window };
  }

  private async finish(): Promise<void> {
    this.change({ phase: 'done', down: null });
    const { name, counts, action } = this.progress;
    await this.account.record('items-treated', `${name} (${action}): ${countWords(counts)}`, this.facts());
    if (counts.flagged + counts.partly === 0) return;
    const { service, incident, version } = this.input;
    this.account.alert(`${name}/review`, {
      severity: 'ticket',
      title: `${service}: ${counts.flagged} items of ${name} wait for review`,
      wrong: `${version} handled them between onset and shift: ${countWords(counts)}.`,
      did: `Did with the others what the policy says (${action}); flagged these${this.progress.why ? `: ${this.progress.why}` : ''}.`,
      must: 'Look at them and sign them off; nothing else waits for it.',
      command: `lastgood items show ${service} ${incident} --pipeline ${name}`,
    });
  }

  private async skip({ actor = unverified, reason }: PersonsOrder): Promise<void> {
    this.change({ phase: 'skipped', down: null });
    const { name, counts } = this.progress;
    const words = `${name} is skipped by ${actor.name}: ${reason}; so far ${countWords(counts)}`;
    await this.account.record('items-treated', words, { ...this.facts(), skipped: true, reason }, actor);
  }

  /** Told once when it begins and once a day; asked again ever more rarely, at once when a person says so. */
  private async isDown(why: string): Promise<void> {
    const now = Date.now();
    const { down, name } = this.progress;
    const attempts = (down?.attempts ?? 0) + 1;
    const since = down?.since ?? now;
    this.change({ down: { since, why: why.slice(0, 500), attempts } });
    const due = this.remindedAt === 0 ? down === null : now - this.remindedAt >= REMINDS_MS;
    if (this.remindedAt === 0 || due) this.remindedAt = now;
    if (due) this.tellDown(since, why);
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 10), LONGEST_PAUSE_MS);
    await condition(() => this.order !== null, pauseMs, { summary: `${name} is down; asked again` });
  }

  private tellDown(since: number, why: string): void {
    const { service, incident } = this.input;
    const { name, counts } = this.progress;
    const day = Math.floor((Date.now() - since) / REMINDS_MS);
    this.account.alert(`${name}/down/${since}/${day}`, {
      severity: 'ticket',
      title: `${service}: the items of ${name} cannot be treated`,
      wrong: `${name} since ${new Date(since).toISOString()}: ${why}`,
      did: `Asks again, at least every ten minutes; so far ${countWords(counts)}. Nothing is lost, and the traffic does not wait for it.`,
      must: 'Bring it back, or say what is to be done with the rest.',
      command: `lastgood items skip ${service} ${incident} --pipeline ${name} --reason …`,
    });
  }

  private facts(): { readonly [key: string]: Json } {
    const { name, action, why, counts, guarantee, head, parts } = this.progress;
    const { fromMs, toMs } = this.window;
    const { version } = this.input;
    return { pipeline: name, action, why, version, fromMs, toMs, counts: { ...counts }, guarantee, list: head, parts };
  }

  private change(change: Partial<PipelineProgress>): void {
    this.progress = { ...this.progress, ...change };
    this.show();
  }
}
