/** One Git tag, peeled. */
export interface GitTag {
  readonly name: string;
  readonly commit: string;
  /** The tag's own object where it is an annotated one, else the commit. */
  readonly object: string;
  /** Milliseconds since the epoch: of the tag, or of its commit where the tag has no time. */
  readonly at: number;
}

export interface GtoVersion {
  /** `1.4.0`, of the tag `NAME@v1.4.0`. */
  readonly version: string;
  readonly tag: GitTag;
  readonly stages: readonly string[];
}

const semver = String.raw`(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?`;
const rest = new RegExp(
  String.raw`^(?:@v(?<version>${semver})|#(?<stage>[A-Za-z0-9](?:[A-Za-z0-9/_-]*[A-Za-z0-9])?)|@(?<whole>deprecated|created))(?<cancel>!?)(?:#(?<counter>\d+))?$`,
);

/**
 * The registered versions of one artifact by GTO's tags, newest first: `NAME@vX.Y.Z` registers, `…!` takes back,
 * `NAME#STAGE#N` puts the version of that commit into a stage (one version a stage, the newest word counts),
 * `NAME@deprecated` takes back all that was registered before it. In a tag, `folder:name` is written `folder=name`.
 */
export function gtoVersions(artifact: string, tags: readonly GitTag[]): GtoVersion[] {
  const prefix = artifact.replace(':', '=');
  const events = tags
    .filter(({ name }) => name.startsWith(prefix))
    .flatMap((tag) => {
      const groups = rest.exec(tag.name.slice(prefix.length))?.groups;
      if (groups === undefined) return [];
      const { version, stage, whole, cancel, counter } = groups;
      return [{ tag, version, stage, whole, isTakenBack: cancel === '!', counter: Number(counter ?? 0) }];
    })
    .sort((left, right) => left.tag.at - right.tag.at || left.counter - right.counter);
  const versions = new Map<string, GitTag>();
  /** Stage → commits that were put into it, the newest last. */
  const stages = new Map<string, string[]>();
  for (const { tag, version, stage, whole, isTakenBack } of events) {
    if (whole === 'deprecated' && !isTakenBack) versions.clear();
    else if (version !== undefined && isTakenBack) versions.delete(version);
    else if (version !== undefined) versions.set(version, tag);
    else if (stage !== undefined) {
      const others = (stages.get(stage) ?? []).filter((commit) => commit !== tag.commit);
      stages.set(stage, isTakenBack ? others : [...others, tag.commit]);
    }
  }
  const sorted = [...versions].sort(
    ([left, of], [right, other]) => other.at - of.at || compareNumbers(right, left) || (left < right ? 1 : -1),
  );
  const inStage = new Map<string, string[]>();
  for (const [stage, commits] of [...stages].sort()) {
    const commit = commits.at(-1);
    const version = sorted.find(([, tag]) => tag.commit === commit)?.[0];
    if (version !== undefined) inStage.set(version, [...(inStage.get(version) ?? []), stage]);
  }
  return sorted.map(([version, tag]) => ({ version, tag, stages: inStage.get(version) ?? [] }));
}

/** By major, minor and patch; what comes after them does not decide which of two is newer here. */
function compareNumbers(left: string, right: string): number {
  const numbers = (text: string): number[] => text.split(/[.+-]/).slice(0, 3).map(Number);
  const [a, b] = [numbers(left), numbers(right)];
  for (let at = 0; at < 3; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
