/** Appends lines to a file whose last line may be incomplete. */
import { open, stat, truncate } from 'node:fs/promises';

/**
 * @param size the file up to its last whole line; half a line after it is removed
 * @throws file system errors; then nothing was added
 */
export async function appendText(file: string, text: string, size: number): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found && found.size > size) await truncate(file, size);
  const handle = await open(file, 'a', 0o640);
  try {
    await handle.appendFile(text);
  } catch (error) {
    // Half a line would swallow the next one.
    await handle.truncate(size).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
}
