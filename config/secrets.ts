/** Reads passwords from their files, and removes them from everything that is printed. */
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';

/** Longest password, bytes: a larger file is not a password file. */
const MAX_SECRET_BYTES = 4_096;
/** Secrets mounted by Docker, Kubernetes and systemd are private to one container or service, whatever their mode. */
const private_mounts = /^(\/var)?\/run\/(secrets|credentials)\//;

export type FileFault = { readonly what: string; readonly remedy: string };

/** Why a file cannot be used; undefined if it can. */
export function fileFault(file: string): FileFault | undefined {
  try {
    if (!statSync(file).isFile()) return { what: `${file} is not a file`, remedy: 'name a file' };
    // Opening is the only reliable test of read permission (access(2) is wrong under user namespaces and ACLs).
    closeSync(openSync(file, 'r'));
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      return {
        what: `no permission to read ${file}`,
        remedy: 'allow the user who runs the agent to read it',
      };
    return {
      what: `there is no file ${file}`,
      remedy: 'create it, or correct the path (relative to the configuration file)',
    };
  }
}

/** Decodes the text of common editors: UTF-8, or UTF-16 with a byte order mark (PowerShell 5); the mark is removed. */
export function textOf(bytes: Buffer): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes);
}

/** The password in a file, without byte order mark and line ends; spaces are part of it. */
export function readSecret(file: string): { secret: string } | { fault: FileFault } {
  const fault = fileFault(file);
  if (fault) return { fault };
  const bytes = readFileSync(file);
  const secret = textOf(bytes).replace(/[\r\n]+$/, '');
  if (secret === '') {
    return { fault: { what: `${file} is empty`, remedy: 'write the password into it, on one line' } };
  }
  if (bytes.length > MAX_SECRET_BYTES || /[\r\n\0\ufffd]/.test(secret)) {
    return {
      fault: { what: `${file} does not contain exactly one line of text`, remedy: 'write only the password' },
    };
  }
  return { secret };
}

/** A warning if every user of this machine can read a secret file; otherwise undefined. */
export function exposure(file: string): string | undefined {
  if (private_mounts.test(file)) return undefined;
  const open = (statSync(file).mode & 0o004) !== 0;
  return open ? `${file} can be read by every user of this machine: chmod o-r it` : undefined;
}

/** A warning if other users can change a file that controls access; otherwise undefined. */
export function openness(file: string): string | undefined {
  const open = (statSync(file).mode & 0o002) !== 0;
  return open ? `${file} can be changed by every user of this machine: chmod o-w it` : undefined;
}

// Greedy up to the last @: covers a password that contains @ or / completely.
// Digits up to a slash are a port, not a password.
const userinfo = /^([a-z][a-z0-9+.-]*:\/\/[^:@/?#\s]*):(?!\d*(?:[/?#]|$))(.*)@/i;
const secretParameter = /\b(pass|passwd|password|pwd|psw|token|auth|secret)=[^&;#/\s]*/gi;

/** Whether a URL contains a password before its host. */
export function hasPassword(url: string): boolean {
  return userinfo.test(url);
}

/** A URL for logs, metrics and messages: passwords before its host and in its parameters are replaced by stars. */
export function redactUrl(url: string): string {
  return url.replace(userinfo, '$1:***@').replace(secretParameter, '$1=***');
}
