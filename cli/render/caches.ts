import type { CacheView } from '../../api/types';
import { sizeText } from './artifacts';
import { moment } from './words';

export function renderCaches(service: string, caches: readonly CacheView[]): string[] {
  if (caches.length === 0) return [`${service}: no caches are configured (services.${service}.caches)`];
  return caches.flatMap((view) => [`${service} ${view.cache}`, ...linesOf(view).map((line) => `  ${line}`)]);
}

function linesOf({ strategy, state, why }: CacheView): string[] {
  if (state === null) return [`strategy   ${strategy}`, `NOT KNOWN  ${why}`];
  const { kind, version, epoch, tag, last, figures, entries } = state;
  const { hitRate, usedBytes, limitBytes, missP99Ms, slaP99Ms } = figures;
  const rate = hitRate === null ? 'not measured' : `${(hitRate * 100).toFixed(1)} %`;
  const used =
    usedBytes === null
      ? 'not known'
      : `${sizeText(usedBytes)}${limitBytes === null ? '' : ` of ${sizeText(limitBytes)}`}`;
  const model =
    missP99Ms === null
      ? 'not measured'
      : `p99 ${Math.round(missP99Ms)} ms${slaP99Ms === null ? '' : `, SLA ${slaP99Ms} ms`}`;
  return [
    `kept in    ${kind}`,
    `strategy   ${strategy}`,
    `serves     ${version === null ? 'nothing: it was not told a version yet' : `answers of ${version} (epoch ${epoch ?? '?'}${tag === null ? '' : `, tag ${tag}`})`}`,
    `hit rate   ${rate}`,
    `memory     ${used}${entries === null ? '' : `, ${entries} entries`}`,
    `model      ${model}`,
    last === null ? 'changed    not yet' : `changed    ${moment(last.at)} by ${last.by}: ${last.strategy}; ${last.why}`,
  ];
}
