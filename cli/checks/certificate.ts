import type { ServiceConfiguration } from '../../workers/configuration/configuration';
import { fine, messageOf, warning, wrong, type Finding } from './finding';

const dayMs = 86_400_000;
const warnDays = 14;

/** Nothing where clients come in without TLS. */
export async function checkCertificate(service: ServiceConfiguration, nowMs: number): Promise<Finding[]> {
  const { entranceCertificateEnd } = await import('../../workers/entrance-certificate');
  const what = `${service.name}: certificate of the entrance`;
  try {
    const end = entranceCertificateEnd(service);
    return end === null ? [] : [judgeCertificate(what, end, nowMs)];
  } catch (error) {
    return [wrong(what, messageOf(error), 'put a certificate and its key there; the gateway does not start without')];
  }
}

export function judgeCertificate(what: string, endMs: number, nowMs: number): Finding {
  const day = new Date(endMs).toISOString().slice(0, 10);
  const remedy = 'put the next certificate and its key into the same files: the gateway takes them by itself';
  if (endMs <= nowMs) return wrong(what, `ended on ${day}: clients refuse it`, remedy);
  const days = Math.floor((endMs - nowMs) / dayMs);
  return days < warnDays ? warning(what, `ends on ${day}, in ${days} days`, remedy) : fine(what, `ends on ${day}`);
}
