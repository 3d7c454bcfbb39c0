/** Quantized bases on disk: `<storage>/bases/<name>.int8.json` and the .onnx that it names, and what came of the last attempt beside them. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../durable.ts';
import { basesIn } from '../layout.ts';
import type { Quantized } from './quantize.ts';
import { type QuantizationReport, reportSchema } from './report.ts';

const reportOf = (storageDirectory: string, name: string) =>
  join(basesIn(storageDirectory), `${name}.int8.report.json`);

/**
 * Keeps the report, and the variant where it passed. A variant that was there before stays until the new manifest, which names
 * the new file's hash, is in its place; one that passed stays where a later attempt is refused. Durable once it resolves.
 * @returns the variant's .onnx; undefined where it was refused
 */
export async function keepVariant(
  storageDirectory: string,
  { model, manifest, report }: Quantized,
): Promise<string | undefined> {
  const folder = basesIn(storageDirectory);
  await mkdir(folder, { recursive: true });
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  await writeDurably(reportOf(storageDirectory, manifest.name), json(report));
  if (!report.passed) return undefined;
  const file = join(folder, manifest.file);
  await writeDurably(file, model);
  await writeDurably(join(folder, `${manifest.name}.int8.json`), json(manifest));
  const mine = (name: string) => name.startsWith(`${manifest.name}.int8-`) && name.endsWith('.onnx');
  const old = (await readdir(folder)).filter((name) => mine(name) && name !== manifest.file);
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
  return file;
}

/** What came of the last attempt; undefined where there was none that can be read. */
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
