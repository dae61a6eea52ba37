import type { Alert } from '../../activities/ports';

const widthColumns = 100;
const labelColumns = 10;

/**
 * The alert as people read it, plain text, several lines, no newline at the end: what is wrong, what lastgood did, how
 * users fare, what the reader must do, the command, the link. Times are UTC.
 */
export function renderAlert(alert: Alert): string {
  const at = `${new Date(alert.at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const where = alert.incident === null ? at : `${at} · incident ${clean(alert.incident)}`;
  const lines = [
    renderAlertLine(alert),
    `  ${where}`,
    ...field('wrong', alert.wrong),
    ...field('did', alert.did),
    ...field('users', alert.users),
    ...field('you must', alert.must),
    // Never wrapped: a command or a link must survive copy and paste.
    ...(alert.command === null ? [] : [label('run') + clean(alert.command)]),
    ...(alert.link === null ? [] : [label('see') + clean(alert.link)]),
  ];
  return lines.join('\n');
}

/** One line for lists: severity, service, title. */
export function renderAlertLine(alert: Alert): string {
  const [service, title] = [clean(alert.service), clean(alert.title)];
  // Where a title stands alone (a summary in Temporal, a subject) it names the service itself.
  return `${severityWord(alert)} ${title.startsWith(`${service}: `) ? title : `${service}: ${title}`}`;
}

function severityWord(alert: Alert): string {
  switch (alert.severity) {
    case 'page':
      return 'PAGE';
    case 'ticket':
      return 'TICKET';
    case 'info':
      return 'INFO';
  }
}

function field(name: string, text: string): string[] {
  const indent = ' '.repeat(labelColumns + 2);
  return wrap(clean(text), widthColumns - indent.length).map((line, index) => (index ? indent : label(name)) + line);
}

function label(name: string): string {
  return `  ${name.padEnd(labelColumns)}`;
}

/** Text of other systems can reach an alert; escape sequences in it must not steer the reader's terminal. */
export function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim();
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/ +/)) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
