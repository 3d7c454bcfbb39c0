/** Reads a certificate and its key from PEM files, and checks them before they are used. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** End of its validity. */
  readonly validTo: Date;
}

/** Why a certificate cannot be used; `at` names the file. */
export class CertificateFault extends Error {
  readonly at: 'cert' | 'key';

  constructor(at: 'cert' | 'key', message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.at = at;
  }
}

/** @throws CertificateFault if a file cannot be read, the two do not match, or the certificate is not valid now */
export async function readKeyPair(
  files: { readonly cert: string; readonly key: string },
  now = new Date(),
): Promise<KeyPair> {
  const cert = await read('cert', files.cert);
  const key = await read('key', files.key);
  const parsed = attempt(
    'cert',
    `${files.cert} contains no certificate in PEM format`,
    () => new X509Certificate(cert),
  );
  const secret = attempt(
    'key',
    `${files.key} contains no private key in PEM format without a passphrase`,
    () => createPrivateKey(key),
  );
  if (!parsed.checkPrivateKey(secret)) {
    throw new CertificateFault('key', `${files.key} is not the key of the certificate ${files.cert}`);
  }
  const [validFrom, validTo] = [new Date(parsed.validFrom), new Date(parsed.validTo)];
  if (validTo < now) {
    throw new CertificateFault('cert', `the certificate ${files.cert} expired on ${dayOf(validTo)}`);
  }
  if (validFrom > now) {
    throw new CertificateFault(
      'cert',
      `the certificate ${files.cert} is not valid before ${dayOf(validFrom)}`,
    );
  }
  return { cert, key, validTo };
}

const read = (at: 'cert' | 'key', file: string): Promise<Buffer> =>
  readFile(file).catch((cause: unknown) => {
    throw new CertificateFault(at, `${file} cannot be read`, cause);
  });

function attempt<T>(at: 'cert' | 'key', what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new CertificateFault(at, what, cause);
  }
}

export const dayOf = (date: Date) => date.toISOString().slice(0, 10);

/** Whole days until then; negative afterwards. */
export const daysUntil = (date: Date, now = Date.now()) => Math.floor((date.getTime() - now) / 86_400_000);
