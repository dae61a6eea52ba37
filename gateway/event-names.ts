/** What a numbered event row can tell. */
export const EVENTS = [
  'gatewayStarted',
  'routeApplied',
  'fallbackBegan',
  'fallbackEnded',
  'shareEnded',
  /** Rows are missing. */
  'gap',
  /** How many requests the router answered 503 in its own name, because the route declares that nobody serves. */
  'gapAnswers',
  'fenced',
] as const;
