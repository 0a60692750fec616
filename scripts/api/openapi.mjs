import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { told } from './contract.mjs';
import { enumSchema, messageSchema, refOf } from './schema.mjs';

const CODES = [
  ...['canceled', 'unknown', 'invalid_argument', 'deadline_exceeded', 'not_found', 'already_exists'],
  ...['permission_denied', 'resource_exhausted', 'failed_precondition', 'aborted', 'out_of_range'],
  ...['unimplemented', 'internal', 'unavailable', 'data_loss', 'unauthenticated'],
];

/** What the protocol itself adds: Connect's error. */
const CONNECT_ERROR = {
  description: 'How Connect tells an error; docs/errors.md lists the codes that the message begins with.',
  type: 'object',
  required: ['code'],
  properties: {
    code: { type: 'string', enum: CODES },
    message: { type: 'string' },
    details: {
      type: 'array',
      items: {
        type: 'object',
        required: ['type', 'value'],
        properties: {
          type: { type: 'string', description: 'foilbank.v1.ErrorDetail' },
          value: { type: 'string', contentEncoding: 'base64', description: 'The message in binary.' },
          debug: { description: 'The same message in JSON.' },
        },
      },
    },
  },
};

/** The JSON side of the contract as an OpenAPI 3.1 document: every call that is no stream. */
export function openApiOf({ services, messages, enums, scopeOf }) {
  const unary = services.flatMap((s) => s.methods).filter((m) => m.methodKind === 'unary');
  const streams = (service) => service.methods.filter((m) => m.methodKind !== 'unary').map((m) => m.name);
  const schemas = [
    ...messages.map((desc) => [desc.name, messageSchema(desc)]),
    ...enums.map((desc) => [desc.name, enumSchema(desc)]),
    ['ConnectError', CONNECT_ERROR],
  ];
  return {
    openapi: '3.1.0',
    info: {
      ...{ title: 'Foilbank', version: 'v1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
      description:
        'Generated from proto/foilbank/v1. Fields at their default (0, false, empty) are left out of replies; unknown fields of a request are refused.',
    },
    servers: [{ url: 'http://localhost:8080' }],
    tags: services.map((service) => ({
      name: service.name,
      description: [
        told(service),
        ...streams(service).map((name) => `${name} is a stream: use gRPC or a Connect client.`),
      ].join(' '),
    })),
    paths: Object.fromEntries(unary.map((m) => [`/${m.parent.typeName}/${m.name}`, pathOf(m, scopeOf(m))])),
    components: {
      schemas: Object.fromEntries(schemas.sort(([a], [b]) => (a < b ? -1 : 1))),
      responses: {
        Error: {
          description: 'What went wrong.',
          content: { 'application/json': { schema: { $ref: '#/components/schemas/ConnectError' } } },
        },
      },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'As `foilbank keys create` printed it.' },
      },
    },
  };
}

function pathOf(method, scope) {
  const json = (desc) => ({ 'application/json': { schema: refOf(desc) } });
  const common = {
    ...{ tags: [method.parent.name], summary: told(method), security: [{ key: [scope] }] },
    responses: {
      200: { description: told(method.output) || 'The answer.', content: json(method.output) },
      default: { $ref: '#/components/responses/Error' },
    },
  };
  const operationId = `${method.parent.name}_${method.name}`;
  const post = { operationId, ...common, requestBody: { required: true, content: json(method.input) } };
  if (method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return { post };
  const parameters = [
    { name: 'encoding', in: 'query', required: true, schema: { const: 'json' } },
    { name: 'message', in: 'query', required: true, content: json(method.input) },
  ];
  return { get: { operationId: `${operationId}_get`, ...common, parameters }, post };
}
