import { expect, test } from 'vitest';
import { QcError } from '../../../../config/errors.ts';
import { parseAddress } from '../../../../models/hubs/pull/address.ts';
import { readCatalogue, shownProof } from '../../../../models/hubs/pull/catalogue.ts';
import { hubSettings } from '../../../../models/hubs/pull/settings.ts';

const catalogue = await readCatalogue();

test('the catalogue names each base once, and every entry can be addressed both ways', () => {
  const names = catalogue.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const entry of catalogue) {
    expect(parseAddress(entry.name, catalogue).entry).toBe(entry);
    expect(parseAddress(entry.address, catalogue).entry).toBe(entry);
    expect(entry.licenceUrl).toMatch(/^https:/);
  }
  expect(names).toContain('resnet50');
  expect(shownProof(catalogue.find(({ name }) => name === 'dino-resnet50')!)).toBe(
    'recorded at first download',
  );
  expect(shownProof(catalogue.find(({ name }) => name === 'keras-vgg16')!)).toBe('md5');
});

const commit = '34c2154c194f829b11125337b98c8f5f9965ff19';
test.each([
  ['hf:me/model', { repository: 'me/model', revision: null, file: undefined }],
  [`hf:me/model@${commit}`, { repository: 'me/model', revision: commit, file: undefined }],
  [`hf:me/model@${commit}/onnx/model.onnx`, { revision: commit, file: 'onnx/model.onnx' }],
  ['hf:me/model/weights.bin', { revision: null, file: 'weights.bin' }],
  ['torchvision:resnet50-11ad3fa6.pth', { hub: 'torchvision', path: 'models/resnet50-11ad3fa6.pth' }],
  [
    'tfhub:google/resnet-v2/50-feature-vector',
    {
      hub: 'kaggle',
      path: 'api/v1/models/google/resnet-v2/tfJs/50-feature-vector/1/download',
      archive: 'tar.gz',
    },
  ],
  [
    'ngc:nvidia/tao/pretrained_classification:resnet18/resnet_18.hdf5',
    {
      hub: 'ngc',
      path: 'v2/models/nvidia/tao/pretrained_classification/versions/resnet18/files/resnet_18.hdf5',
    },
  ],
])('%s', (text, source) => {
  expect(parseAddress(text, catalogue).source).toMatchObject(source);
});

test.each([
  ['resnet5', 'did you mean resnet50'],
  ['keras:nothing', 'qc-agent models catalogue'],
  ['hf:me', 'hf:owner/name'],
  ['hf:me/model/../../etc/passwd', 'hf:owner/name'],
  ['ngc:nvidia/tao/model', 'ngc:org/team/model:version/file'],
  ['http://example.com/a.pth', 'use https'],
  ['https://me:secret@example.com/a.pth', 'without user and password'],
  ['file:///etc/passwd', 'qc-agent models catalogue'],
])('%s is refused with a remedy', (text, remedy) => {
  const refuse = () => parseAddress(text, catalogue);
  expect(refuse).toThrow(QcError);
  try {
    refuse();
  } catch (error) {
    expect((error as QcError).remedy).toContain(remedy);
    expect((error as QcError).line).not.toContain('secret');
  }
});

test('the environment sets the addresses of hubs; an invalid address is refused', () => {
  expect(hubSettings({}).endpoints.huggingface).toBe('https://huggingface.co');
  expect(hubSettings({ HF_ENDPOINT: 'https://mirror.example/hf/' }).endpoints.huggingface).toBe(
    'https://mirror.example/hf',
  );
  expect(() => hubSettings({ HF_ENDPOINT: 'https://me:secret@mirror.example' })).toThrow(
    'HF_ENDPOINT is not the address',
  );
  expect(hubSettings({ https_proxy: 'proxy:3128' }).proxies.httpsProxy).toBe('http://proxy:3128');
  expect(() => hubSettings({ HTTPS_PROXY: 'http://:' })).toThrow('HTTPS_PROXY is not the address');
});
