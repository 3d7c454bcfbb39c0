/** Tokens and certificate: reloaded when their files change; each change is recorded in the audit log. */
import type { QcError } from '../../config/errors.ts';
import type { HttpConfig } from '../../config/schema.ts';
import type { AuditDraft } from '../audit/entry.ts';
import { Closer } from '../lifecycle/closer.ts';
import type { AccessFiles } from './app.ts';
import type { HttpDeps } from './deps.ts';
import { type CertificateEvents, readServedCertificate } from './tls.ts';
import { openTokenFile } from './token-file.ts';

export interface OpenAccessFiles extends AccessFiles, AsyncDisposable {
  readonly certificateEvents: CertificateEvents;
}

/** @throws QcError http-tokens-missing, http-tokens-invalid, http-certificate */
export async function openAccessFiles(
  config: HttpConfig,
  { log, audit, onNotice }: Pick<HttpDeps, 'log' | 'audit' | 'onNotice'>,
): Promise<OpenAccessFiles> {
  await using opened = new Closer();
  const certificate = await readServedCertificate(config);

  const changed = (what: 'tokens' | 'certificate', facts: AuditDraft['what']) => {
    log.info({ ...facts }, `new ${what} are used from now on`);
    onNotice(what, '');
    return audit.record({ ...ours(what), what: facts, outcome: 'done', code: null });
  };
  const kept = (what: 'tokens' | 'certificate', { code, line }: QcError) => {
    log.warn({ code }, `the new ${what} cannot be used, the previous ones stay in use: ${line}`);
    onNotice(what, `the new ${what} cannot be used, the previous ones stay in use: ${line}`);
    return audit.record({ ...ours(what), what: {}, outcome: 'refused', code });
  };
  const { tokensFile } = config;
  const tokens =
    tokensFile === undefined
      ? undefined
      : opened.use(
          await openTokenFile(tokensFile, {
            onReload: (count) => changed('tokens', { file: tokensFile, count }),
            onFault: (error) => kept('tokens', error),
          }),
        );
  const all = opened.move();
  return {
    tokens,
    certificate,
    certificateEvents: {
      onRenewed: (validTo) => changed('certificate', { validTo: validTo.toISOString() }),
      onFault: (error) => kept('certificate', error),
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

const ours = (what: string) =>
  ({ who: 'agent', role: null, from: 'file', action: `${what}-reload` }) as const;
