import { readSecret } from '../../config/secrets.ts';
import type { Log } from './log.ts';
import type { Login } from './retry.ts';
import { stampOf, watchFiles } from './watch-files.ts';

export interface Credentials {
  readonly password?: string | undefined;
  /** The file of the password; absent if it came from the environment. */
  readonly passwordFile?: string | undefined;
}

/** A password that is reloaded when its file changes. */
export interface Secret extends AsyncDisposable {
  readonly value: string | undefined;
  /** Aborts when the value changes; each change starts a new signal. */
  readonly changed: AbortSignal;
}

/**
 * Reloads the password when its file changes, also when the file is replaced through a symbolic link, as Kubernetes
 * and systemd do. If the new file cannot be used, the previous password stays in use.
 */
export async function openSecret({ password, passwordFile }: Credentials, log: Log): Promise<Secret> {
  let value = password;
  let change = new AbortController();
  const watch =
    passwordFile === undefined
      ? undefined
      : watchFiles([passwordFile], await stampOf([passwordFile]), { onChange: () => reread(passwordFile) });
  // The file may have changed between the start of the agent and the first stamp.
  if (passwordFile !== undefined) await reread(passwordFile);

  async function reread(file: string): Promise<void> {
    const read = readSecret(file);
    if ('fault' in read) {
      log.warn(`${read.fault.what}: the previous password stays in use; ${read.fault.remedy}`);
      return;
    }
    if (read.secret === value) return;
    value = read.secret;
    log.info({ file }, 'the password file has changed: the next log-in uses the new password');
    change.abort();
    change = new AbortController();
  }

  return {
    get value() {
      return value;
    },
    get changed() {
      return change.signal;
    },
    async [Symbol.asyncDispose]() {
      await watch?.[Symbol.asyncDispose]();
    },
  };
}

/** The log-in with this password. @param refused whether an error means that the peer refused it */
export function loginWith(secret: Secret, refused: Login['refused']): Login {
  return {
    refused,
    get changed() {
      return secret.changed;
    },
  };
}

/** Tells the operator when the next log-in follows after a refused one. */
export function nextLogin({ passwordFile }: Credentials, waitMs: number): string {
  const minutes = `${Math.round(waitMs / 60_000)} min`;
  const early = passwordFile === undefined ? '' : `, or at once if ${passwordFile} changes`;
  return `the next log-in follows in ${minutes}${early}, so that the account is not locked`;
}
