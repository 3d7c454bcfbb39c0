/**
 * Updates hash, operator set and warm-up check in the manifest of every embedded base after its .onnx was replaced:
 * `node dist/models/refresh-base.js` (part of `npm run generate`). The other fields are kept.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { embeddedBases } from './base.ts';
import { type BaseManifest, manifestText, readBaseManifest } from './manifest.ts';
import { decodeModel, toNumber } from './onnx/proto.ts';
import { openSession } from './run/session.ts';
import { checkImage, recordCheck } from './run/warm-up-check.ts';

/** Updates one manifest; the features of the check are computed on the CPU. */
async function refresh(manifestFile: string, folder: string): Promise<boolean> {
  const { check, ...kept } = await readBaseManifest(manifestFile);
  const bytes = await readFile(join(folder, kept.file));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  // Features differ slightly between machines: the manifest of an unchanged file is kept.
  if (sha256 === kept.sha256 && check) return false;

  const { opsetImport } = decodeModel(bytes);
  const opset = toNumber(opsetImport.find(({ domain }) => !domain)?.version ?? kept.opset);
  const unchecked: BaseManifest = { ...kept, sha256, opset };
  const draft = manifestFile.replace(/\.json$/, '.draft.json');
  await writeFile(draft, text(unchecked));
  await rename(draft, manifestFile);

  await using session = await openSession({
    base: join(folder, kept.file),
    precision: 'auto',
    provider: 'cpu',
    threads: 0,
  });
  const { width, height } = kept.input;
  const features = await session.features(checkImage(width, height));
  await writeFile(draft, text({ ...unchecked, check: recordCheck(features) }));
  await rename(draft, manifestFile);
  return true;
}

/** JSON as the formatter writes it: lists of numbers on one line. */
function text(manifest: BaseManifest): string {
  const list = /\[\s+([^[\]{}]*?)\s+\]/g;
  const json = manifestText(manifest).trimEnd();
  return `${json.replace(list, (_, items: string) => `[${items.replace(/\s+/g, ' ')}]`)}\n`;
}

for (const file of await readdir(embeddedBases)) {
  if (!file.endsWith('.json')) continue;
  const changed = await refresh(join(embeddedBases, file), embeddedBases);
  console.log(`${file}: ${changed ? 'updated' : 'up to date'}`);
}
