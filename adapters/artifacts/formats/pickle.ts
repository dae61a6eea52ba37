/** How many bytes follow an opcode: a fixed number, lines that end with a line feed, or a length before its bytes. */
type Argument = { readonly bytes: number } | { readonly lines: 1 | 2 } | { readonly lengthBytes: 1 | 4 | 8 };

/** What an opcode takes from the stack and leaves there; `mark`: everything down to the newest mark, and `takes` below; `drops`: the mark itself where nothing is above it. */
interface Effect {
  readonly takes: number;
  readonly leaves: number;
  readonly mark?: 'sets' | 'ends' | 'drops';
}

const put: Effect = { takes: 0, leaves: 1 };
const nothing: Effect = { takes: 0, leaves: 0 };
const keep: Effect = { takes: 1, leaves: 1 };
const two: Effect = { takes: 2, leaves: 1 };
const three: Effect = { takes: 3, leaves: 1 };
const gather: Effect = { takes: 0, leaves: 1, mark: 'ends' };
const fill: Effect = { takes: 1, leaves: 1, mark: 'ends' };

/** Every opcode of the protocols 0 to 5. Source: Python, Lib/pickletools.py. */
const OPCODES: ReadonlyMap<number, readonly [Argument, Effect]> = new Map<number, readonly [Argument, Effect]>([
  ...each('(', { bytes: 0 }, { ...nothing, mark: 'sets' }),
  ...each('.', { bytes: 0 }, { takes: 1, leaves: 0 }),
  ...each('0', { bytes: 0 }, { takes: 1, leaves: 0, mark: 'drops' }),
  ...each('1', { bytes: 0 }, { ...nothing, mark: 'ends' }),
  ...each('2', { bytes: 0 }, { takes: 1, leaves: 2 }),
  ...each('N)]}\x88\x89\x8f\x97', { bytes: 0 }, put),
  ...each('Q\x85\x94\x98', { bytes: 0 }, keep),
  ...each('abR\x81\x86\x93', { bytes: 0 }, two),
  ...each('s\x87\x92', { bytes: 0 }, three),
  ...each('eu\x90', { bytes: 0 }, fill),
  ...each('dlto\x91', { bytes: 0 }, gather),
  ...each('hK\x82', { bytes: 1 }, put),
  ...each('q', { bytes: 1 }, keep),
  ...each('\x80', { bytes: 1 }, nothing),
  ...each('M\x83', { bytes: 2 }, put),
  ...each('Jj\x84', { bytes: 4 }, put),
  ...each('r', { bytes: 4 }, keep),
  ...each('G', { bytes: 8 }, put),
  ...each('\x95', { bytes: 8 }, nothing),
  ...each('FILSVPg', { lines: 1 }, put),
  ...each('p', { lines: 1 }, keep),
  ...each('c', { lines: 2 }, put),
  ...each('i', { lines: 2 }, gather),
  ...each('UC\x8c\x8a', { lengthBytes: 1 }, put),
  ...each('TBX\x8b', { lengthBytes: 4 }, put),
  ...each('\x8d\x8e\x96', { lengthBytes: 8 }, put),
]);

/** Opcodes that call what was imported. */
const CALLS = codes('iobR\x81\x92');
const STOP = 0x2e;
const PROTOCOL = 0x80;
const NEWEST_PROTOCOL = 5;
/** With the mark of a protocol before them, so many opcodes are no accident where the end is not in sight. */
const ENOUGH_MARKED = 4;
const MODULE = /^[\p{L}\p{N}_.<>]+$/u;

function codes(characters: string): ReadonlySet<number> {
  return new Set(Array.from(characters, (character) => character.charCodeAt(0)));
}

function each(characters: string, argument: Argument, effect: Effect): [number, readonly [Argument, Effect]][] {
  return [...codes(characters)].map((code) => [code, [argument, effect]]);
}

