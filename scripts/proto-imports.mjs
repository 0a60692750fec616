/**
 * Writes buf/validate/validate.proto, which the contract imports, under out/proto: the npm package of protovalidate brings it
 * only as a descriptor. Options of the rules themselves are left out: whoever validates has them in the package.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FieldDescriptorProto_Label, FieldDescriptorProto_Type } from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

const SCALARS = Object.fromEntries(
  Object.entries(FieldDescriptorProto_Type)
    .filter(([, number]) => typeof number === 'number')
    .map(([name, number]) => [number, name.toLowerCase()]),
);
const { proto } = file_buf_validate_validate;

function field(f, inOneof) {
  const { label, type, typeName, name, number } = f;
  const rule = label === FieldDescriptorProto_Label.REPEATED ? 'repeated ' : inOneof ? '' : 'optional ';
  return `${rule}${typeName || SCALARS[type]} ${name} = ${number};`;
}

const enumeration = ({ name, value }) => [
  `enum ${name} {`,
  ...value.map((v) => `  ${v.name} = ${v.number};`),
  '}',
];

function message({ name, field: fields, oneofDecl, nestedType, enumType, extensionRange }) {
  const loose = fields.filter((f) => f.oneofIndex === undefined || !Object.hasOwn(f, 'oneofIndex'));
  const within = (i) => fields.filter((f) => Object.hasOwn(f, 'oneofIndex') && f.oneofIndex === i);
  const body = [
    ...nestedType.flatMap(message),
    ...enumType.flatMap(enumeration),
    ...loose.map((f) => field(f, false)),
    ...oneofDecl.flatMap((o, i) => [
      `oneof ${o.name} {`,
      ...within(i).map((f) => `  ${field(f, true)}`),
      '}',
    ]),
    ...extensionRange.map(
      ({ start, end }) => `extensions ${start} to ${end > 2 ** 29 - 1 ? 'max' : end - 1};`,
    ),
  ];
  return [`message ${name} {`, ...body.map((line) => `  ${line}`), '}'];
}

const extensions = proto.extension.flatMap((f) => [`extend ${f.extendee} {`, `  ${field(f, false)}`, '}']);
const text = [
  'syntax = "proto2";',
  `package ${proto.package};`,
  ...proto.dependency.map((file) => `import "${file}";`),
  ...extensions,
  ...proto.messageType.flatMap(message),
  ...proto.enumType.flatMap(enumeration),
];
const target = fileURLToPath(new URL('../out/proto/buf/validate/validate.proto', import.meta.url));
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, `${text.join('\n')}\n`);
