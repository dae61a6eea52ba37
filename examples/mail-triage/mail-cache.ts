/**
 * The cache of prepared mails that version 1.4 brings along: an entry for each request, none ever dropped. It holds real
 * memory, so that the process's resident size shows the slope, and dies as the kernel's memory killer would end it.
 */
import type { PreparedMailCache } from './preprocessing';

export interface MailCache {
  heldBytes(): number;
  add(): void;
}

/** @param kill ends the process without any farewell; called once, when the limit is passed */
export function openMailCache(config: PreparedMailCache, kill: () => void, nowMs: () => number): MailCache {
  const entries: Buffer[] = [];
  let heldBytes = 0;
  let windowStartMs = nowMs();
  let windowBytes = 0;
  return {
    heldBytes: () => heldBytes,
    add: () => {
      if (nowMs() - windowStartMs >= 1000) {
        windowStartMs = nowMs();
        windowBytes = 0;
      }
      if (windowBytes + config.bytesPerMail > config.maxBytesPerSecond) return;
      windowBytes += config.bytesPerMail;
      // Filled, since untouched pages would not become resident.
      entries.push(Buffer.alloc(config.bytesPerMail, 1));
      heldBytes += config.bytesPerMail;
      if (config.evict) {
        entries.shift();
        heldBytes -= config.bytesPerMail;
      }
      if (heldBytes > config.limitBytes) kill();
    },
  };
}
