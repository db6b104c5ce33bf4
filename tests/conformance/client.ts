// What a client of the generated types writes. Compiled, never run: it has to stay this plain.
import type {
  CiCreateBinaryMutation,
  CiCreateBinaryMutationVariables,
  ConsoleBinariesQuery,
  ConsoleDestroyBinaryMutation,
  DeviceClaimUpdateMutation,
} from './operations';
import type { Binary, BinaryState } from './schema';

/** A state that a newer server adds is a compile error here, once its types are generated. */
export function colour(state: `${BinaryState}`): string {
  switch (state) {
    case 'UPLOADABLE':
    case 'HASHABLE':
    case 'HASHING':
      return 'grey';
    case 'SIGNABLE':
      return 'blue';
    case 'SIGNED':
      return 'green';
    case 'DESTROYED':
      return 'red';
    default:
      return never(state);
  }
}

/** 64-bit numbers are strings in answers, so that no digit is lost on the way. */
export function total(answer: ConsoleBinariesQuery): bigint {
  const edges = answer.binaries?.edges ?? [];
  return edges.reduce((sum, { node }) => sum + BigInt(node.size), 0n);
}

/** What to show before somebody accepts an impact, and the token to send then. */
export function refused(answer: ConsoleDestroyBinaryMutation) {
  const [error] = answer.destroyBinary?.errors ?? [];
  if (!error) return null;
  switch (error.__typename) {
    case 'ImpactNotAcceptedError':
      return { token: error.impact.planToken, releases: error.releases.map(({ name }) => name) };
    case 'ImpactChangedError':
      return { token: null, releases: error.added.map(({ name }) => name) };
    case 'ConflictError':
      return { token: null, releases: [], state: colour(error.state) };
    default:
      return { token: null, releases: [], text: `${error.code}: ${error.message}` };
  }
}

export function upload(content: { hash: string; size: number }): CiCreateBinaryMutationVariables {
  const part = { index: 1, ...content };
  return { input: { artifactVersionId: 'prn:…', target: 'portable', ...content, parts: [part] } };
}

export function places(answer: CiCreateBinaryMutation): [method: string, url: string][] {
  const parts = answer.createBinary?.binary?.parts ?? [];
  return parts.flatMap((part) => (part.uploadUrl ? [[part.uploadMethod, part.uploadUrl]] : []));
}

export function downloads(answer: DeviceClaimUpdateMutation): string[] {
  return answer.claimUpdate?.update?.manifest.map(({ url }) => url) ?? [];
}

export function title(binary: Pick<Binary, 'target' | 'artifactVersion'>): string {
  return `${binary.artifactVersion.artifact.name} ${binary.artifactVersion.version}`;
}

function never(value: never): never {
  throw new Error(`unexpected ${String(value)}`);
}
