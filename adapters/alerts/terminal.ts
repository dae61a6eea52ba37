import type { Writable } from 'node:stream';
import { renderAlert } from './message';
import { AlertUndelivered, type AlertSink } from './sink';

const colours = { page: '31', ticket: '33', info: '36' } as const;

/** Writes each alert as one block between blank lines. `colour` is for a stream that is a terminal. */
export function terminalSink(options: { stream: Writable; colour?: boolean; name?: string }): AlertSink {
  const { stream } = options;
  return {
    name: options.name ?? 'terminal',
    deliver(alert) {
      const text = renderAlert(alert);
      const heading = text.indexOf('\n');
      const styled = options.colour
        ? `\u001b[1;${colours[alert.severity]}m${text.slice(0, heading)}\u001b[0m${text.slice(heading)}`
        : text;
      return new Promise((resolve, reject) => {
        // One write for the whole block: two alerts at once must not interleave their lines.
        stream.write(`\n${styled}\n\n`, (error) => {
          if (error) reject(new AlertUndelivered(`the terminal cannot be written: ${error.message}`));
          else resolve();
        });
      });
    },
  };
}
