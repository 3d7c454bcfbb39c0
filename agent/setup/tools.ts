/** The checks of the guide: with the code of `qc-agent doctor`, so what works here works in the agent. */
import { dirname } from 'node:path';
import sharp from 'sharp';
import { cameraSchema } from '../../config/camera-schema.ts';
import { check } from '../../config/check.ts';
import { mqttSchema } from '../../config/mqtt-schema.ts';
import { ConfigError } from '../../config/problems.ts';
import { resolveCamera, resolveMqtt, type Scope } from '../../config/resolve.ts';
import type { Config } from '../../config/schema.ts';
import type { Image } from '../../models/image.ts';
import { checkBroker } from '../doctor/broker.ts';
import { checkCamera } from '../doctor/camera.ts';
import { type Finding, failureOf } from '../doctor/finding.ts';
import type {
  BrokerRequest,
  CameraRequest,
  SearchAnswer,
  SetupTools,
  SetupView,
} from '../http/setup-tools.ts';
import { discover } from './discovery.ts';
import { foldersWithImages, genicamCameras, videoDevices } from './local.ts';
import { readStreams } from './onvif.ts';

export interface SetupDeps {
  readonly view: SetupView;
  /** The valid sections of the configuration as it is now. */
  readonly known: () => {
    readonly station: string;
    readonly cameras: Config['cameras'];
    readonly mqtt?: Config['mqtt'];
  };
  /** Whether an agent uses the topics of the broker at the same time. */
  readonly isRunning: boolean;
  readonly finish: () => Promise<void>;
  readonly start: () => void;
}

/** Pixels of the shorter side of the image that is shown. */
const shownSide = 720;

export function createSetupTools(deps: SetupDeps): SetupTools {
  let shown: Buffer | undefined;
  return {
    view: deps.view,
    search: (signal) => search(dirname(deps.view.file), signal),
    streams: readStreams,
    async camera(request, signal) {
      shown = undefined;
      let image: Image | undefined;
      const findings = await attempt('camera', async () =>
        checkCamera('', cameraOf(request, deps), {
          side: undefined,
          signal,
          onImage: (newest) => {
            image = newest;
          },
        }),
      );
      if (image) shown = await jpegOf(image);
      return { findings, hasImage: shown !== undefined };
    },
    async broker(request, signal) {
      const findings = await attempt('broker', async () => {
        const { station, cameras, mqtt } = deps.known();
        const own = brokerOf(request, station, mqtt, deps.view.file);
        // A running agent reports refused topics itself; its topics are not used twice.
        return checkBroker({ mqtt: own, cameras }, deps.isRunning ? { refused: '' } : undefined, signal);
      });
      return { findings };
    },
    image: () => shown,
    finish: deps.finish,
    start: deps.start,
  };
}

async function search(directory: string, signal: AbortSignal): Promise<SearchAnswer> {
  const [onvif, folders, video, genicam] = await Promise.all([
    discover({ signal }),
    foldersWithImages(directory),
    videoDevices(),
    genicamCameras(signal),
  ]);
  const cameras = onvif.devices.map(({ name, address }) => ({
    kind: 'onvif' as const,
    name,
    address,
    url: null,
    note: '',
  }));
  const notes = onvif.faults.map((fault) => `the network could not be searched: ${fault}`);
  if (genicam === undefined)
    notes.push('GenICam cameras were not searched: Aravis (arv-tool-0.8) is not installed');
  return { cameras: [...cameras, ...(genicam ?? []), ...video, ...folders], notes };
}

async function attempt(what: string, work: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await work();
  } catch (error) {
    return [failureOf(what, error)];
  }
}

/** Collects problems of a section; throws them. */
function resolving<T>(file: string, resolve: (scope: Scope) => T): T {
  const problems: ConfigError['problems'][number][] = [];
  const resolved = resolve({
    file,
    problem: (path, what, remedy) => problems.push({ where: '', key: path.join('.'), what, remedy }),
    warn: () => undefined,
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return resolved;
}

function parsed<T>(key: string, found: ReturnType<typeof check>): T {
  if (found.success) return found.data as T;
  const issue = found.error.issues[0];
  const at = [key, ...(issue?.path ?? [])].join('.');
  throw new ConfigError([
    { where: '', key: at, what: issue?.message ?? 'is not valid', remedy: 'correct it' },
  ]);
}

/** A stored password is sent only to the address that it belongs to. */
function cameraOf({ url, password, stored }: CameraRequest, { known, view }: SetupDeps) {
  const camera = parsed<Config['cameras'][string]>(
    'url',
    check(cameraSchema, { url, shorterSide: shownSide }),
  );
  const resolved = resolving(view.file, (scope) => resolveCamera(camera, 'camera', scope));
  const before = stored === undefined ? undefined : known().cameras[stored];
  const own = password || (before?.url === resolved.url ? before.password : undefined);
  return { ...resolved, ...(own && { password: own }) };
}

function brokerOf(
  { url, username, password }: BrokerRequest,
  station: string,
  before: Config['mqtt'] | undefined,
  file: string,
): Config['mqtt'] {
  const isSame = before?.url === url;
  const { passwordFile: _, password: stored, ...kept } = before ?? {};
  const own = password || (isSame && before?.username === username ? stored : undefined);
  const section = {
    ...(isSame ? kept : { topic: before?.topic }),
    url,
    username: username || undefined,
    ...(own && { password: own }),
  };
  const mqtt = parsed<Parameters<typeof resolveMqtt>[0]>('mqtt', check(mqttSchema, section));
  return resolving(file, (scope) => resolveMqtt(mqtt, station, scope));
}

const jpegOf = ({ width, height, data }: Image) =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
