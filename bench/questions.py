"""What is asked: each question as a GraphQL operation, and by hand as one SQL statement.

Q1 to Q4 have both, so that the two can be compared; Q5 and Q6 are work that no one statement does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from app.rules.prn import Kind, format_prn
from bench.load import CONNECTIONS
from bench.rows import BLOCK, COHORTS, HOT, SHARED, TARGETS, VERSIONS, Data

VARIANTS: Final = 32
"""How many different variables a question is asked with, where it takes any."""

Variables = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One operation. `sql` has `$1` for the organization, `$2` for what its resource names begin
    with, and then the `ids` among its variables; `wrap` is what stands around its JSON.
    `connections` ask it at once: one alone where its latency is what counts.
    """

    name: str
    title: str
    document: str
    variants: Callable[[Data], list[Variables]]
    ids: tuple[str, ...] = ()
    sql: str | None = None
    wrap: tuple[str, str] = ("", "")
    connections: int = CONNECTIONS

    def bodies(self, data: Data) -> list[bytes]:
        """The bodies of the requests that ask it, each with other variables."""
        return [
            json.dumps({"query": self.document, "variables": variables}).encode()
            for variables in self.variants(data)
        ]


def written(sql: str, *, embedded: bool) -> str:
    """A statement in the words of SQLite or of PostgreSQL."""
    words = {
        "{object}": "json_object" if embedded else "json_build_object",
        "{array}": "json_group_array(json(o))" if embedded else "coalesce(json_agg(o), '[]'::json)",
        "{json}": "json" if embedded else "",
        "$": "?" if embedded else "$",
    }
    for word, meaning in words.items():
        sql = sql.replace(word, meaning)
    return sql


def _name(data: Data, kind: Kind, table: str, place: int) -> str:
    return format_prn(kind, data.organization_id, data.id(table, place))


def _nothing(_data: Data) -> list[Variables]:
    return [{}]


def _spread(data: Data, number: int) -> int:
    """A block for a variant: the first, the last, and others between, if there are so many."""
    return number * (data.blocks - 1) // (VARIANTS - 1)


def _hot_binaries(data: Data) -> list[Variables]:
    return [
        {"id": _name(data, Kind.BINARY, "binary_record", _spread(data, one) * BLOCK + one)}
        for one in range(HOT * len(TARGETS))
    ]


def _devices_and_versions(data: Data) -> list[Variables]:
    return [
        {
            "device": _name(data, Kind.DEVICE, "device", 37 * one % data.devices),
            "version": _name(
                data,
                Kind.ARTIFACT_VERSION,
                "artifact_version",
                _spread(data, one) * VERSIONS + 5 * one,
            ),
        }
        for one in range(VARIANTS)
    ]


def _devices(data: Data) -> list[Variables]:
    # Three rounds of the cohorts apart, so that each of these runs its cohort's oldest release.
    return [
        {"device": _name(data, Kind.DEVICE, "device", 3 * COHORTS * one % data.devices + one % 10)}
        for one in range(VARIANTS)
    ]


def _shared_binary(data: Data) -> list[Variables]:
    return [{"ids": [_name(data, Kind.BINARY, "binary_record", SHARED * len(TARGETS))]}]


