/** Eclipse Mosquitto as packaged by Debian. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from './certificates.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const binary = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'].find(
  existsSync,
);

/** The reason why mosquitto cannot run on this machine; undefined if it can. */
export const mosquittoMissing = binary === undefined ? 'mosquitto is not installed here' : undefined;

export interface MosquittoOptions {
  readonly port?: number;
  readonly users?: Readonly<Record<string, string>>;
  /** Serves mqtts with a certificate for 127.0.0.1; `client` also requires a client certificate. */
  readonly tls?: 'server' | 'client';
  /** Its certificates; `ca` signed those of the clients. */
  readonly certificates?: Certificates;
  /** Lines of mosquitto.acl(5). */
  readonly acl?: readonly string[];
  /** Maximum packet size, bytes. */
  readonly maxPacketSize?: number;
  /** Folder for sessions and their messages, written after every change; default: none. */
  readonly persistence?: string;
}

/** A broker under control of a test. */
export interface Broker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Ends immediately with all connections, as in a crash. */
  kill(): Promise<void>;
}

export interface Mosquitto extends Broker {
  readonly certificates: Certificates | undefined;
}

export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  if (!binary) throw new Error(mosquittoMissing);
  const folder = await mkdtemp(join(tmpdir(), 'qc-mosquitto-'));
  const port = options.port ?? (await freePort());
  const certificates = options.tls && (options.certificates ?? makeCertificates(folder));
  const lines = [`listener ${port} 127.0.0.1`, 'user root'];
  if (options.persistence === undefined) lines.push('persistence false');
  else {
    lines.push(
      'persistence true',
      `persistence_location ${options.persistence}/`,
      'autosave_on_changes true',
      'autosave_interval 1',
      // Otherwise it drops messages for a slow subscriber.
      'max_inflight_messages 0',
      'max_queued_messages 0',
    );
  }
  if (options.users) {
    const passwords = join(folder, 'passwords');
    await writeFile(passwords, '', { mode: 0o600 });
    for (const [user, password] of Object.entries(options.users)) {
      execFileSync('mosquitto_passwd', ['-b', passwords, user, password]);
    }
    lines.push('allow_anonymous false', `password_file ${passwords}`);
  } else {
    lines.push('allow_anonymous true');
  }
  if (options.maxPacketSize !== undefined) lines.push(`max_packet_size ${options.maxPacketSize}`);
  if (options.acl) {
    const acl = join(folder, 'acl');
    await writeFile(acl, `${options.acl.join('\n')}\n`, { mode: 0o600 });
    lines.push(`acl_file ${acl}`);
  }
  if (certificates) {
    lines.push(
      `cafile ${certificates.ca}`,
      `certfile ${certificates.cert}`,
      `keyfile ${certificates.key}`,
      `require_certificate ${options.tls === 'client'}`,
    );
  }
  const config = join(folder, 'mosquitto.conf');
  await writeFile(config, `${lines.join('\n')}\n`);

  const child = spawn(binary, ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-4_000);
  });
  let running = true;
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      running = false;
      resolve();
    });
  });
  const stop = async (signal: NodeJS.Signals) => {
    if (running) child.kill(signal);
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(
      async () => {
        if (!running) throw new Error(`mosquitto ended: ${said}`);
        return accepts(port);
      },
      { what: 'mosquitto to listen' },
    );
  } catch (error) {
    await stop('SIGKILL');
    throw error;
  }
  return {
    url: `${options.tls ? 'mqtts' : 'mqtt'}://127.0.0.1:${port}`,
    port,
    certificates,
    kill: () => stop('SIGKILL'),
    [Symbol.asyncDispose]: () => stop('SIGTERM'),
  };
}

/** Whether a server listens on the port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
