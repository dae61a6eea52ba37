/** Grants that a lost service workflow may have made while the ledger was silent; epochs cost nothing. */
export const UNWRITTEN_EPOCHS = 1_000;
