/** Variants of bases on disk: `<storage>/bases/<name>.<precision>.json` and the .onnx that it names; for int8 also the report of the last attempt. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../disk/durable.ts';
import { makeFolders } from '../disk/folders.ts';
import { basesIn } from '../disk/layout.ts';
import { type BaseManifest, manifestText } from '../manifest.ts';
import type { Quantized } from './quantize.ts';
import { type QuantizationReport, reportSchema } from './report.ts';

const reportOf = (storageDirectory: string, name: string) =>
  join(basesIn(storageDirectory), `${name}.int8.report.json`);

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/**
 * Stores the report, and the variant if it passed. A variant that passed before is kept if a later attempt is refused.
 * Durable once it resolves.
 * @returns the path of the variant's .onnx; undefined if it was refused
 */
export async function keepQuantized(
  storageDirectory: string,
  { model, manifest, report }: Quantized,
): Promise<string | undefined> {
  await makeFolders(basesIn(storageDirectory));
  await writeDurably(reportOf(storageDirectory, manifest.name), json(report));
  return report.passed ? keepVariant(storageDirectory, { model, manifest }) : undefined;
}

/**
 * Stores a variant. An existing variant of the same precision stays valid until its manifest is replaced. Durable once it
 * resolves.
 * @returns the path of the variant's .onnx
 */
export async function keepVariant(
  storageDirectory: string,
  { model, manifest }: { readonly model: Uint8Array; readonly manifest: BaseManifest },
): Promise<string> {
  const folder = basesIn(storageDirectory);
  await makeFolders(folder);
  const name = `${manifest.name}.${manifest.precision}`;
  const file = join(folder, manifest.file);
  await writeDurably(file, model);
  await writeDurably(join(folder, `${name}.json`), manifestText(manifest));
  const isMine = (one: string) => one.startsWith(`${name}-`) && one.endsWith('.onnx');
  const old = (await readdir(folder)).filter((one) => isMine(one) && one !== manifest.file);
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
  return file;
}

/** Report of the last attempt; undefined if there is none or it is unreadable. */
export async function lastReport(
  storageDirectory: string,
  name: string,
): Promise<QuantizationReport | undefined> {
  const text = await readFile(reportOf(storageDirectory, name), 'utf8').catch(() => '');
  try {
    return reportSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