Q1 = Question(
    "Q1",
    "50 binaries, each with version and artifact",
    """query Q1 { binaries(first: 50) { nodes { id target state hash size
  artifactVersion { id version artifact { id name } } } } }""",
    _nothing,
    sql="""SELECT {array} FROM (SELECT {object}(
  'id', $2 || 'binary:' || b.id, 'target', b.target, 'state', b.state, 'hash', b.hash,
  'size', CAST(b.size AS TEXT), 'artifactVersion', {object}(
    'id', $2 || 'artifact_version:' || v.id, 'version', v.version,
    'artifact', {object}('id', $2 || 'artifact:' || a.id, 'name', a.name))) AS o
FROM binary_record b
JOIN artifact_version v ON v.id = b.artifact_version_id
JOIN artifact a ON a.id = v.artifact_id
WHERE b.organization_id = $1 ORDER BY b.id LIMIT 50) q""",
    wrap=('{"data":{"binaries":{"nodes":', "}}}"),
)
Q2 = Question(
    "Q2",
    "a binary to its version, 10 bundles, 200 releases, their cohorts and products",
    """query Q2($id: ID!) { binary(id: $id) { id artifactVersion { id version
  bundles(first: 20) { nodes { id name releases(first: 50) { nodes { id name version
    cohort { id name product { id name target } } } } } } } } }""",
    _hot_binaries,
    ids=("id",),
    sql="""SELECT {object}('id', $2 || 'binary:' || b.id, 'artifactVersion', {object}(
  'id', $2 || 'artifact_version:' || v.id, 'version', v.version, 'bundles', {object}('nodes',
    {json}((SELECT {array} FROM (SELECT {object}(
      'id', $2 || 'bundle:' || u.id, 'name', u.name, 'releases', {object}('nodes',
        {json}((SELECT {array} FROM (SELECT {object}(
          'id', $2 || 'release:' || r.id, 'name', r.name, 'version', r.version,
          'cohort', {object}('id', $2 || 'cohort:' || c.id, 'name', c.name,
            'product', {object}('id', $2 || 'product:' || p.id, 'name', p.name,
              'target', p.target))) AS o
        FROM release r JOIN cohort c ON c.id = r.cohort_id JOIN product p ON p.id = c.product_id
        WHERE r.bundle_id = u.id ORDER BY r.id LIMIT 50) q)))) AS o
    FROM bundle_version x JOIN bundle u ON u.id = x.bundle_id
    WHERE x.artifact_version_id = v.id ORDER BY u.id LIMIT 20) q)))))
FROM binary_record b JOIN artifact_version v ON v.id = b.artifact_version_id
WHERE b.organization_id = $1 AND b.id = $3""",
    wrap=('{"data":{"binary":', "}}"),
)
Q3 = Question(
    "Q3",
    "the best binary for a device",
    """query Q3($device: ID!, $version: ID!) {
  resolveBinary(deviceId: $device, artifactVersionId: $version) {
    match binary { id target hash size state } } }""",
    _devices_and_versions,
    ids=("device", "version"),
    sql="""SELECT {object}(
  'match', CASE b.target WHEN 'portable' THEN 'PORTABLE' ELSE 'TARGET_SPECIFIC' END,
  'binary', {object}('id', $2 || 'binary:' || b.id, 'target', b.target, 'hash', b.hash,
    'size', CAST(b.size AS TEXT), 'state', b.state))
FROM binary_record b
WHERE b.organization_id = $1 AND b.artifact_version_id = $4 AND b.state = 'SIGNED'
  AND b.target IN ('portable', (SELECT p.target FROM device d
    JOIN product p ON p.id = d.product_id WHERE d.organization_id = $1 AND d.id = $3))
ORDER BY b.target = 'portable' LIMIT 1""",
    wrap=('{"data":{"resolveBinary":', "}}"),
)
Q4 = Question(
    "Q4",
    "20 releases, four levels down to signatures",
    """query Q4 { releases(first: 20) { nodes { id version bundle { id name
  artifactVersions(first: 10) { nodes { id version binaries(first: 5) { nodes { id target state
    signatures { id signature signingKey { id } } } } } } } } } }""",
    _nothing,
    sql="""SELECT {array} FROM (SELECT {object}(
  'id', $2 || 'release:' || r.id, 'version', r.version, 'bundle', {object}(
    'id', $2 || 'bundle:' || u.id, 'name', u.name, 'artifactVersions', {object}('nodes',
      {json}((SELECT {array} FROM (SELECT {object}(
        'id', $2 || 'artifact_version:' || v.id, 'version', v.version, 'binaries',
        {object}('nodes', {json}((SELECT {array} FROM (SELECT {object}(
          'id', $2 || 'binary:' || b.id, 'target', b.target, 'state', b.state, 'signatures',
          {json}((SELECT {array} FROM (SELECT {object}(
            'id', $2 || 'binary_signature:' || s.id, 'signature', s.signature,
            'signingKey', {object}('id', $2 || 'signing_key:' || s.signing_key_id)) AS o
          FROM binary_signature s WHERE s.binary_id = b.id ORDER BY s.id) q))) AS o
        FROM binary_record b WHERE b.artifact_version_id = v.id
        ORDER BY b.id LIMIT 5) q)))) AS o
      FROM bundle_version x JOIN artifact_version v ON v.id = x.artifact_version_id
      WHERE x.bundle_id = u.id ORDER BY x.position LIMIT 10) q))))) AS o
FROM release r JOIN bundle u ON u.id = r.bundle_id
WHERE r.organization_id = $1 ORDER BY r.id LIMIT 20) q""",
    wrap=('{"data":{"releases":{"nodes":', "}}}"),
)
Q5 = Question(
    "Q5",
    "what a device gets, with manifest and trace",
    """query Q5($device: ID!) { resolveUpdate(deviceId: $device) { status release { id }
  manifest { artifactVersion { id } binary { id } hash size url }
  trace { release { id } reason } } }""",
    _devices,
)
Q6 = Question(
    "Q6",
    "the impact of destroying a binary that is in 500 releases",
    """query Q6($ids: [ID!]!) { destructionImpact(ids: $ids) { devicesLosingUpdate devicesStuck
  releases(first: 50) { totalCount nodes { release { id } effect } }
  cohorts { totalCount } } }""",
    _shared_binary,
    connections=1,
)
QUESTIONS: Final = (Q1, Q2, Q3, Q4, Q5, Q6)
