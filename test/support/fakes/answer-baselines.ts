import type { AnswerBaselines, FrozenAnswers } from '../../../activities/ports';

/** In memory; the digest counts what was frozen. */
export class FakeAnswerBaselines implements AnswerBaselines {
  readonly kept = new Map<string, { frozen: FrozenAnswers; digest: string }>();
  private count = 0;

  read: AnswerBaselines['read'] = (service, version, kind) =>
    Promise.resolve(this.kept.get(`${service}/${version}/${kind}`) ?? null);

  freeze: AnswerBaselines['freeze'] = (service, version, kind, frozen) => {
    this.count += 1;
    this.kept.set(`${service}/${version}/${kind}`, { frozen, digest: `sha256:${this.count}` });
    return Promise.resolve();
  };
}
