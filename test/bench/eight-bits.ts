/** The embedded base in 8 bits, made from drawn parts: for benchmarks that compare it, or use what a site would. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Base, openBase } from '../../models/base.ts';

/** Makes the variant where the storage has none yet (about half a minute). */
export async function eightBitBase(storage: string, base: string): Promise<Base> {
  const open = () => openBase({ base, precision: 'int8', storageDirectory: storage });
  const there = await open().catch(() => undefined);
  if (there) return there;
  // In a process of its own: what the runtime keeps mapped would be shared with those that are measured.
  const script = fileURLToPath(new URL('./make-eight-bits.js', import.meta.url));
  await promisify(execFile)(process.execPath, [script, base, storage]);
  return open();
}
