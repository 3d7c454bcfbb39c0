import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import mqtt from 'mqtt';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '../../config/package.ts';
import { configSchema } from '../../config/schema.ts';
import { tempFolder } from '../models/temp-folder.ts';
import { makeCertificates } from '../rigs/certificates.ts';
import { freePort } from '../rigs/free-port.ts';
import { accepts, mosquittoMissing } from '../rigs/mosquitto.ts';
import { until } from '../rigs/until.ts';

const folder = join(packageRoot, 'deploy/compose');
const read = (name: string) =>
  parse(readFileSync(join(folder, name), 'utf8'), { merge: true, logLevel: 'error' });
const files = ['compose.yaml', 'compose.gpu.yaml', 'compose.jetson.yaml', 'compose.tls.yaml'];

interface Service {
  readonly image?: string;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly build?: { readonly context?: string; readonly dockerfile?: string; readonly target?: string };
}

describe('the compose files', () => {
  const main = read('compose.yaml');
  const services = Object.entries(main.services as Record<string, Service>);

  it.each(files)('%s agrees with the compose specification', (name) => {
    // The schema of the specification, included in dclint.
    const schema = JSON.parse(
      readFileSync(join(packageRoot, 'node_modules/dclint/schemas/compose.schema.json'), 'utf8'),
    );
    delete schema.$schema;
    const check = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    check(read(name));
    expect(check.errors).toBeNull();
    expect(check({ services: { agent: { imag: 'x' } } })).toBe(false);
  });

  it('every image is pinned, every mounted file exists, every secret, volume and network is declared', () => {
    for (const [name, service] of services) {
      expect(service.image, name).toMatch(/:v?\d+\.\d+\.\d+$/);
      for (const volume of service.volumes ?? []) {
        const [from = ''] = volume.split(':');
        if (from.startsWith('.')) expect(existsSync(join(folder, from)), `${name}: ${from}`).toBe(true);
        else expect(main.volumes, name).toHaveProperty(from);
      }
      for (const secret of service.secrets ?? []) expect(main.secrets, name).toHaveProperty(secret);
      for (const network of service.networks ?? []) expect(main.networks, name).toHaveProperty(network);
      // No port is published on the plant's network by default.
      for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:/);
    }
  });

  it('every built image is a stage of a Dockerfile', () => {
    for (const name of files) {
      const build = { ...main.services.agent.build, ...read(name).services.agent?.build };
      const file = resolve(folder, build.context, build.dockerfile);
      const text = readFileSync(file, 'utf8');
      if (!build.dockerfile.endsWith('.jetson'))
        expect(text).toMatch(new RegExp(`^FROM \\S+ AS ${build.target}$`, 'm'));
    }
  });

  it('the agent finds its secrets and its broker there', () => {
    const config = configSchema.parse(parse(readFileSync(join(folder, 'agent.yaml'), 'utf8')));
    const secret = (path: string | undefined) => path?.replace('/run/secrets/', '');
    const { agent } = main.services;
    expect(agent.secrets).toContain(secret(config.cameras.top!.passwordFile));
    expect(agent.secrets).toContain(secret(config.mqtt.passwordFile));
    expect(agent.secrets).toContain(secret(config.http.tokensFile));
    expect(main.services).toHaveProperty(new URL(config.mqtt.url).hostname);
  });

  it('Prometheus accepts its configuration', async (ctx) => {
    if (spawnSync('promtool', ['--version']).status !== 0) return ctx.skip('promtool is not installed here');
    await using scratch = await tempFolder();
    await writeFile(join(scratch.path, 'token'), 'x');
    const text = (await readFile(join(folder, 'prometheus.yml'), 'utf8'))
      .replace('/etc/prometheus/rules', join(packageRoot, 'deploy/prometheus'))
      .replace('/run/secrets/metrics-token', join(scratch.path, 'token'));
    await writeFile(join(scratch.path, 'prometheus.yml'), text);
    const said = spawnSync('promtool', ['check', 'config', join(scratch.path, 'prometheus.yml')], {
      encoding: 'utf8',
    });
    expect(said.status, said.stderr + said.stdout).toBe(0);
  });
});

