/** Whether this processor multiplies 8-bit numbers safely at full speed. */
import { readFileSync } from 'node:fs';
import { arch } from 'node:process';

/**
 * x86 without VNNI adds products of unsigned and signed bytes in 16 bits, where they overflow: onnxruntime then has to convert
 * weights (`session.x64quantprecision`), which takes twice as long and is asked for only there.
 */
export function bytesOverflow(): boolean {
  if (arch !== 'x64') return false;
  try {
    return !/\bavx(512)?_vnni\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return true;
  }
}
