/** The certificate that HTTPS is served with; a renewed one is used from the next connection on. */
import type { Server } from 'node:https';
import { CertificateFault, readKeyPair } from '../../config/certificate.ts';
import { QcError } from '../../config/errors.ts';
import type { HttpConfig } from '../../config/schema.ts';
import { stampOf, watchFiles } from '../lifecycle/watch-files.ts';

export interface ServedCertificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Until when it is valid. */
  readonly validTo: Date;
}

/** Undefined where HTTP is served. @throws QcError http-certificate */
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
  /** The new files cannot be used: the old certificate stays. */
  readonly onFault: (error: QcError) => Promise<void>;
}

/** Follows the two files until it is disposed of. Nothing to follow where HTTP is served. */
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

/** RFC 8996: older ones are no more. */
export const minVersion = 'TLSv1.2';
