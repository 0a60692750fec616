import { ScalarType } from '@bufbuild/protobuf';
import { fieldRules, messageRules, oneofRules, told } from './contract.mjs';

const anchor = (name) => `[${name}](#${name.toLowerCase()})`;
const cell = (text) => text.replaceAll('|', '\\|');

/** The contract for people: every call, message and rule, as Markdown. */
export function referenceOf({ services, messages, enums, scopeOf }) {
  return [
    '# API reference',
    '',
    'Generated from [proto/foilbank/v1](../proto/foilbank/v1/support.proto) by `npm run proto`; the JSON side as OpenAPI 3.1:',
    '[openapi.json](openapi.json). How to use it: [service.md](service.md). Names are those of the .proto files; in JSON they are',
    'written in camelCase.',
    ...services.flatMap((service) => serviceSection(service, scopeOf)),
    ...messages.flatMap(messageSection),
    ...enums.flatMap(enumSection),
    '',
  ].join('\n');
}

const table = (head, rows) => [
  ...['', `| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`],
  ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
];

function serviceSection(service, scopeOf) {
  const rows = service.methods.map((m) => [
    `\`${m.name}\``,
    scopeOf(m),
    anchor(m.input.name),
    `${m.methodKind === 'unary' ? '' : 'stream of '}${anchor(m.output.name)}`,
    told(m),
  ]);
  return [
    '',
    `## ${service.name}`,
    '',
    told(service),
    ...table(['call', 'scope', 'takes', 'gives', ''], rows),
  ];
}

function messageSection(desc) {
  const choices = [
    ...desc.oneofs.map((o) => [o.fields.map((f) => f.name), oneofRules(o).required]),
    ...(messageRules(desc).oneof ?? []).map((o) => [o.fields, o.required]),
  ].map(
    ([names, required]) =>
      `${required ? 'One' : 'At most one'} of ${names.map((n) => `\`${n}\``).join(', ')}.`,
  );
  const rows = desc.fields.map((f) => [`\`${f.name}\``, typeOf(f), rulesOf(f), told(f)]);
  return [
    ...['', `### ${desc.name}`],
    ...[told(desc), ...choices].filter(Boolean).flatMap((line) => ['', line]),
    ...(rows.length > 0 ? table(['field', 'type', 'rules', ''], rows) : []),
  ];
}

function enumSection(desc) {
  const rows = desc.values.map((v) => [`\`${v.name}\``, told(v)]);
  return ['', `### ${desc.name}`, ...(told(desc) ? ['', told(desc)] : []), ...table(['value', ''], rows)];
}

function typeOf(field) {
  const { message, scalar } = field;
  const named = message ?? field.enum;
  const name = named?.typeName.startsWith('foilbank.') ? anchor(named.name) : named?.name;
  const one = name ?? ScalarType[scalar].toLowerCase();
  if (field.fieldKind === 'list') return `list of ${one}`;
  return field.fieldKind === 'map' ? `map of ${one}` : one;
}

/** `min_len 1, max_len 64`, and of a list's items in brackets. */
function rulesOf(field) {
  const words = (rules) =>
    Object.entries(rules).map(([rule, value]) =>
      typeof value === 'object'
        ? `each (${Object.values(value).flatMap(words).join(', ')})`
        : value === true
          ? rule
          : `${snake(rule)} \`${value}\``,
    );
  const { required, ...rules } = fieldRules(field);
  return [...(required ? ['required'] : []), ...Object.values(rules).flatMap(words)].join(', ');
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
