import { renderAlert, renderAlertLine } from '../../adapters/alerts/message';
import { anAlert } from '../support/alerts';

const breakerOpened = anAlert({
  key: 'mail-triage/inc-8/breaker-open',
  incident: 'inc-8',
  title: 'second rollback in a row: automatic rollbacks are stopped',
  wrong: 'recall of class bulk is 0.81, lower limit 0.90 (388 labelled mails), since 03:58:10 UTC',
  did: 'opened the breaker and moved to 1.0, the newest version that a person vouched for; no other automatic rollback starts until the breaker is cleared',
  users: 'served by 1.0; recall of bulk is 0.92 since 04:02:31 UTC',
  must: 'find out why 1.2 and 1.3 both fail, then clear the breaker',
  command: "lastgood breaker clear mail-triage --reason '…'",
});

const unmeasured = anAlert({
  key: 'mail-triage/blind/short-window',
  incident: null,
  severity: 'ticket',
  title: 'the short-window tier cannot measure',
  wrong: 'no labels for 22 minutes; at least 200 are needed in 15 minutes',
  did: 'nothing: what cannot be measured neither triggers nor resets anything',
  users: 'unknown to this tier; the immediate tier is ok',
  must: 'look at the source of the labels before the working day begins',
  command: 'lastgood status mail-triage',
  link: null,
});

const settled = anAlert({
  key: 'mail-triage/inc-7/settled',
  severity: 'info',
  title: 'back on 1.2',
  wrong: 'was: recall of class bulk 0.78, lower limit 0.90, from 03:11:52 to 03:13:02 UTC',
  did: 'moved all traffic to 1.2 and verified it; 1.3 is quarantined',
  users: 'recall of bulk is 0.93; exposure 70 s, 0 requests dropped',
  must: 'nothing',
  command: null,
  link: null,
});

test('the page for a rollback says what is wrong, what was done, how users fare, what to do, the command and the link', () => {
  expect(renderAlert(anAlert())).toMatchInlineSnapshot(`
   "PAGE mail-triage: recall of bulk fell, rolling back to 1.2
     2026-10-01 03:12:45 UTC · incident inc-7
     wrong     recall of class bulk is 0.78, lower limit 0.90 (412 labelled mails), since 03:11:52 UTC
     did       chose 1.2 because it was live for 9 days before 1.3 and its probes pass; the rollback
               has begun
     users     about one in five bulk mails is still sorted wrongly by 1.3; no request is dropped
     you must  nothing until morning: the rollback needs no one
     run       lastgood explain inc-7
     see       http://127.0.0.1:7080/services/mail-triage/incidents/inc-7"
  `);
});

test('the page for an open breaker', () => {
  expect(renderAlert(breakerOpened)).toMatchInlineSnapshot(`
   "PAGE mail-triage: second rollback in a row: automatic rollbacks are stopped
     2026-10-01 03:12:45 UTC · incident inc-8
     wrong     recall of class bulk is 0.81, lower limit 0.90 (388 labelled mails), since 03:58:10 UTC
     did       opened the breaker and moved to 1.0, the newest version that a person vouched for; no
               other automatic rollback starts until the breaker is cleared
     users     served by 1.0; recall of bulk is 0.92 since 04:02:31 UTC
     you must  find out why 1.2 and 1.3 both fail, then clear the breaker
     run       lastgood breaker clear mail-triage --reason '…'
     see       http://127.0.0.1:7080/services/mail-triage/incidents/inc-7"
  `);
});

test('the ticket for a tier that cannot measure belongs to no incident and has no link', () => {
  expect(renderAlert(unmeasured)).toMatchInlineSnapshot(`
   "TICKET mail-triage: the short-window tier cannot measure
     2026-10-01 03:12:45 UTC
     wrong     no labels for 22 minutes; at least 200 are needed in 15 minutes
     did       nothing: what cannot be measured neither triggers nor resets anything
     users     unknown to this tier; the immediate tier is ok
     you must  look at the source of the labels before the working day begins
     run       lastgood status mail-triage"
  `);
});

test('the note that a rollback settled asks for nothing', () => {
  expect(renderAlert(settled)).toMatchInlineSnapshot(`
   "INFO mail-triage: back on 1.2
     2026-10-01 03:12:45 UTC · incident inc-7
     wrong     was: recall of class bulk 0.78, lower limit 0.90, from 03:11:52 to 03:13:02 UTC
     did       moved all traffic to 1.2 and verified it; 1.3 is quarantined
     users     recall of bulk is 0.93; exposure 70 s, 0 requests dropped
     you must  nothing"
  `);
});

test('one line for lists names severity, service and title', () => {
  expect(renderAlertLine(unmeasured)).toBe('TICKET mail-triage: the short-window tier cannot measure');
});

test('escape sequences and line breaks of other systems cannot steer the reader’s terminal', () => {
  const text = renderAlert(anAlert({ wrong: 'exit: \u001b[2J\u001b[1;1H\nPAGE all is well\u202e\r' }));
  expect(text).toContain('wrong     exit: [2J [1;1H PAGE all is well');
  // eslint-disable-next-line no-control-regex -- these are what must not be there
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
});

test('commands and links are never wrapped', () => {
  const command = `lastgood rollback mail-triage --to 1.2 --reason '${'long '.repeat(40)}'`;
  expect(renderAlert(anAlert({ command })).split('\n')).toContain(`  run       ${command}`);
});
