/** A tokens file with a holder of each role. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Role, roles } from '../../agent/http/roles.ts';
import { createToken } from '../../agent/http/tokens.ts';

export interface TokenRig extends Disposable {
  readonly file: string;
  /** Token of each role. */
  readonly token: Readonly<Record<Role, string>>;
  readonly line: Readonly<Record<Role, string>>;
  /** Headers of a program with the token of a role. */
  bearer(role: Role): Record<string, string>;
  /** Replaces the lines of the tokens file. */
  write(...lines: string[]): void;
}

export const names: Readonly<Record<Role, string>> = { viewer: 'wall', operator: 'anna', engineer: 'kim' };

export function makeTokens(): TokenRig {
  const folder = mkdtempSync(join(tmpdir(), 'qc-tokens-'));
  const file = join(folder, 'tokens');
  const made = roles.map((role) => [role, createToken(names[role], role)] as const);
  const pick = (key: 'token' | 'line') =>
    Object.fromEntries(made.map(([role, one]) => [role, one[key]])) as Record<Role, string>;
  const rig: TokenRig = {
    file,
    token: pick('token'),
    line: pick('line'),
    bearer: (role) => ({ authorization: `Bearer ${rig.token[role]}` }),
    write: (...lines) => writeFileSync(file, `# made by a test\n${lines.join('\n')}\n`),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
  rig.write(...Object.values(rig.line));
  return rig;
}
