import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configCheckCommand } from '../../../agent/cli/config.ts';

test('config check describes the station without secrets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qc-check-'));
  try {
    const file = join(folder, 'c.yaml');
    writeFileSync(
      file,
      'station: s\ncameras:\n  top: {url: "rtsp://u@h/a?pwd=hunter2"}\nmqtt: {username: u}\n',
    );
    const text = configCheckCommand(file, {
      QC_CAMERAS__TOP__PASSWORD: 'hunter2',
      QC_MQTT__PASSWORD: 'hunter2',
    });
    expect(text).toContain(
      'camera top: rtsp://u@h/a?pwd=*** with a password, continuous, 1 frame per part, 100 %',
    );
    expect(text).toContain('broker mqtt://127.0.0.1:1883 as u with a password, topics under qc/s');
    expect(text).not.toContain('hunter2');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
