import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { namings, protocols, refusalOf, routers, type Naming, type Router } from '../../domain/traffic-support';

const page = readFileSync(join(__dirname, '../../docs/what-goes-where.md'), 'utf8');
const titles: Record<Router, string> = { gateway: 'gateway', haproxy: 'HAProxy' };
const ways: Record<Naming, string> = { address: 'address', path: 'path', model: 'JSON `model`', header: 'header' };

/** The table as the page has it: `yes`, or the number of the sentence that refuses. */
function rendered(): string {
  const sentences: string[] = [];
  const cell = (sentence: string | null): string => {
    if (sentence === null) return 'yes';
    if (!sentences.includes(sentence)) sentences.push(sentence);
    return `no (${sentences.indexOf(sentence) + 1})`;
  };
  const rows = routers.flatMap((router) =>
    protocols.map((protocol) =>
      [titles[router], `\`${protocol}\``, ...namings.map((naming) => cell(refusalOf(router, protocol, naming)))].join(
        ' | ',
      ),
    ),
  );
  return [
    `| router | protocol | ${namings.map((naming) => ways[naming]).join(' | ')} |`,
    `|---|---|${namings.map(() => '---|').join('')}`,
    ...rows.map((row) => `| ${row} |`),
    '',
    ...sentences.map((sentence, index) => `${index + 1}. ${sentence}`),
  ].join('\n');
}

test('the table in docs/ is the one that validate enforces', () => {
  expect(page).toContain(`<!-- table -->\n\n${rendered()}\n\n<!-- /table -->`);
});

test('whatever is refused says what to use instead', () => {
  for (const router of routers) {
    for (const protocol of protocols) {
      for (const naming of namings) {
        const sentence = refusalOf(router, protocol, naming);
        if (sentence !== null)
          expect(sentence).toMatch(/: (use|for|let|give)|; give|, behind HAProxy|address of its own/);
      }
    }
  }
});

test('gRPC passes in one way only, the JSON field through the gateway only, and versions inside one Triton over gRPC never', () => {
  const passes = (router: Router, naming: Naming): string[] =>
    protocols.filter((protocol) => refusalOf(router, protocol, naming) === null);
  expect(passes('haproxy', 'address')).toEqual([...protocols]);
  expect(passes('gateway', 'model')).toEqual(['http-json', 'event-stream']);
  expect(passes('haproxy', 'model')).toEqual([]);
  expect(passes('haproxy', 'path')).toEqual(['http-json', 'event-stream', 'http2', 'websocket']);
  for (const router of routers) {
    expect(refusalOf(router, 'grpc', 'path')).toContain('versions inside one Triton over gRPC are refused');
  }
});
