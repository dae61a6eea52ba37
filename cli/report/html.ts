import type { ReportDocument, ReportPart, ReportPicture } from './document';
import { embeddable } from './picture';
import { readInOrder, withoutControls } from './words';

/**
 * A report as one page that needs nothing from anywhere: no script, no address. The policy in its head holds that even
 * for what a reader's browser adds. Light or dark as its reader is; printed dark on white.
 */
export function htmlReport({ title, lead, sections }: ReportDocument): string {
  let pictures = 0;
  const number = (): string => String((pictures += 1));
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="referrer" content="no-referrer">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    '<main>',
    `<h1>${escaped(title)}</h1>`,
    `<p class="report-lead">${lead.map(escaped).join(' ')}</p>`,
    '<nav aria-label="Sections"><ul>',
    ...sections.map((section, index) => `<li><a href="#part-${index + 1}">${escaped(section.title)}</a></li>`),
    '</ul></nav>',
    ...sections.flatMap((section, index) => [
      `<section aria-labelledby="part-${index + 1}">`,
      `<h2 id="part-${index + 1}">${escaped(section.title)}</h2>`,
      ...section.parts.flatMap((part) => partLines(part, number)),
      '</section>',
    ]),
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function partLines(part: ReportPart, number: () => string): string[] {
  switch (part.kind) {
    case 'text':
      return [`<p>${escaped(part.text)}</p>`];
    case 'list':
      return ['<ul>', ...part.items.map((item) => `<li>${escaped(item)}</li>`), '</ul>'];
    case 'command':
      return [`<pre><code>${escaped(part.text)}</code></pre>`];
    case 'table':
      return [
        '<div class="report-wide" tabindex="0"><table>',
        `<thead><tr>${part.head.map((cell) => `<th scope="col">${escaped(cell)}</th>`).join('')}</tr></thead>`,
        '<tbody>',
        ...part.rows.map((cells) => `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`),
        '</tbody>',
        '</table></div>',
      ];
    case 'picture':
      return pictureLines(part.picture, number());
  }
}

function pictureLines({ caption, svg, why }: ReportPicture, number: string): string[] {
  const drawn = svg === null ? null : embeddable(svg, number);
  if (drawn === null) return [`<p>${escaped(`${caption}: ${why ?? 'it cannot be shown here'}`)}</p>`];
  return ['<figure>', readInOrder(drawn), `<figcaption>${escaped(caption)}</figcaption>`, '</figure>'];
}

// The names of classes differ from those in the pictures, whose style reaches the whole page.
const STYLE = `
:root{color-scheme:light dark;--ink:#1f2328;--soft:#57606a;--ground:#fff;--line:#d0d7de;--code:#f6f8fa;--link:#0550ae}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--ground:#0d1117;--line:#30363d;--code:#161b22;--link:#79c0ff}}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
.report-lead{font-size:1.05rem;margin:0 0 1rem}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:0;padding:0;list-style:none;font-size:.9rem}
a{color:var(--link)}
p,li{max-width:60rem;overflow-wrap:anywhere}
section ul{padding-left:1.25rem}
pre{background:var(--code);border:1px solid var(--line);border-radius:4px;padding:.5rem .75rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
.report-wide{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600;white-space:nowrap}
td{min-width:4rem;max-width:32rem;overflow-wrap:break-word}
figure{margin:1rem 0}figure svg{max-width:100%;height:auto}
figcaption{color:var(--soft);font-size:.875rem}
@media print{
:root{color-scheme:light;--ink:#000;--soft:#444;--ground:#fff;--line:#bbb;--code:#fff;--link:#000}
body{font-size:10pt}main{max-width:none;padding:0}nav{display:none}.report-wide{overflow:visible}
table{font-size:8pt;width:100%}td{min-width:0;overflow-wrap:anywhere}thead{display:table-header-group}
tr,figure,pre{break-inside:avoid}h2{break-after:avoid}
figure svg{color:#1f2328}figure .ground{fill:#fff}figure .series{stroke:#0550ae}figure .dot{fill:#0550ae}figure .limit{stroke:#b35900}figure .onset{fill:#b35900}
}
`;

function escaped(words: string): string {
  return withoutControls(words)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
