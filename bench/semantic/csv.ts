/** Rows of a CSV text (RFC 4180: quotes, doubled quotes, line breaks inside quotes) by the names of its first row. */
export function csvRows(text: string): Record<string, string>[] {
  const [head, ...rows] = cells(text);
  if (head === undefined) return [];
  return rows
    .filter((row) => row.length === head.length)
    .map((row) => Object.fromEntries(head.map((name, column) => [name, row[column] ?? ''])));
}

function cells(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    const [value, next] = text[at] === '"' ? quoted(text, at + 1) : plain(text, at);
    row.push(value);
    at = next;
    if (text[at] === ',') {
      at += 1;
      if (at < text.length && text[at] !== '\n' && text[at] !== '\r') continue;
      // A comma at the end of the line: the last cell is empty.
      row.push('');
    }
    if (text[at] === '\r') at += 1;
    if (text[at] === '\n') at += 1;
    rows.push(row);
    row = [];
  }
  return rows;
}

function plain(text: string, from: number): [string, number] {
  let to = from;
  while (to < text.length && text[to] !== ',' && text[to] !== '\n' && text[to] !== '\r') to += 1;
  return [text.slice(from, to), to];
}

function quoted(text: string, from: number): [string, number] {
  let value = '';
  let at = from;
  for (;;) {
    const end = text.indexOf('"', at);
    if (end < 0) return [value + text.slice(at), text.length];
    value += text.slice(at, end);
    if (text[end + 1] !== '"') return [value, end + 1];
    value += '"';
    at = end + 2;
  }
}
