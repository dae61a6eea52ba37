const { relative } = require('node:path');
const Sequencer = require('@jest/test-sequencer').default;

/** What takes longest, as a rule, first: a long file that begins last has the machine to itself, and everybody waits. */
const folders = [
  /^test\/system\/[^/]+$/,
  /^test\/system\//,
  /^test\/replay\//,
  /^test\/workflows\//,
  /^test\/adapters\//,
];

/** Jest's own order, by the times of the last run; and where that is not known, as in a fresh checkout, by folders. */
module.exports = class extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    if (sorted.every(({ duration }) => duration !== undefined)) return sorted;
    const rank = ({ path, context }) => {
      const found = folders.findIndex((folder) => folder.test(relative(context.config.rootDir, path)));
      return found === -1 ? folders.length : found;
    };
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
};
