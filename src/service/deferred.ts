import type { DescMethod, DescService } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';

// biome-ignore lint/suspicious/noExplicitAny: a method is whatever its service says; here it is only handed on.
type Method = (...asked: any[]) => any;

/**
 * A service that is imported by its first call: what a lookup does not need, no start waits for. Of unary methods and server streams.
 *
 * @param load tried again when it failed
 */
export function deferred<S extends DescService>(
  service: S,
  load: () => Promise<ServiceImpl<S>>,
): ServiceImpl<S> {
  let loading: Promise<ServiceImpl<S>> | undefined;
  const loaded = async ({ localName }: DescMethod): Promise<Method> => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return ((await loading) as Record<string, Method>)[localName]!;
  };
  const methods = service.methods.map((method): [string, Method] => [
    method.localName,
    method.methodKind === 'unary'
      ? async (...asked) => (await loaded(method))(...asked)
      : async function* (...asked) {
          yield* (await loaded(method))(...asked);
        },
  ]);
  return Object.fromEntries(methods) as ServiceImpl<S>;
}
