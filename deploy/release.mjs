/** `npm run release`: packs the built package together with the lock file, so that it is installed as it was tested. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';

// npm packs a lock file under this name only, and `npm ci` reads it; in the repository it would hide the other one.
const packed = 'npm-shrinkwrap.json';
copyFileSync('package-lock.json', packed);
try {
  process.exitCode = spawnSync('npm', ['pack', ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(packed);
}
