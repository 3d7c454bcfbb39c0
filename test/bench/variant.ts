/** The embedded base in 8 bits or half precision, made from drawn parts: for benchmarks that compare it, or use what a site would. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Base, openBase } from '../../models/base.ts';

/** Makes the variant where the storage has none yet (8 bits: about half a minute). */
export async function variantOf(base: string, precision: 'int8' | 'fp16', storage: string): Promise<Base> {
  const open = () => openBase({ base, precision, storageDirectory: storage });
  const there = await open().catch(() => undefined);
  if (there) return there;
  // In a process of its own: what the runtime keeps mapped would be shared with those that are measured.
  const script = fileURLToPath(new URL('./make-variant.js', import.meta.url));
  await promisify(execFile)(process.execPath, [script, base, precision, storage]);
  return open();
}
