#!/usr/bin/env node
import { main } from './main';
import { processTerminal } from './terminal';

// The code is set, not forced: what was written must reach a pipe before the process ends.
void main(process.argv.slice(2), processTerminal()).then((code) => {
  process.exitCode = code;
});
