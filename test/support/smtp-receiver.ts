import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Header names in lower case, unfolded. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly login: string | null;
  readonly secure: boolean;
}

export interface SmtpReceiverOptions {
  /** STARTTLS is offered with it. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** What the n-th mail (from 1) is answered after its end; default `250 taken`. Null: nothing, for ever. */
  readonly answer?: (nth: number) => string | null;
  /** `user:password` that is let in. */
  readonly login?: string;
}

/** A real SMTP server (RFC 5321, with STARTTLS and AUTH PLAIN) that keeps what it was given. */
export class SmtpReceiver {
  readonly mails: ReceivedMail[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((socket) => {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.write('220 test.invalid ESMTP\r\n');
    this.converse(socket, false);
  });

  constructor(private readonly options: SmtpReceiverOptions = {}) {}

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private converse(socket: Socket, secure: boolean): void {
    const { tls, login: wanted, answer } = this.options;
    let [buffer, from, login]: [string, string, string | null] = ['', '', null];
    let to: string[] = [];
    let data: string[] | null = null;
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const upgrade = (): void => {
      socket.removeAllListeners('data');
      say('220 go ahead');
      const inner = new TLSSocket(socket, { isServer: true, ...tls });
      inner.on('error', () => {});
      this.converse(inner, true);
    };
    const take = (line: string): void => {
      if (data !== null) {
        if (line !== '.') return void data.push(line.replace(/^\.\./, '.'));
        this.mails.push({ from, to, ...parsed(data), login, secure });
        [data, to] = [null, []];
        const said = answer?.(this.mails.length);
        if (said !== null) say(said ?? '250 taken');
        return;
      }
      const [verb = ''] = line.toUpperCase().split(/[ :]/);
      const address = /<([^>]*)>/.exec(line)?.[1] ?? '';
      if (verb === 'EHLO' || verb === 'HELO') {
        if (tls && !secure) say('250-STARTTLS');
        say('250 AUTH PLAIN');
      } else if (verb === 'STARTTLS' && tls) upgrade();
      else if (verb === 'AUTH') {
        const [, user, password] = Buffer.from(line.split(' ')[2] ?? '', 'base64')
          .toString()
          .split('\0');
        if (`${user}:${password}` !== wanted) return say('535 no');
        login = user ?? null;
        say('235 come in');
      } else if (verb === 'MAIL') {
        from = address;
        say(wanted !== undefined && login === null ? '530 log in first' : '250 ok');
      } else if (verb === 'RCPT') {
        to.push(address);
        say('250 ok');
      } else if (verb === 'DATA') {
        data = [];
        say('354 go on');
      } else if (verb === 'QUIT') {
        say('221 bye');
        socket.end();
      } else say('500 what?');
    };
    socket.on('data', (chunk: Buffer) => {
      buffer += chunk.toString('utf8');
      for (let cut = buffer.indexOf('\r\n'); cut >= 0; cut = buffer.indexOf('\r\n')) {
        const line = buffer.slice(0, cut);
        buffer = buffer.slice(cut + 2);
        take(line);
      }
    });
  }
}

function parsed(lines: readonly string[]): Pick<ReceivedMail, 'headers' | 'body'> {
  const cut = lines.indexOf('');
  const head = lines
    .slice(0, cut)
    .join('\r\n')
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = Object.fromEntries(
    head.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const text = lines.slice(cut + 1).join('\n');
  const encoding = headers['content-transfer-encoding'];
  if (encoding === 'base64') return { headers, body: Buffer.from(text, 'base64').toString('utf8') };
  return { headers, body: encoding === 'quoted-printable' ? unquoted(text) : text };
}

function unquoted(text: string): string {
  const bytes = text
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
