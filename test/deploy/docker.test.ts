import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Dockerfile, DockerfileParser, type From, type Instruction } from 'dockerfile-ast';
import { ValidationSeverity, validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { packageRoot, version } from '../../config/package.ts';

const files = ['Dockerfile', 'Dockerfile.jetson'];
const read = (name: string) => readFileSync(join(packageRoot, 'deploy/docker', name), 'utf8');
const at = (instruction: Instruction) =>
  `line ${instruction.getRange().start.line + 1}: ${instruction.toString()}`;

/** The instructions of each stage, its FROM first. */
function stagesOf(dockerfile: Dockerfile): { readonly from: From; readonly steps: Instruction[] }[] {
  const stages: { from: From; steps: Instruction[] }[] = [];
  for (const instruction of dockerfile.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') stages.push({ from: instruction as From, steps: [] });
    else stages.at(-1)?.steps.push(instruction);
  }
  return stages;
}

/** Relevant rules of hadolint, by number; DL3008 (versions of apt packages) is omitted intentionally. */
function mistakes(text: string): string[] {
  const found: string[] = [];
  const stages = stagesOf(DockerfileParser.parse(text));
  const names = stages.map(({ from }) => from.getBuildStage());
  const rule = (id: string, wrong: boolean, instruction: Instruction) => {
    if (wrong) found.push(`${id} ${at(instruction)}`);
  };
  for (const { from, steps } of stages) {
    const image = from.getImage() ?? '';
    const isStage = names.includes(image);
    rule('DL3006', !isStage && !/[:@]/.test(image.split('/').at(-1)!), from);
    rule('DL3007', image.endsWith(':latest'), from);
    const hasPipefail = steps.some(
      (step) => step.getKeyword() === 'SHELL' && step.toString().includes('pipefail'),
    );
    for (const step of steps) {
      const [keyword, args] = [step.getKeyword(), step.getArgumentsContent() ?? ''];
      if (keyword === 'RUN') {
        rule('DL3009', /apt-get install/.test(args) && !args.includes('/var/lib/apt/lists'), step);
        rule('DL3015', /apt-get install/.test(args) && !args.includes('--no-install-recommends'), step);
        rule(
          'DL3013',
          /pip3? install/.test(args) && /install(?: --\S+)* .*(?<![=\d.])(?: [a-z]+)(?= |$)/.test(args),
          step,
        );
        rule('DL3003', /(^|&&|;)\s*cd /.test(args), step);
        rule('DL3004', /\bsudo\b/.test(args), step);
        rule('DL4006', /[^|]\|[^|]/.test(args) && !hasPipefail, step);
      }
      rule('DL3000', keyword === 'WORKDIR' && !/^[/$]/.test(args), step);
      rule('DL3020', keyword === 'ADD', step);
      rule('DL3025', ['CMD', 'ENTRYPOINT'].includes(keyword) && !args.startsWith('['), step);
      const source = /--from=(\S+)/.exec(args)?.[1];
      rule('DL3022', keyword === 'COPY' && source !== undefined && !names.includes(source), step);
    }
  }
  return found;
}

describe.each(files)('deploy/docker/%s', (name) => {
  const text = read(name);
  const stages = stagesOf(DockerfileParser.parse(text));
  /** Final stages, which no other stage uses. */
  const final = stages.filter(({ from }) => {
    const stage = from.getBuildStage();
    return stage === null || !new RegExp(`(--from=|FROM )${stage}(\\s|$)`, 'm').test(text);
  });

  it('has no mistake known to the linter', () => {
    const said = validate(text).filter(({ severity }) => severity === ValidationSeverity.ERROR);
    expect(said.map(({ message }) => message)).toEqual([]);
    expect(mistakes(text)).toEqual([]);
  });

  it('runs as a user without rights, with a health check, in the data directory', () => {
    expect(final.length).toBeGreaterThan(0);
    for (const { steps } of final) {
      const last = (keyword: string) =>
        steps.findLast((step) => step.getKeyword() === keyword)?.getArgumentsContent() ?? '';
      expect(last('USER')).toBe('10001:10001');
      expect(last('HEALTHCHECK')).toContain('/app/deploy/docker/healthcheck.mjs');
      expect(last('ENTRYPOINT')).toBe('["node", "/app/dist/agent/main.js"]');
      expect(last('WORKDIR')).toBe('/var/lib/qc-agent');
    }
  });

  it('every copied file exists', () => {
    for (const { steps } of stages) {
      for (const step of steps.filter((one) => one.getKeyword() === 'COPY')) {
        const args = step.getArguments().map((argument) => argument.getValue());
        if (step.toString().includes('--from=')) continue;
        for (const source of args.slice(0, -1))
          expect(existsSync(join(packageRoot, source)), source).toBe(true);
      }
    }
  });

  it('a mistake would be found', () => {
    const bad = `${text.replace(/:[^\s]*bookworm-slim/g, ':latest')}\nRUN apt-get update && apt-get install -y curl | cat\nADD x /x\nCMD node`;
    const numbers = mistakes(bad).map((line) => line.slice(0, 6));
    expect(numbers).toEqual(expect.arrayContaining(['DL3007', 'DL3009', 'DL3015', 'DL3020', 'DL3025']));
  });
});

it('onnxruntime on the Jetson has the version required by the binding', () => {
  const { version: installed } = JSON.parse(
    readFileSync(join(packageRoot, 'node_modules/onnxruntime-node/package.json'), 'utf8'),
  ) as { version: string };
  expect(read('Dockerfile.jetson')).toContain(`ARG ONNXRUNTIME=${installed}\n`);
  const binding = readFileSync(
    join(packageRoot, 'node_modules/onnxruntime-node/bin/napi-v6/linux/arm64/onnxruntime_binding.node'),
  );
  expect(binding.includes(`VERS_${installed}\0`)).toBe(true);
});

it('every file of the deployment names this version', () => {
  const named = [
    'docker/Dockerfile',
    'docker/Dockerfile.jetson',
    'compose/compose.yaml',
    'compose/compose.gpu.yaml',
    'compose/compose.jetson.yaml',
    'kubernetes/base/kustomization.yaml',
    'kubernetes/components/gpu/kustomization.yaml',
  ];
  for (const name of named) {
    const text = readFileSync(join(packageRoot, 'deploy', name), 'utf8');
    const tags = [...text.matchAll(/(?:qc-edge-agent:|newTag: )(\d+\.\d+\.\d+)/g)].map(([, tag]) => tag);
    expect(tags.length, name).toBeGreaterThan(0);
    expect(new Set(tags), name).toEqual(new Set([version]));
  }
});
