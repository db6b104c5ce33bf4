// The questions of the benchmark, served by Mercurius with graphql-jit: the fastest Node server that
// was tried. It is written as its documentation recommends, with loaders for what lists lead to, and
// prepared statements. Like the product it looks up the API key and binds the organization.

"use strict";

const crypto = require("node:crypto");
const DataLoader = require("dataloader");
const fastify = require("fastify");
const mercurius = require("mercurius");
const pg = require("pg");

const [database] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: database, max: 5 });

const schema = `
type Product { id: ID! name: String! target: String! }
type Cohort { id: ID! name: String! product: Product! }
type Artifact { id: ID! name: String! }
type SigningKey { id: ID! }
type BinarySignature { id: ID! signature: String! signingKey: SigningKey! }
type ArtifactVersion {
  id: ID!
  version: String!
  artifact: Artifact!
  binaries(first: Int! = 50): BinaryConnection!
  bundles(first: Int! = 50): BundleConnection!
}
type Binary {
  id: ID!
  target: String!
  state: String!
  hash: String!
  size: String!
  artifactVersion: ArtifactVersion!
  signatures: [BinarySignature!]!
}
type Bundle {
  id: ID!
  name: String!
  artifactVersions(first: Int! = 50): ArtifactVersionConnection!
  releases(first: Int! = 50): ReleaseConnection!
}
type Release { id: ID! name: String! version: String bundle: Bundle! cohort: Cohort! }
type BinaryConnection { nodes: [Binary!]! }
type BundleConnection { nodes: [Bundle!]! }
type ArtifactVersionConnection { nodes: [ArtifactVersion!]! }
type ReleaseConnection { nodes: [Release!]! }
type BinaryResolution { match: String! binary: Binary }
type Query {
  binaries(first: Int! = 50): BinaryConnection
  binary(id: ID!): Binary
  releases(first: Int! = 50): ReleaseConnection
  resolveBinary(artifactVersionId: ID!, deviceId: ID!): BinaryResolution!
}`;

const COLUMNS = {
  artifact: "id, name",
  artifact_version: "id, version, artifact_id",
  binary_record: "id, target, state, hash, size, artifact_version_id",
  binary_signature: "id, signature, signing_key_id, binary_id",
  bundle: "id, name",
  cohort: "id, name, product_id",
  product: "id, name, target",
  release: "id, name, version, bundle_id, cohort_id",
};
const columns = (table) => COLUMNS[table].replace(/\w+/g, "t.$&");

async function rows(name, text, values) {
  return (await pool.query({ name, text, values })).rows;
}

function grouped(ids, found, key) {
  const groups = new Map(ids.map((id) => [id, []]));
  for (const row of found) groups.get(row[key]).push(row);
  return ids.map((id) => groups.get(id));
}

class Loaders {
  constructor(organization) {
    const one = (table) =>
      new DataLoader(async (ids) => {
        const text = `SELECT ${COLUMNS[table]} FROM ${table}
          WHERE organization_id = $1 AND id = ANY($2::uuid[])`;
        const found = await rows(`one ${table}`, text, [organization, ids]);
        const byId = new Map(found.map((row) => [row.id, row]));
        return ids.map((id) => byId.get(id));
      });
    const many = (table, by) =>
      new DataLoader(async (ids) => {
        const text = `SELECT ${COLUMNS[table]} FROM ${table}
          WHERE organization_id = $1 AND ${by} = ANY($2::uuid[]) ORDER BY id`;
        return grouped(ids, await rows(`many ${table} ${by}`, text, [organization, ids]), by);
      });
    const through = (table, by, to, order) =>
      new DataLoader(async (ids) => {
        const text = `SELECT ${columns(table)}, x.${by} AS parent
          FROM bundle_version x JOIN ${table} t ON t.id = x.${to}
          WHERE x.organization_id = $1 AND x.${by} = ANY($2::uuid[]) ORDER BY ${order}`;
        return grouped(ids, await rows(`through ${table}`, text, [organization, ids]), "parent");
      });
    this.artifact = one("artifact");
    this.version = one("artifact_version");
    this.bundle = one("bundle");
    this.cohort = one("cohort");
    this.product = one("product");
    this.binaries = many("binary_record", "artifact_version_id");
    this.signatures = many("binary_signature", "binary_id");
    this.releases = many("release", "bundle_id");
    this.bundles = through("bundle", "artifact_version_id", "bundle_id", "t.id");
    this.versions = through("artifact_version", "bundle_id", "artifact_version_id", "x.position");
  }
}

