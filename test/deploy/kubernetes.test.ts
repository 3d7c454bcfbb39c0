import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { packageRoot } from '../../config/package.ts';
import { configSchema } from '../../config/schema.ts';

const folder = join(packageRoot, 'deploy/kubernetes');
const missing =
  spawnSync('kubectl', ['kustomize', '--help']).status === 0 ? undefined : 'kubectl is not installed here';
if (missing) console.info(`skipped: ${missing}`);

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: used only after validation by its schema
  readonly spec: any;
  readonly data?: Readonly<Record<string, string>>;
}

/** Validates against the OpenAPI schema of the API, like kubeconform. Throws if it does not match. */
async function validate(manifest: Manifest): Promise<void> {
  const { apiVersion, kind } = manifest;
  const models = apiVersion.startsWith('monitoring.coreos.com/')
    ? '@kubernetes-models/prometheus-operator'
    : 'kubernetes-models';
  const { [kind]: Model } = await import(`${models}/${apiVersion}/${kind}`);
  new Model(manifest).validate();
}

describe.skipIf(missing !== undefined)('the manifests of a fleet', () => {
  let fleet: Manifest[];
  const of = (kind: string) => fleet.filter((manifest) => manifest.kind === kind);
  beforeAll(() => {
    const built = spawnSync('kubectl', ['kustomize', join(folder, 'fleet')], { encoding: 'utf8' });
    expect(built.stderr).toBe('');
    fleet = parseAllDocuments(built.stdout).map((document) => document.toJS() as Manifest);
  });

  it('each agrees with the schema of its kind, and a mistake would be found', async () => {
    expect(fleet.length).toBeGreaterThan(12);
    for (const manifest of fleet) await validate(manifest);
    const [set] = of('StatefulSet');
    const wrong = structuredClone(set!);
    wrong.spec.template.spec.containers[0].livenessProbe.periodSeconds = 'often';
    await expect(validate(wrong)).rejects.toThrow('periodSeconds must be integer');
  });

  it('each station has its own agent, volume, configuration and secret', () => {
    const sets = of('StatefulSet');
    expect(sets.map(({ metadata }) => metadata.name)).toEqual(['qc-agent-press-3', 'qc-agent-press-4']);
    for (const { metadata, spec } of sets) {
      expect(metadata.namespace).toBe('qc');
      expect(spec.replicas).toBe(1);
      expect(spec.serviceName).toBe(metadata.name);
      const pod = spec.template.spec;
      const station = spec.template.metadata.labels['qc-station'];
      expect(spec.selector.matchLabels['qc-station']).toBe(station);
      expect(pod.nodeSelector).toEqual({ 'qc-station': station });
      const volume = (name: string) => pod.volumes.find((one: { name: string }) => one.name === name);
      expect(volume('secrets').secret.secretName).toBe(`agent-secrets-${station}`);
      const config = of('ConfigMap').find((map) => map.metadata.name === volume('config').configMap.name);
      const settings = configSchema.parse(parse(config!.data!['agent.yaml']!));
      expect(settings.station).toBe(station);
      expect(spec.volumeClaimTemplates).toHaveLength(1);
    }
    expect(sets[1]!.spec.template.spec.runtimeClassName).toBe('nvidia');
    expect(sets[1]!.spec.template.spec.containers[0].image).toMatch(/-cuda$/);
  });

  it('an offline camera makes a pod not ready, and never restarts it', () => {
    for (const { spec } of of('StatefulSet')) {
      const [agent] = spec.template.spec.containers;
      expect(agent.readinessProbe.httpGet.path).toBe('/readyz');
      expect(agent.livenessProbe.httpGet.path).toBe('/healthz');
      expect(agent.startupProbe.httpGet.path).toBe('/healthz');
      expect(spec.template.spec.enableServiceLinks).toBe(false);
    }
    // Page and metrics remain reachable.
    for (const { spec } of of('Service')) expect(spec.publishNotReadyAddresses).toBe(true);
  });

  it('pods satisfy the restricted Pod Security Standard, which the namespace enforces', () => {
    for (const { spec } of of('StatefulSet')) {
      const pod = spec.template.spec;
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(pod.containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(pod.containers[0].resources.limits.memory).toBeDefined();
      expect(pod.hostNetwork ?? pod.hostPID ?? pod.hostIPC).toBeUndefined();
    }
    expect(of('NetworkPolicy')).toHaveLength(2);
    for (const { spec } of of('NetworkPolicy')) expect(spec.policyTypes).toEqual(['Ingress', 'Egress']);
  });

  it('Prometheus finds the pods by the port and label they have', () => {
    const [monitor] = of('PodMonitor');
    const labels = of('StatefulSet')[0]!.spec.template.metadata.labels;
    expect(labels).toMatchObject(monitor!.spec.selector.matchLabels);
    const ports = of('StatefulSet')[0]!.spec.template.spec.containers[0].ports;
    expect(ports.map(({ name }: { name: string }) => name)).toContain(
      monitor!.spec.podMetricsEndpoints[0].port,
    );
  });
});

it('every file of the manifests belongs to a kustomization', () => {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'kustomization.yaml') continue;
    expect(readFileSync(join(entry.parentPath, 'kustomization.yaml'), 'utf8')).toContain(entry.name);
  }
});
