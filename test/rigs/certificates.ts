import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** `subjectAltName` in the format of openssl; default: the server 127.0.0.1. */
  readonly names?: string;
  /** Days of validity from now; negative for an expired one. */
  readonly days?: number;
}

/** A certificate authority, made as in docs/security.md. */
export interface Authority {
  readonly ca: string;
  /** A certificate for a server, and also for a client. */
  issue(options?: IssueOptions): Certificates;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

/** @param folder receives a folder for each authority */
export function makeAuthority(folder: string): Authority {
  mkdirSync(folder, { recursive: true });
  const own = mkdtempSync(join(folder, 'authority-'));
  const [ca, caKey] = [join(own, 'ca.pem'), join(own, 'ca.key')];
  const subject = ['-subj', '/CN=qc test authority'];
  openssl('req', '-x509', ...newKey, '-days', '1', ...subject, '-keyout', caKey, '-out', ca);
  return {
    ca,
    issue({ names = 'IP:127.0.0.1', days = 1 } = {}) {
      const issued = mkdtempSync(join(own, 'issued-'));
      const file = (name: string) => join(issued, name);
      const [cert, key] = [file('cert.pem'), file('key.pem')];
      openssl('req', ...newKey, '-subj', '/CN=qc-test', '-keyout', key, '-out', file('request.pem'));
      writeFileSync(file('ext'), `subjectAltName=${names}\n`);
      const request = ['-req', '-in', file('request.pem'), '-extfile', file('ext'), '-out', cert];
      const signed = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', String(days)];
      openssl('x509', ...request, ...signed);
      return { ca, cert, key };
    },
  };
}

/** An authority and one certificate for 127.0.0.1 signed by it, valid for a day. */
export const makeCertificates = (folder: string): Certificates => makeAuthority(folder).issue();
