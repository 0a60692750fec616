import {
  create,
  createRegistry,
  type DescFile,
  type MessageInitShape,
  type Registry,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ServiceImpl } from '@connectrpc/connect';
import { reflection, reflectionAlpha } from '../gen/index.js';

type Request = reflection.ServerReflectionRequest;
type Answer = NonNullable<
  MessageInitShape<typeof reflection.ServerReflectionResponseSchema>['messageResponse']
>;

/**
 * gRPC server reflection, by which grpcurl and its kin learn the contract.
 *
 * @param files with the services, imports come along
 * @param protocol whose messages are made
 */
export function reflectionService(
  files: readonly DescFile[],
  { ServerReflectionResponseSchema }: Pick<typeof reflection, 'ServerReflectionResponseSchema'> = reflection,
): ServiceImpl<typeof reflection.ServerReflection> {
  const all = new Map<string, DescFile>();
  const gather = (file: DescFile): void => {
    if (all.has(file.proto.name)) return;
    all.set(file.proto.name, file);
    file.dependencies.forEach(gather);
  };
  files.forEach(gather);
  const registry = createRegistry(...all.values());
  const services = files.flatMap((file) => file.services.map((s) => ({ name: s.typeName })));
  return {
    async *serverReflectionInfo(requests) {
      for await (const originalRequest of requests)
        yield create(ServerReflectionResponseSchema, {
          ...{ validHost: originalRequest.host, originalRequest },
          messageResponse: answer(originalRequest, { all, registry, services }),
        });
    },
  };
}

/** The same under the protocol's older name, which many a grpcurl asks for: only the package of its messages is another. */
export const alphaReflectionService = (files: readonly DescFile[]) =>
  reflectionService(files, reflectionAlpha as unknown as typeof reflection) as unknown as ServiceImpl<
    typeof reflectionAlpha.ServerReflection
  >;

interface Known {
  readonly all: ReadonlyMap<string, DescFile>;
  readonly registry: Registry;
  readonly services: { name: string }[];
}

function answer({ messageRequest: asked }: Request, { all, registry, services }: Known): Answer {
  switch (asked.case) {
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: services } };
    case 'fileByFilename':
      return fileAnswer(all.get(asked.value), `file ${asked.value}`);
    case 'fileContainingSymbol':
      return fileAnswer(fileOf(registry, asked.value), `symbol ${asked.value}`);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = asked.value;
      const extendee = registry.getMessage(containingType);
      const found = extendee && registry.getExtensionFor(extendee, extensionNumber);
      return fileAnswer(found?.file, `extension ${extensionNumber} of ${containingType}`);
    }
    case 'allExtensionNumbersOfType': {
      const baseTypeName = asked.value;
      if (!registry.getMessage(baseTypeName)) return notFound(`type ${baseTypeName}`);
      const extensionNumber = [...registry]
        .filter((d) => d.kind === 'extension' && d.extendee.typeName === baseTypeName)
        .map((d) => (d.kind === 'extension' ? d.number : 0));
      return { case: 'allExtensionNumbersResponse', value: { baseTypeName, extensionNumber } };
    }
    default:
      return {
        case: 'errorResponse',
        value: { errorCode: Code.InvalidArgument, errorMessage: 'nothing was asked' },
      };
  }
}

/** The file of a type, or of a method or field by its type. */
function fileOf(registry: Registry, symbol: string): DescFile | undefined {
  const found = registry.get(symbol) ?? registry.get(symbol.slice(0, symbol.lastIndexOf('.')));
  return found?.file;
}

function fileAnswer(file: DescFile | undefined, what: string): Answer {
  if (!file) return notFound(what);
  const fileDescriptorProto = [toBinary(FileDescriptorProtoSchema, file.proto)];
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

const notFound = (what: string): Answer => ({
  case: 'errorResponse',
  value: { errorCode: Code.NotFound, errorMessage: `${what.slice(0, 200)} is not known` },
});
