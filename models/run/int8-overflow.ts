/** Whether 8-bit multiplication can overflow on this processor. */
import { readFileSync } from 'node:fs';
import { arch } from 'node:process';

/**
 * x86 without VNNI adds products of unsigned and signed bytes in 16 bits, which can overflow. onnxruntime must then convert
 * weights (`session.x64quantprecision`), which takes twice as long and is therefore enabled only on these processors.
 */
export function bytesOverflow(): boolean {
  if (arch !== 'x64') return false;
  try {
    return !/\bavx(512)?_vnni\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return true;
  }
}
