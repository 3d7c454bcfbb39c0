/** The certificate of HTTPS; a renewed certificate is used from the next connection on. */
import type { Server } from 'node:https';
import { CertificateFault, readKeyPair } from '../../config/certificate.ts';
import { QcError } from '../../config/errors.ts';
import type { HttpConfig } from '../../config/schema.ts';
import { stampOf, watchFiles } from '../lifecycle/watch-files.ts';

export interface ServedCertificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** End of its validity. */
  readonly validTo: Date;
}

/** Undefined for HTTP. @throws QcError http-certificate */
export async function readServedCertificate({
  cert,
  key,
}: HttpConfig): Promise<ServedCertificate | undefined> {
  if (cert === undefined || key === undefined) return undefined;
  try {
    return await readKeyPair({ cert, key });
  } catch (error) {
    if (!(error instanceof CertificateFault)) throw error;
    throw new QcError('http-certificate', `http.${error.at}: ${error.message}`, { cause: error });
  }
}

export interface CertificateEvents {
  readonly onRenewed: (validTo: Date) => Promise<void>;
  /** The new files cannot be used: the previous certificate stays in use. */
  readonly onFault: (error: QcError) => Promise<void>;
}

/** Watches the two files until it is disposed of; does nothing for HTTP. */
export async function followCertificate(
  config: HttpConfig,
  server: Pick<Server, 'setSecureContext'>,
  { onRenewed, onFault }: CertificateEvents,
): Promise<AsyncDisposable> {
  const files = [config.cert, config.key].filter((file) => file !== undefined);
  if (files.length === 0) return { [Symbol.asyncDispose]: async () => undefined };
  return watchFiles(files, await stampOf(files), {
    async onChange() {
      try {
        const renewed = await readServedCertificate(config);
        if (!renewed) return;
        server.setSecureContext({ cert: renewed.cert, key: renewed.key, minVersion });
        await onRenewed(renewed.validTo);
      } catch (error) {
        await onFault(error instanceof QcError ? error : new QcError('http-certificate', String(error)));
      }
    },
  });
}

/** RFC 8996 deprecates older versions. */
export const minVersion = 'TLSv1.2';
