/** Opens a page of the agent in Debian's Chromium. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

const binary = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** The reason why no browser can be used on this machine; undefined if one can. */
export const browserMissing = binary === undefined ? 'chromium is not installed here' : undefined;

export interface Browser extends AsyncDisposable {
  readonly page: Page;
  /** Requested addresses of other origins. */
  readonly foreign: readonly string[];
  /** Errors and warnings on the console of the page, and uncaught errors. */
  readonly complaints: readonly string[];
}

export interface Viewport {
  readonly width: number;
  readonly height: number;
}

/** Opens the address in a fresh profile. */
export async function openBrowser(url: string, viewport: Viewport): Promise<Browser> {
  if (!binary) throw new Error(browserMissing);
  const profile = await mkdtemp(join(tmpdir(), 'qc-chromium-'));
  let context: BrowserContext | undefined;
  const close = async () => {
    await context?.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: binary,
      headless: true,
      viewport,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    const page = context.pages()[0] ?? (await context.newPage());
    const foreign: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => {
      const asked = new URL(request.url());
      if (asked.origin !== new URL(url).origin && !['data:', 'blob:'].includes(asked.protocol)) {
        foreign.push(request.url());
      }
    });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url);
    return { page, foreign, complaints, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