const NAME = /^prn:1:([0-9a-f-]{36}):[a-z_]+:([0-9a-f-]{36})$/;

function uuid(name, context) {
  const found = NAME.exec(name);
  if (!found || found[1] !== context.organization) throw new Error("not found");
  return found[2];
}

const named = (kind) => (row, _, context) => `prn:1:${context.organization}:${kind}:${row.id}`;
const page = async (found, { first }) => ({ nodes: (await found).slice(0, first) });

const resolvers = {
  Query: {
    binaries: async (_, { first }, { organization }) => ({
      nodes: await rows(
        "binaries",
        `SELECT ${COLUMNS.binary_record} FROM binary_record
         WHERE organization_id = $1 ORDER BY id LIMIT $2`,
        [organization, first],
      ),
    }),
    binary: async (_, { id }, context) => {
      const text = `SELECT ${COLUMNS.binary_record} FROM binary_record
        WHERE organization_id = $1 AND id = $2`;
      const found = await rows("binary", text, [context.organization, uuid(id, context)]);
      return found[0] ?? null;
    },
    releases: async (_, { first }, { organization }) => ({
      nodes: await rows(
        "releases",
        `SELECT ${COLUMNS.release} FROM release WHERE organization_id = $1 ORDER BY id LIMIT $2`,
        [organization, first],
      ),
    }),
    resolveBinary: async (_, { artifactVersionId, deviceId }, context) => {
      const text = `SELECT ${COLUMNS.binary_record} FROM binary_record
        WHERE organization_id = $1 AND artifact_version_id = $2 AND state = 'SIGNED'
          AND target IN ('portable', (SELECT p.target FROM device d
            JOIN product p ON p.id = d.product_id WHERE d.organization_id = $1 AND d.id = $3))
        ORDER BY target = 'portable' LIMIT 1`;
      const ids = [uuid(artifactVersionId, context), uuid(deviceId, context)];
      const [binary] = await rows("resolve", text, [context.organization, ...ids]);
      if (!binary) return { match: "NONE", binary: null };
      return { match: binary.target === "portable" ? "PORTABLE" : "TARGET_SPECIFIC", binary };
    },
  },
  Artifact: { id: named("artifact") },
  ArtifactVersion: {
    id: named("artifact_version"),
    artifact: (row, _, { loaders }) => loaders.artifact.load(row.artifact_id),
    binaries: (row, given, { loaders }) => page(loaders.binaries.load(row.id), given),
    bundles: (row, given, { loaders }) => page(loaders.bundles.load(row.id), given),
  },
  Binary: {
    id: named("binary"),
    artifactVersion: (row, _, { loaders }) => loaders.version.load(row.artifact_version_id),
    signatures: (row, _, { loaders }) => loaders.signatures.load(row.id),
  },
  BinarySignature: {
    id: named("binary_signature"),
    signingKey: (row) => ({ id: row.signing_key_id }),
  },
  Bundle: {
    id: named("bundle"),
    artifactVersions: (row, given, { loaders }) => page(loaders.versions.load(row.id), given),
    releases: (row, given, { loaders }) => page(loaders.releases.load(row.id), given),
  },
  Cohort: {
    id: named("cohort"),
    product: (row, _, { loaders }) => loaders.product.load(row.product_id),
  },
  Product: { id: named("product") },
  Release: {
    id: named("release"),
    bundle: (row, _, { loaders }) => loaders.bundle.load(row.bundle_id),
    cohort: (row, _, { loaders }) => loaders.cohort.load(row.cohort_id),
  },
  SigningKey: { id: named("signing_key") },
};

async function context(request) {
  const secret = (request.headers.authorization ?? "").replace(/^Bearer /, "");
  const hashed = crypto.createHash("sha256").update(secret).digest("hex");
  const text = "SELECT organization_id, expires_at, revoked_at FROM api_key WHERE secret_hash = $1";
  const [key] = await rows("key", text, [hashed]);
  if (!key || key.revoked_at || (key.expires_at && key.expires_at <= new Date())) {
    throw new mercurius.ErrorWithProps("unauthenticated", {}, 401);
  }
  const organization = key.organization_id;
  return { organization, loaders: new Loaders(organization) };
}

async function main() {
  const app = fastify();
  app.register(mercurius, { schema, resolvers, jit: 1, context });
  console.log(`mercurius serves on ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
}

main();
