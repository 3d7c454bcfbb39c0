/** Reads the licence of weights from the files next to them. */
import { open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { QcError } from '../../config/errors.ts';

const text = z.string().trim().min(1).max(100);
const timmSchema = z.object({ pretrained_cfg: z.object({ license: text }) });
const maxRead = 65_536;

/** From timm's config.json, or the head of a model card (README.md on Hugging Face); undefined if neither states it. */
export async function licenceBeside(path: string, config: unknown): Promise<string | undefined> {
  const timm = check(timmSchema, config);
  if (timm.success) return timm.data.pretrained_cfg.license;
  const folder = (await stat(path)).isDirectory() ? path : dirname(path);
  const head = /^---\r?\n([\s\S]*?)\r?\n---/.exec(await startOf(join(folder, 'README.md')))?.[1] ?? '';
  const said = check(text, /^license:\s*["']?([^"'\r\n]+)/m.exec(head)?.[1]);
  return said.success ? said.data : undefined;
}

async function startOf(file: string): Promise<string> {
  try {
    await using handle = await open(file, 'r');
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(maxRead), 0, maxRead, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    // Most have none.
    return '';
  }
}

export const excludesCommerce = (licence: string) =>
  /\bnc\b|non-?commercial|research[- ]only/i.test(licence.replaceAll('_', '-'));

/** @param accepted whether the user states that the use is allowed @throws QcError licence-refused */
export function requireLicence(licence: string | undefined, accepted: boolean): void {
  if (licence === undefined || accepted || !excludesCommerce(licence)) return;
  throw new QcError(
    'licence-refused',
    `the licence of the weights (${licence}) does not allow commercial use`,
  );
}
