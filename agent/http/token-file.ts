/** The tokens of a running agent: the file is reloaded when it changes, so that a token is revoked at once. */
import { QcError } from '../../config/errors.ts';
import { stampOf, watchFiles } from '../lifecycle/watch-files.ts';
import { readTokens, type Tokens } from './tokens.ts';

export interface TokenFileEvents {
  /** The new file is in use. */
  readonly onReload: (count: number) => Promise<void>;
  /** The new file cannot be used: the previous tokens stay valid. */
  readonly onFault: (error: QcError) => Promise<void>;
}

/** @throws QcError http-tokens-missing, http-tokens-invalid */
export async function openTokenFile(
  file: string,
  events: TokenFileEvents,
): Promise<Tokens & AsyncDisposable> {
  const stamp = await stampOf([file]);
  let tokens = await readTokens(file);
  const watch = watchFiles([file], stamp, {
    async onChange() {
      try {
        tokens = await readTokens(file);
      } catch (error) {
        return events.onFault(error instanceof QcError ? error : new QcError('internal', String(error)));
      }
      return events.onReload(tokens.count);
    },
  });
  return {
    holderOf: (token) => tokens.holderOf(token),
    holderOfHash: (hash) => tokens.holderOfHash(hash),
    get count() {
      return tokens.count;
    },
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}