describe.skipIf(mosquittoMissing !== undefined)('the broker, as configured', () => {
  /** Runs mosquitto with a shipped file; only paths and ports are changed for this machine. */
  async function openBroker(scratch: string, name: string) {
    const ports = { health: await freePort(), plant: await freePort() };
    const secrets = join(scratch, 'secrets');
    await mkdir(secrets);
    const certificates = makeCertificates(scratch);
    for (const [part, to] of [
      ['ca', 'broker-ca'],
      ['cert', 'broker-cert'],
      ['key', 'broker-key'],
    ] as const) {
      await writeFile(join(secrets, to), await readFile(certificates[part]), { mode: 0o644 });
    }
    await writeFile(join(secrets, 'broker-passwords'), '', { mode: 0o600 });
    for (const user of ['press-3', 'plc', 'scada']) {
      execFileSync('mosquitto_passwd', ['-b', join(secrets, 'broker-passwords'), user, `secret of ${user}`]);
    }
    await mkdir(join(scratch, 'data'));
    const text = (await readFile(join(folder, 'mosquitto', name), 'utf8'))
      .replaceAll('/run/secrets', secrets)
      .replaceAll('/mosquitto/config', join(folder, 'mosquitto'))
      .replaceAll('/mosquitto/data', join(scratch, 'data'))
      .replace('listener 1880', `listener ${ports.health}`)
      .replace(/listener (1883|8883)/, `listener ${ports.plant} 127.0.0.1`);
    const file = join(scratch, 'mosquitto.conf');
    await writeFile(file, `${text}\nuser root\n`);
    await chmod(scratch, 0o755);
    const child = spawn('mosquitto', ['-c', file], { env: { PATH: `${process.env.PATH}:/usr/sbin` } });
    let log = '';
    child.stderr.on('data', (chunk) => {
      log += chunk;
    });
    const exited = once(child, 'exit');
    await until(async () => child.exitCode !== null || (await accepts(ports.plant)), {
      what: 'mosquitto to listen',
    });
    expect(child.exitCode, log).toBeNull();
    return {
      ...ports,
      ca: certificates.ca,
      async [Symbol.asyncDispose]() {
        child.kill();
        await exited;
      },
    };
  }
  const connect = (url: string, options: mqtt.IClientOptions) =>
    mqtt.connectAsync(url, { ...options, reconnectPeriod: 0, connectTimeout: 5_000 }, false);

  it('requires a password, lets an agent write only its own topics, and a PLC send commands to it', async () => {
    await using scratch = await tempFolder();
    await using broker = await openBroker(scratch.path, 'mosquitto.conf');
    const url = `mqtt://127.0.0.1:${broker.plant}`;
    await expect(connect(url, {})).rejects.toThrow(/[Nn]ot authorized/);
    await expect(connect(url, { username: 'press-3', password: 'guess' })).rejects.toThrow(
      /[Nn]ot authorized/,
    );

    const heard: string[] = [];
    const users = await Promise.all(
      ['press-3', 'plc', 'scada'].map((username) =>
        connect(url, { username, password: `secret of ${username}` }),
      ),
    );
    const [agent, plc, scada] = users as [mqtt.MqttClient, mqtt.MqttClient, mqtt.MqttClient];
    try {
      for (const [who, client, topic] of [
        ['agent', agent, 'qc/press-3/command/+'],
        ['scada', scada, 'qc/#'],
      ] as const) {
        client.on('message', (name, payload) => heard.push(`${who} ${name} ${payload}`));
        await client.subscribeAsync(topic, { qos: 1 });
      }
      await agent.publishAsync('qc/press-4/top/result', 'forged', { qos: 1 });
      await scada.publishAsync('qc/press-3/command/mode', 'forged', { qos: 1 });
      await agent.publishAsync('qc/press-3/top/result', 'own', { qos: 1 });
      await plc.publishAsync('qc/press-3/command/trigger', 'now', { qos: 1 });
      await until(() => heard.length >= 3, { what: 'the permitted messages' });
      expect(heard.sort()).toEqual([
        'agent qc/press-3/command/trigger now',
        'scada qc/press-3/command/trigger now',
        'scada qc/press-3/top/result own',
      ]);
    } finally {
      for (const client of users) await client.endAsync(true);
    }
    const health = await connect(`mqtt://127.0.0.1:${broker.health}`, {});
    await health.endAsync(true);
  });

  it('uses TLS if it is configured', async () => {
    await using scratch = await tempFolder();
    await using broker = await openBroker(scratch.path, 'mosquitto-tls.conf');
    const login = { username: 'press-3', password: 'secret of press-3' };
    await expect(connect(`mqtt://127.0.0.1:${broker.plant}`, login)).rejects.toThrow();
    const client = await connect(`mqtts://127.0.0.1:${broker.plant}`, {
      ...login,
      ca: await readFile(broker.ca),
    });
    await client.endAsync(true);
  });
});
