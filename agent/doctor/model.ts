/** Checks the model: opens it like the agent, including hash and warm-up, and runs it once. */
import { existsSync } from 'node:fs';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { type Inspector, openInspector } from '../../models/inspector.ts';
import { checkImage } from '../../models/run/warm-up-check.ts';
import { type Finding, failure, good, warning } from './finding.ts';

export interface ModelFindings {
  /** Shorter side of the model input, pixels. */
  readonly side: number;
  readonly findings: Finding[];
}

/** @throws QcError like `openInspector`: model-…, head-…, provider-unavailable */
export async function checkModel(config: Config): Promise<ModelFindings> {
  const notices: string[] = [];
  const servers: Finding[] = [];
  await using inspector = await openInspector({
    model: config.model,
    storageDirectory: config.storage.directory,
    onNotice: (text) => void notices.push(text),
    onRemote(news) {
      if (news.kind === 'up') servers.push(good('inference server', news.description));
      if (news.kind === 'down') servers.push(failure('inference server', news.reason, news.remedy));
    },
  });
  const { base, precision, because, provider, batch, version } = inspector.model;
  const { width, height } = inspector.manifest.input;
  const picture = checkImage(width, height);
  // The first run warms up.
  await inspector.judge(picture);
  const { inferenceMs } = await inspector.judge(picture);
  return {
    side: Math.min(width, height),
    findings: [
      good(
        'model',
        `${base}, ${precision} (${because}), hash and warm-up correct, ${Math.round(inferenceMs)} ms per image${batch > 1 ? `, up to ${batch} in one run` : ''}`,
      ),
      ...servers,
      providerFinding(provider, inspector.model.why),
      ...headFindings(version, inspector, config.labels.good),
      ...(await recipeFindings(inspector, config)),
      ...notices.filter((text) => !text.startsWith(inspector.misfit()?.message ?? '\n')).map(noticeFinding),
    ],
  };
}

/** A notice may contain its own remedy. */
function noticeFinding(text: string): Finding {
  const [what = '', remedy] = text.split(' — ');
  return remedy === undefined
    ? warning('head', what, 'promote a whole version: qc-agent models list')
    : warning('model', what, remedy);
}

/** Reports recipes whose head cannot be used before someone selects them. */
async function recipeFindings(inspector: Inspector, { recipes, labels }: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, { head }] of Object.entries(recipes)) {
    if (head === undefined) continue;
    const check = `recipe ${name}`;
    try {
      await inspector.keepHead(head);
      const known = inspector.rulesOf(head).labels ?? [];
      const remedy = 'add to labels.good the labels that mean a good part';
      findings.push(
        known.some((label) => labels.good.includes(label))
          ? good(check, `${head} has the labels ${known.join(', ')}`)
          : failure(
              check,
              `${head} has the labels ${known.join(', ')}, but none of them is in labels.good: no part can pass`,
              remedy,
            ),
      );
    } catch (error) {
      if (!(error instanceof QcError)) throw error;
      findings.push(failure(check, error.message, error.remedy));
    }
  }
  return findings;
}

function providerFinding(provider: string, why: readonly string[]): Finding {
  const said = why.length === 0 ? provider : `${provider}; not used: ${why.join('; ')}`;
  const hasGpu = ['/dev/nvidiactl', '/dev/nvhost-gpu', '/dev/nvmap'].some(existsSync);
  if (provider === 'cpu' && why.length > 0 && hasGpu) {
    const remedy =
      'this machine has an NVIDIA GPU: install the CUDA libraries of onnxruntime, or set model.provider to cpu';
    return warning('provider', said, remedy);
  }
  return good('provider', said);
}

function headFindings(version: string, inspector: Inspector, goodLabels: readonly string[]): Finding[] {
  const { labels } = inspector;
  const misfit = inspector.misfit();
  if (misfit) return [failure('head', `${misfit.message}: every part is uncertain`, misfit.remedy)];
  if (labels.length === 0) {
    const remedy =
      'label good parts and defects, and train a model version; without one every part is uncertain';
    return [warning('head', 'none yet: every part is uncertain', remedy)];
  }
  const missing = goodLabels.filter((label) => !labels.includes(label));
  const said = `${version} has the labels ${labels.join(', ')}`;
  if (missing.length === 0) return [good('head', `${said}; good: ${goodLabels.join(', ')}`)];
  const what = `${said}, but labels.good also names ${missing.join(', ')}`;
  return missing.length === goodLabels.length
    ? [failure('head', `${what}: no part can pass`, 'add to labels.good the labels that mean a good part')]
    : [warning('head', what, 'correct labels.good')];
}
