import type { FieldValue, ReducedInput } from '../../domain/environment/input-fields';
import { normal, sfc32 } from '../calibration/random';
import { MINUTE_MS, type World } from './world';

/** One request in a hundred is sampled, as shipped. */
const SAMPLES_A_MINUTE = 12;
const CHARS = { medianLog: Math.log(900), sdLog: 0.8 };
/** Longer texts with more links: what comes with another kind of sender. */
const SHIFT = { charsLog: 0.7, links: 2 };
const LANGUAGES = ['en', 'en', 'en', 'de', 'fr'];

/** What the gateway sampled of the inputs in [fromMs, toMs), reduced. The same question gives the same inputs. */
export function sampledInputs({ inputsShiftedAt, deployMs }: World, fromMs: number, toMs: number): ReducedInput[] {
  const first = Math.floor(fromMs / MINUTE_MS);
  const inputs: ReducedInput[] = [];
  for (let minute = first; minute * MINUTE_MS < toMs; minute += 1) {
    const uniform = sfc32(minute, deployMs / MINUTE_MS);
    const draw = normal(uniform);
    for (let at = 0; at < SAMPLES_A_MINUTE; at += 1) {
      const atMs = minute * MINUTE_MS + (at * MINUTE_MS) / SAMPLES_A_MINUTE;
      const shifted = inputsShiftedAt(atMs) ? 1 : 0;
      const chars = Math.round(Math.exp(CHARS.medianLog + shifted * SHIFT.charsLog + CHARS.sdLog * draw()));
      const links = Math.floor(-Math.log(1 - uniform()) * (1 + shifted * SHIFT.links));
      const language = LANGUAGES[Math.floor(uniform() * LANGUAGES.length)] ?? 'en';
      const fields = new Map<string, FieldValue>([
        ['chars', number(chars)],
        ['links', number(links)],
        ['language', { kind: 'text', number: language.length, category: language }],
      ]);
      if (atMs >= fromMs && atMs < toMs) inputs.push({ atMs, digest: minute * SAMPLES_A_MINUTE + at, fields });
    }
  }
  return inputs;
}

function number(value: number): FieldValue {
  return { kind: 'number', number: value, category: null };
}
