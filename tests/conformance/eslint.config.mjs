// graphql-eslint on schema.graphql: schema-recommended, schema-all and schema-relay, and where we
// go further or another way. docs/decisions/0009-schema-conventions.md has the reasons.
import { fileURLToPath } from 'node:url';
import graphql from '@graphql-eslint/eslint-plugin';
import { allowing } from './allowing.mjs';

const schema = fileURLToPath(new URL('../../schema.graphql', import.meta.url));
const preset = (name) => graphql.configs[`flat/${name}`].rules;
const rule = (name, ...settings) => ({ [`@graphql-eslint/${name}`]: ['error', ...settings] });
const off = (name) => ({ [`@graphql-eslint/${name}`]: 'off' });

// Values: what they tell belongs to the entity or to the question that they are read from.
const VALUES = [
  'Adoption',
  'BinaryResolution',
  'Coverage',
  'DeviceUpdate',
  'HttpHeader',
  'Impact',
  'ImpactRelease',
  'ManifestEntry',
  'Phase',
  'RateLimit',
  'ReleaseGraph',
  'ReleaseGraphLink',
  'ServerStatus',
  'SimulatedBlock',
  'SimulatedMove',
  'Simulation',
  'Storage',
  'TargetCoverage',
  'TraceEntry',
  'Verification',
  'VersionCoverage',
  'WebhookAttempt',
];

// Each rule below is kept, but for the named places; a name in vain is a problem too.
const ALLOWED = {
  'no-typename-prefix': ['Artifact.artifactVersions'],
  'relay-edge-types': ['ImpactReleaseEdge'],
  'require-nullable-result-in-root': [
    'Query.destructionImpact',
    'Query.resolveBinary',
    'Query.resolveUpdate',
  ],
};

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema } },
    },
    linterOptions: { noInlineConfig: true },
    plugins: { '@graphql-eslint': allowing(graphql, ALLOWED) },
    rules: {
      ...preset('schema-recommended'),
      ...preset('schema-all'),
      ...preset('schema-relay'),

      // Further than the presets.
      ...rule('require-description', {
        types: true,
        DirectiveDefinition: true,
        rootField: true,
        FieldDefinition: true,
        InputValueDefinition: true,
        EnumValueDefinition: true,
      }),
      ...rule('relay-arguments', { includeBoth: true }),
      ...rule('input-name', {
        checkInputType: true,
        caseSensitiveInputType: false,
        checkQueries: false,
        checkMutations: true,
      }),
      ...rule('strict-id-in-types', {
        acceptedIdNames: ['id'],
        acceptedIdTypes: ['ID'],
        exceptions: {
          types: ['PageInfo', ...VALUES],
          suffixes: ['Payload', 'Connection', 'Edge', 'Error'],
        },
      }),

      // Another way than the presets.
      ...rule('relay-edge-types', {
        withEdgeSuffix: true,
        shouldImplementNode: true,
        listTypeCanWrapOnlyEdgeType: false,
      }),
      ...off('alphabetize'),
      ...off('no-root-type'),
      ...off('require-field-of-type-query-in-mutation-result'),
    },
  },
];
