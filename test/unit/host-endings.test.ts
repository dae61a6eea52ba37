import { howAllEnded, type HostEndings } from '../../domain/hosts';

const on = (host: string, ended: readonly string[] | null): HostEndings => ({
  host,
  asked: [`mail@1#i@${host}`],
  ended,
});
const endedOn = (host: string): HostEndings => on(host, [`mail@1#i@${host}`]);

it.each<[string, readonly HostEndings[], string | null]>([
  ['all hosts say that theirs ended', [endedOn('a'), endedOn('b')], 'mail@1#i@a ended; mail@1#i@b ended'],
  [
    'one says so and nobody answers for the other',
    [endedOn('a'), on('b', null)],
    'mail@1#i@a ended; nobody answers for b',
  ],
  ['one does not know of an end', [endedOn('a'), on('b', [])], null],
  ['one has its copy, and nobody answers for the other', [on('a', []), on('b', null)], null],
  ['nobody answers for any', [on('a', null), on('b', null)], null],
])('silent copies, of which %s', (_, hosts, ended) => {
  expect(howAllEnded(hosts)).toBe(ended);
});
