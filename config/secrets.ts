/** Passwords: read from their files, and kept out of everything that is printed. */
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';

/** Longest password that is believed, bytes: a larger file is some other file. */
const MAX_SECRET_BYTES = 4_096;
/** Mounted by Docker, Kubernetes and systemd for one container or service, whatever their mode says. */
const private_mounts = /^(\/var)?\/run\/(secrets|credentials)\//;

export type FileFault = { readonly what: string; readonly remedy: string };

/** Why a file cannot be used; undefined where it can. */
export function fileFault(file: string): FileFault | undefined {
  try {
    if (!statSync(file).isFile()) return { what: `${file} is not a file`, remedy: 'name a file' };
    // Opening is the only sure test for the right to read (access(2) errs under user namespaces and ACLs).
    closeSync(openSync(file, 'r'));
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      return { what: `no permission to read ${file}`, remedy: 'let the user who runs the agent read it' };
    return {
      what: `there is no file ${file}`,
      remedy: 'create it, or correct the path (relative to the configuration file)',
    };
  }
}

/** Text as people's editors write it: UTF-8, or UTF-16 with a byte order mark (PowerShell 5); the mark is left out. */
export function textOf(bytes: Buffer): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes);
}

/** The password in a file, without byte order mark and line ends; spaces belong to it. */
export function readSecret(file: string): { secret: string } | { fault: FileFault } {
  const fault = fileFault(file);
  if (fault) return { fault };
  const bytes = readFileSync(file);
  const secret = textOf(bytes).replace(/[\r\n]+$/, '');
  if (secret === '') {
    return { fault: { what: `${file} is empty`, remedy: 'write the password into it, on one line' } };
  }
  if (bytes.length > MAX_SECRET_BYTES || /[\r\n\0\ufffd]/.test(secret)) {
    return { fault: { what: `${file} does not hold one line of text`, remedy: 'write only the password' } };
  }
  return { secret };
}

/** A warning where every user of this machine may read a secret file; undefined where not. */
export function exposure(file: string): string | undefined {
  if (private_mounts.test(file)) return undefined;
  const open = (statSync(file).mode & 0o004) !== 0;
  return open ? `${file} can be read by every user of this machine: chmod o-r it` : undefined;
}

/** A warning where others may change a file that decides who gets in; undefined where not. */
export function openness(file: string): string | undefined {
  const open = (statSync(file).mode & 0o002) !== 0;
  return open ? `${file} can be changed by every user of this machine: chmod o-w it` : undefined;
}

// Greedy up to the last @: a password that itself holds @ or / is still covered whole.
// Digits up to a slash are a port, not a password.
const userinfo = /^([a-z][a-z0-9+.-]*:\/\/[^:@/?#\s]*):(?!\d*(?:[/?#]|$))(.*)@/i;
const secretParameter = /\b(pass|passwd|password|pwd|psw|token|auth|secret)=[^&;#/\s]*/gi;

/** True where a URL holds a password before its host. */
export function hasPassword(url: string): boolean {
  return userinfo.test(url);
}

/** A URL fit for logs, metrics and messages: the password before its host and in its parameters starred out. */
export function redactUrl(url: string): string {
  return url.replace(userinfo, '$1:***@').replace(secretParameter, '$1=***');
}
