import { ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { fieldRules, messageRules, oneofRules, told } from './contract.mjs';

/**
 * JSON Schema of the contract's types, as protobuf's JSON mapping writes them, with the rules that the server holds requests
 * against. A rule that is not known here is an error: a schema that lets through what the server refuses would be none.
 */
const LENGTHS = { minLen: 'minLength', maxLen: 'maxLength', pattern: 'pattern' };
const BOUNDS = { gt: 'exclusiveMinimum', gte: 'minimum', lt: 'exclusiveMaximum', lte: 'maximum' };
const { STRING, BYTES, BOOL, INT32, UINT32, UINT64, FLOAT, DOUBLE } = ScalarType;

export const refOf = (desc) => ({ $ref: `#/components/schemas/${desc.name}` });
const described = (schema, description) => (description ? { description, ...schema } : schema);

export function enumSchema(desc) {
  const meanings = desc.values.filter((v) => told(v)).map((v) => `${v.name}: ${told(v)}`);
  const names = desc.values.map((v) => v.name);
  return described({ type: 'string', enum: names }, [told(desc), ...meanings].filter(Boolean).join(' '));
}

export function messageSchema(desc) {
  const properties = Object.fromEntries(
    desc.fields.map((field) => [field.jsonName, described(fieldSchema(field), told(field))]),
  );
  const required = desc.fields.filter(isRequired).map((field) => field.jsonName);
  const jsonName = (name) => desc.fields.find((field) => field.name === name).jsonName;
  const choices = [
    ...desc.oneofs.map((oneof) =>
      choice(
        oneof.fields.map((f) => f.jsonName),
        oneofRules(oneof).required,
      ),
    ),
    ...(messageRules(desc).oneof ?? []).map((one) => choice(one.fields.map(jsonName), one.required)),
  ];
  const schema = {
    ...{ type: 'object', properties, additionalProperties: false },
    ...(required.length > 0 ? { required } : {}),
    ...(choices.length > 0 ? { allOf: choices } : {}),
  };
  return described(schema, told(desc));
}

/** One of several fields, or unless `required` none. */
function choice(names, required) {
  const given = names.map((name) => ({ required: [name] }));
  return { oneOf: [...given, ...(required ? [] : [{ not: { anyOf: given } }])] };
}

/** Also a field that would be refused as it is when left out: proto3 cannot tell the two apart. */
function isRequired(field) {
  const { required, ...rules } = fieldRules(field);
  const [limits = {}] = Object.values(rules);
  if (required) return true;
  if (field.fieldKind === 'list') return Number(limits.minItems ?? 0) > 0;
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return false;
  return (
    Number(limits.minLen ?? 0) > 0 ||
    Number(limits.gte ?? 0) > 0 ||
    (limits.pattern !== undefined && !new RegExp(limits.pattern).test(''))
  );
}

function fieldSchema(field) {
  const { required: _, ...rules } = fieldRules(field);
  if (field.fieldKind === 'map')
    return { type: 'object', additionalProperties: valueSchema(field.scalar, field.message, field.enum, {}) };
  if (field.fieldKind !== 'list') return valueSchema(field.scalar, field.message, field.enum, rules);
  const { minItems, maxItems, items, ...unknown } = rules.repeated ?? {};
  expectNone(unknown, field.name);
  return {
    ...{ type: 'array', items: valueSchema(field.scalar, field.message, field.enum, items ?? {}) },
    ...(minItems === undefined ? {} : { minItems: Number(minItems) }),
    ...(maxItems === undefined ? {} : { maxItems: Number(maxItems) }),
  };
}

/** @param rules by type, at most one: { string: { minLen: '1' } } */
function valueSchema(scalar, message, enumeration, rules) {
  if (message?.typeName === 'google.protobuf.Timestamp') return { type: 'string', format: 'date-time' };
  if (message ?? enumeration) return refOf(message ?? enumeration);
  const [limits = {}] = Object.values(rules);
  switch (scalar) {
    case STRING:
      return { type: 'string', ...translated(limits, LENGTHS) };
    case BYTES: {
      const { minLength, maxLength } = translated(limits, LENGTHS);
      return {
        ...{ type: 'string', contentEncoding: 'base64' },
        ...(minLength === undefined ? {} : { minLength: Math.ceil((minLength * 4) / 3) }),
        ...(maxLength === undefined ? {} : { maxLength: 4 * Math.ceil(maxLength / 3) }),
      };
    }
    case BOOL:
      return { type: 'boolean', ...translated(limits, { const: 'const' }) };
    case INT32:
      return { type: 'integer', format: 'int32', ...translated(limits, BOUNDS) };
    case UINT32:
      return { type: 'integer', format: 'uint32', minimum: 0, ...translated(limits, BOUNDS) };
    case UINT64:
      // Written as a string, read as either.
      return {
        anyOf: [
          { type: 'string', pattern: '^[0-9]{1,20}$' },
          { type: 'integer', minimum: 0, ...translated(limits, BOUNDS) },
        ],
      };
    case FLOAT:
    case DOUBLE: {
      const { finite, ...bounds } = limits;
      const number = { type: 'number', ...translated(bounds, BOUNDS) };
      if (finite || Object.keys(bounds).length > 0) return number;
      return { anyOf: [number, { type: 'string', enum: ['NaN', 'Infinity', '-Infinity'] }] };
    }
    default:
      throw new Error(`no schema for fields of type ${ScalarType[scalar]}`);
  }
}

function translated(limits, names) {
  return Object.fromEntries(
    Object.entries(limits).map(([rule, value]) => {
      if (!Object.hasOwn(names, rule)) throw new Error(`no schema for the rule ${rule}`);
      return [names[rule], rule === 'pattern' || rule === 'const' ? value : Number(value)];
    }),
  );
}

function expectNone(rules, field) {
  for (const rule of Object.keys(rules)) throw new Error(`no schema for the rule ${rule} of ${field}`);
}
