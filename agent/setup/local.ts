/** Sources of images on this machine: folders with images, video devices, and GenICam cameras if Aravis is installed. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../../config/child-environment.ts';
import type { FoundCamera } from '../http/setup-tools.ts';

const run = promisify(execFile);
const image = /\.(png|jpe?g|bmp)$/i;
const maxFolders = 200;
const timeoutMs = 5_000;

/** The folder of the configuration and those directly in it, if they contain images. */
export async function foldersWithImages(directory: string): Promise<FoundCamera[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const below = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const folders = [directory, ...below.slice(0, maxFolders).map(({ name }) => join(directory, name))];
  const found = await Promise.all(
    folders.map(async (folder): Promise<FoundCamera[]> => {
      const names = await readdir(folder).catch((): string[] => []);
      const count = names.filter((name) => image.test(name)).length;
      if (count === 0) return [];
      const note = `${count} image${count === 1 ? '' : 's'} instead of a camera, to try the agent`;
      return [{ kind: 'folder', name: basename(folder), address: folder, url: `file:${folder}`, note }];
    }),
  );
  return found.flat();
}

/** Video4Linux devices: the agent reads them only through an RTSP server. */
export async function videoDevices(folder = '/dev'): Promise<FoundCamera[]> {
  const names = (await readdir(folder).catch((): string[] => [])).filter((name) => /^video\d+$/.test(name));
  const note =
    'the agent reads RTSP: serve this device with an RTSP server on this machine (MediaMTX, GStreamer), and enter its address';
  return names.sort().map((name) => ({
    kind: 'video' as const,
    name,
    address: join(folder, name),
    url: null,
    note,
  }));
}

/** GenICam cameras (GigE Vision, USB3 Vision) that Aravis finds. Undefined if it is not installed. */
export async function genicamCameras(
  signal: AbortSignal,
  command = 'arv-tool-0.8',
): Promise<FoundCamera[] | undefined> {
  try {
    const { stdout } = await run(command, [], { timeout: timeoutMs, signal, env: childEnvironment() });
    const note =
      'the agent reads RTSP: serve this camera with an RTSP server on this machine (GStreamer with aravissrc), and enter its address';
    return stdout
      .split('\n')
      .map((line) => /^(\S.*?) \((.+)\)\s*$/.exec(line))
      .flatMap((match) =>
        match ? [{ kind: 'genicam' as const, name: match[1]!, address: match[2]!, url: null, note }] : [],
      );
  } catch (error) {
    signal.throwIfAborted();
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : [];
  }
}
