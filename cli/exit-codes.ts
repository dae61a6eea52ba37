/** What the process ends with. `status` and `gate` use the first five; every verb uses the last four the same way. */
export const exitCodes = {
  ok: 0,
  /** `status`, `gate`: degraded, or lastgood is at work on it. Other verbs: refused, or nothing was found. */
  degraded: 1,
  refused: 1,
  needsHuman: 2,
  unmeasured: 3,
  notReady: 4,
  badUse: 64,
  unreachable: 69,
  internal: 70,
} as const;
