/** What `qc-agent models …` says and does; the command line wires it. */
import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { openBase } from '../../models/base.ts';
import { requireHeadGraph, requireSameBase } from '../../models/head.ts';
import type { HeadManifest } from '../../models/manifest.ts';
import { fastestOf } from '../../models/run/fastest.ts';
import { recordDecision, requireAllowed } from '../../models/versions/decisions.ts';
import { exportBase, exportModel } from '../../models/versions/export.ts';
import { type HeadVersion, type ListedVersion, openStore, type Store } from '../../models/versions/store.ts';

type ModelsConfig = Pick<Config, 'model' | 'storage' | 'mqtt'>;

/** For a person, and for a script. */
export interface CommandAnswer {
  readonly text: string;
  readonly json: unknown;
}

/** Every version, oldest first, a line each. */
export async function modelsListCommand(config: ModelsConfig): Promise<CommandAnswer> {
  const { directory } = config.storage;
  const versions = await (await openStore(directory)).list();
  if (versions.length === 0) {
    const text = `no version in ${join(directory, 'models')} yet: every part is uncertain until a head is trained`;
    return { text, json: [] };
  }
  return { text: versions.map(listLine).join('\n'), json: versions };
}

/** @throws QcError version-unknown, head-damaged */
export async function modelsShowCommand(config: ModelsConfig, version: string): Promise<CommandAnswer> {
  const store = await openStore(config.storage.directory);
  const { manifest } = await store.read(version);
  const active = (await store.active()) === version;
  const judges = await variantOf(config);
  const text = [
    details(manifest, active),
    `On the CPU it judges with ${judges.precision}: ${judges.because}`,
  ].join('\n');
  return { text, json: { version, active, manifest, ...judges } };
}

/** Which variant of the base a start would take now, and why. */
async function variantOf({ model, storage }: ModelsConfig) {
  try {
    const request = { ...model, storageDirectory: storage.directory };
    const { base, because } = await fastestOf(request, await openBase(request));
    return { precision: base.manifest.precision, because };
  } catch (error) {
    return { precision: 'nothing', because: (error as Error).message };
  }
}

/**
 * @param override why an engineer wants a version that its gate refuses
 * @throws QcError version-unknown, head-damaged, head-base-mismatch, model-…, gate-refused; then the present one stays
 */
export async function modelsPromoteCommand(
  config: ModelsConfig,
  version: string,
  { by, override }: { readonly by: string; readonly override?: string | undefined },
): Promise<CommandAnswer> {
  const store = await openStore(config.storage.directory);
  const before = await store.active().catch(() => undefined);
  if (before === version) {
    return { text: `${version} is active already`, json: { active: version, before } };
  }
  const { manifest } = await requireUsable(store, version, config);
  if (override === undefined) {
    requireAllowed(manifest, before, await store.history().catch((): string[] => []));
  }
  await store.promote(version);
  const action = override === undefined ? 'promote' : 'override';
  await recordDecision(config.storage.directory, {
    by,
    version,
    action,
    ...(override && { reason: override }),
  });
  return changed(config, version, before, { action: 'promote', version });
}

/** @throws QcError version-unknown where there is none before, and what promoting throws */
export async function modelsRollbackCommand(
  config: ModelsConfig,
  { by }: { readonly by: string },
): Promise<CommandAnswer> {
  const store = await openStore(config.storage.directory);
  const before = await store.active();
  const [previous] = await store.history();
  if (previous !== undefined) await requireUsable(store, previous, config);
  const version = await store.rollback();
  await recordDecision(config.storage.directory, { by, version, action: 'rollback' });
  return changed(config, version, before, { action: 'rollback' });
}

/** Refuses what the next start would refuse. */
async function requireUsable(
  store: Store,
  version: string,
  { model, storage }: ModelsConfig,
): Promise<HeadVersion> {
  const head = await store.read(version);
  const { base: name, precision } = model;
  const base = await openBase({ base: name, precision, storageDirectory: storage.directory });
  requireSameBase(head.manifest, base.manifest);
  requireHeadGraph(head.model, head.manifest, base.manifest.features.size);
  return head;
}

/** An agent that runs keeps its head in memory; only a command changes it there. */
function changed(
  { mqtt }: ModelsConfig,
  active: string,
  before: string | undefined,
  command: { readonly action: string; readonly version?: string },
): CommandAnswer {
  const lines = [
    `${active} is active now${before === undefined ? '' : `, ${before} was before`}`,
    'An agent that is running goes on with its head until its next start. To change it at once, send instead:',
    `  topic    ${mqtt.topic}/command/model`,
    `  payload  ${JSON.stringify(command)}`,
  ];
  return { text: lines.join('\n'), json: { active, before: before ?? null } };
}

function listLine(listed: ListedVersion): string {
  const mark = listed.active ? '*' : ' ';
  const said = 'damage' in listed ? `DAMAGED: ${listed.damage}` : summary(listed.manifest);
  return `${mark} ${listed.version.padEnd(13)}  ${said}`;
}

const summary = ({ createdAt, base, labels }: HeadManifest) =>
  `${createdAt.slice(0, 16).replace('T', ' ')}  ${base.name}  ${labels.join(', ')}`;

function details(manifest: HeadManifest, active: boolean): string {
  const { version, createdAt, base, labels, thresholds, training } = manifest;
  const { pass, fail, failByLabel = {} } = thresholds ?? {};
  const own = Object.entries(failByLabel).map(([label, value]) => `, ${label} ${value}`);
  const rows: [string, string][] = [
    ['version', active ? `${version} (active)` : version],
    ['made', createdAt],
    ['base', `${base.name} (${base.sha256.slice(0, 12)}…), tensor ${base.features}`],
    ['labels', labels.join(', ')],
    ['thresholds', thresholds ? `pass ${pass}, fail ${fail}${own.join('')}` : 'those of the configuration'],
    ...Object.entries(training).map(([key, value]): [string, string] => [
      key,
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${value}`).join('\n');
}

/** Base and head of a version as one ONNX file. @throws QcError what `exportModel` throws */
export async function modelsExportCommand(
  { model, storage }: ModelsConfig,
  version: string,
  file: string,
): Promise<CommandAnswer> {
  const exported = await exportModel(model, storage.directory, version, file);
  const { labels, bytes } = exported;
  return {
    text: [
      `${version} with its base written to ${file}: ${(bytes / 1e6).toFixed(1)} MB of plain ONNX`,
      `outputs: probabilities of ${labels.join(', ')}, in this order; how a picture is prepared is in its metadata ("input")`,
    ].join('\n'),
    json: { file, ...exported },
  };
}

/** The base for an inference server. @throws QcError what `exportBase` throws */
export async function modelsExportBaseCommand(
  { model, storage }: ModelsConfig,
  file: string,
): Promise<CommandAnswer> {
  const exported = await exportBase(model, storage.directory, file);
  const { base, input, output, size, bytes } = exported;
  return {
    text: [
      `${base} written to ${file}: ${(bytes / 1e6).toFixed(1)} MB of plain ONNX`,
      `input ${input}: prepared pixels; output ${output}: ${size} features a picture; docs/remote.md says how a server runs it`,
    ].join('\n'),
    json: { file, ...exported },
  };
}
