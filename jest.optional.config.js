/** Suites that need more than a test run may cost: each by its own script, none by `npm test`. */
/** @type {import('jest').Config} */
module.exports = { ...require('./jest.config.js'), testMatch: ['<rootDir>/test/optional/*.suite.ts'] };