/**
 * Whether bytes may be a pickle as far as they were read: one with the mark of a protocol, or one whose opcodes go on past
 * what was read of `bytes`. What is behind is not seen, so this is for files that a loader unpickles whatever their name.
 */
export function mayBePickle(head: Uint8Array, bytes: number): boolean {
  if (isMarked(head)) return true;
  if (bytes <= head.length) return false;
  const stack: number[] = [0];
  let at = 0;
  while (at < head.length) {
    const opcode = head[at] ?? STOP;
    const known = OPCODES.get(opcode);
    if (known === undefined || opcode === STOP || !apply(stack, known[1])) return false;
    // Null: a line or a length that does not end in what was read. A length beyond the end of the file is none.
    at = skip(head, at + 1, known[0]) ?? head.length;
  }
  return at < bytes;
}

function isMarked(head: Uint8Array): boolean {
  return head[0] === PROTOCOL && (head[1] ?? 0xff) <= NEWEST_PROTOCOL;
}

/**
 * Whether bytes are the beginning of a Python pickle: they are walked as its opcodes with the depth of its stack, nothing
 * is executed. Protocols from 2 on begin with their number. Older ones have no mark: there it takes an import by name and
 * a call, so that text is not taken for one. What breaks after a call was a pickle up to there: Python had called by then.
 */
export function isPickle(head: Uint8Array): boolean {
  const marked = isMarked(head);
  const stack: number[] = [0];
  let imported = marked;
  let called = false;
  let at = 0;
  for (let opcodes = 0; ; opcodes++) {
    const opcode = head[at];
    if (opcode === undefined) return called || (marked && opcodes >= ENOUGH_MARKED);
    const known = OPCODES.get(opcode);
    if (known === undefined) return called;
    const [argument, effect] = known;
    if (!apply(stack, effect)) return called;
    if (opcode === STOP) return called || (marked && opcodes > 1);
    const next = skip(head, at + 1, argument);
    if (next === null || next > head.length) return called || (marked && opcodes >= ENOUGH_MARKED);
    imported ||= 'lines' in argument && argument.lines === 2 && namesModule(head.subarray(at + 1, next));
    called ||= imported && CALLS.has(opcode);
    at = next;
  }
}

/** False where the stack has less than the opcode takes: then it is none. */
function apply(stack: number[], { takes, leaves, mark }: Effect): boolean {
  if (mark === 'sets') return stack.push(0) > 0;
  if (mark === 'ends') {
    if (stack.length < 2) return false;
    stack.pop();
  }
  const depth = stack.at(-1) ?? 0;
  // As Python's POP does.
  if (mark === 'drops' && depth === 0 && stack.length > 1) return stack.pop() !== undefined;
  if (depth < takes) return false;
  stack[stack.length - 1] = depth - takes + leaves;
  return true;
}

/** Both lines, module and name, as an import has them. */
function namesModule(lines: Uint8Array): boolean {
  const [module = '', name = ''] = Buffer.from(lines).toString('utf8').split('\n');
  return MODULE.test(module) && MODULE.test(name);
}

/** Where the next opcode is; null where the bytes end before. */
function skip(head: Uint8Array, from: number, argument: Argument): number | null {
  if ('bytes' in argument) return from + argument.bytes;
  if ('lines' in argument) {
    let at = from;
    for (let line = 0; line < argument.lines; line++) {
      const end = head.indexOf(0x0a, at);
      if (end < 0) return null;
      at = end + 1;
    }
    return at;
  }
  const { lengthBytes } = argument;
  if (from + lengthBytes > head.length) return null;
  const view = new DataView(head.buffer, head.byteOffset + from, lengthBytes);
  return from + lengthBytes + lengthIn(view, lengthBytes);
}

function lengthIn(view: DataView, bytes: 1 | 4 | 8): number {
  switch (bytes) {
    case 1:
      return view.getUint8(0);
    case 4:
      return view.getUint32(0, true);
    case 8:
      return Number(view.getBigUint64(0, true));
  }
}
