import { AlertMemory } from '../../adapters/alerts/memory';
import { pagerDutySink } from '../../adapters/alerts/pagerduty';
import { anAlert } from '../support/alerts';
import { HttpReceiver } from '../support/http-receiver';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const never = new AbortController().signal;
let receiver: HttpReceiver;
let url: string;
let broken = false;
beforeEach(async () => {
  broken = false;
  receiver = new HttpReceiver((_nth, response) => response.writeHead(broken ? 500 : 202).end('{"status":"success"}'));
  url = await receiver.start();
});
afterEach(async () => {
  await receiver.stop();
  removeTemporary();
});

interface Event {
  readonly routing_key: string;
  readonly event_action: string;
  readonly dedup_key: string;
  readonly payload?: { readonly severity: string; readonly summary: string; readonly custom_details: { must: string } };
  readonly links?: readonly object[];
}

const events = (): Event[] => receiver.received.map(({ body }) => JSON.parse(body) as Event);
const actions = (): string[] => events().map(({ event_action }) => event_action);

function sinkWith(memory = new AlertMemory({ file: null })) {
  return pagerDutySink({ name: 'pagerduty', url, routingKey: () => 'R0', memory, attempts: 2, backoffMs: 1 });
}

test('an alert triggers with its incident as key, its severity, and what its reader must do', async () => {
  const sink = sinkWith();
  await sink.deliver(anAlert(), never);
  await sink.deliver(anAlert({ key: 'x', incident: 'inc-8', severity: 'ticket', link: null }), never);
  const [page, ticket] = events();
  expect(receiver.received[0]?.path).toBe('/v2/enqueue');
  expect(page).toMatchObject({ routing_key: 'R0', event_action: 'trigger', dedup_key: 'lastgood/mail-triage/inc-7' });
  expect(page?.payload).toMatchObject({ severity: 'critical', custom_details: { must: anAlert().must } });
  expect(page?.payload?.summary).toContain(anAlert().title);
  expect(page?.links).toHaveLength(1);
  expect(ticket?.payload?.severity).toBe('warning');
  expect(ticket?.links).toBeUndefined();
});

test('a later state of the same incident pages anew, though the first was acknowledged', async () => {
  const sink = sinkWith();
  await sink.deliver(anAlert(), never);
  await sink.deliver(anAlert({ key: 'mail-triage/inc-7/waiting' }), never);
  expect(actions()).toEqual(['trigger', 'resolve', 'trigger']);
  expect(new Set(events().map(({ dedup_key }) => dedup_key)).size).toBe(1);
});

test('it is acknowledged once when a person has answered, resolved once when the incident is over, also after a restart', async () => {
  const file = `${temporaryDirectory('pagerduty')}/shown.jsonl`;
  const sink = sinkWith(new AlertMemory({ file }));
  const at = (phase: string, id = 'inc-7') => sink.follow?.('mail-triage', { id, phase }, never);
  await sink.deliver(anAlert(), never);
  await at('rolling-back');
  await at('waiting-for-human');
  expect(actions()).toEqual(['trigger']);
  await at('rolling-back');
  await at('confirming');
  expect(actions()).toEqual(['trigger', 'acknowledge']);
  await sink.follow?.('other', null, never);
  const again = sinkWith(new AlertMemory({ file }));
  await again.follow?.('mail-triage', { id: 'inc-7', phase: 'confirming' }, never);
  expect(actions()).toHaveLength(2);
  await again.follow?.('mail-triage', null, never);
  await again.follow?.('mail-triage', null, never);
  expect(actions()).toEqual(['trigger', 'acknowledge', 'resolve']);
});

test('a resolve that did not arrive is sent at the next look; the incident that came after stays open', async () => {
  const sink = sinkWith();
  await sink.deliver(anAlert(), never);
  await sink.deliver(anAlert({ key: 'mail-triage/inc-8/x', incident: 'inc-8' }), never);
  broken = true;
  const now = { id: 'inc-8', phase: 'waiting-for-human' };
  await expect(sink.follow?.('mail-triage', now, never)).rejects.toThrow('it answered 500');
  broken = false;
  const before = receiver.received.length;
  await sink.follow?.('mail-triage', now, never);
  const late = events().slice(before);
  expect(late.map(({ event_action, dedup_key }) => [event_action, dedup_key])).toEqual([
    ['resolve', 'lastgood/mail-triage/inc-7'],
  ]);
});

test('an alert of no incident has a key of its own, of a length that is taken there, and is not resolved', async () => {
  const sink = sinkWith();
  await sink.deliver(anAlert({ key: `mail-triage/${'x'.repeat(300)}`, incident: null }), never);
  await sink.follow?.('mail-triage', null, never);
  expect(events()).toHaveLength(1);
  expect(events()[0]?.dedup_key).toMatch(/^lastgood\/[0-9a-f]{64}$/);
});
