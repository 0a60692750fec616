import { execFileSync } from 'node:child_process';
import { createFileRegistry, fromBinary, getOption, hasOption, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { getComments } from '@bufbuild/protoplugin';
import * as validate from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

/** The services and types of foilbank.v1 in the order of their files, read with comments, which generated code has not. */
export function readContract() {
  const image = execFileSync('buf', ['build', 'proto', '-o', '-'], { maxBuffer: 2 ** 26 });
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  const files = [...registry.files].filter((file) => file.proto.package === 'foilbank.v1');
  const [scope, scopes] = [registry.getExtension('foilbank.v1.scope'), registry.getEnum('foilbank.v1.Scope')];
  return {
    services: files.flatMap((file) => file.services),
    messages: files.flatMap((file) => file.messages),
    enums: files.flatMap((file) => file.enums),
    /** The scope that a key needs for a method: read, score or admin. */
    scopeOf: (method) => scopes.value[getOption(method, scope)].name.replace('SCOPE_', '').toLowerCase(),
  };
}

/** What the contract says of something, as one paragraph. */
export const told = (desc) =>
  getComments(desc)
    .leading?.trim()
    .replace(/\s*\n\s*/g, ' ') ?? '';

/** The rules of protovalidate as JSON: only what was set. */
const rules = (desc, extension) =>
  hasOption(desc, extension) ? toJson(extension.message, getOption(desc, extension)) : {};
export const fieldRules = (field) => rules(field, validate.field);
export const messageRules = (message) => rules(message, validate.message);
export const oneofRules = (oneof) => rules(oneof, validate.oneof);
