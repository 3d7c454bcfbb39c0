/** The manual on the page: for stations without internet access. */
import { describe, expect, it } from 'vitest';
import { pageOf } from '../../../agent/http/routes/docs.ts';
import { openStationRig } from '../../rigs/station.ts';

describe('the manual', () => {
  it('is served as pages whose links lead to other pages of it', async () => {
    await using station = await openStationRig();
    const page = async (name: string) => {
      const response = await fetch(`${station.http.url}/docs/${name}`);
      expect(response.status, name).toBe(200);
      return response.text();
    };
    const found = await page('calibration.html');
    expect(found).toContain('<title>Calibration: teaching a new part while the line runs</title>');
    const links = [...found.matchAll(/<a href="([^"#]+\.html)(?:#([^"]+))?"/g)];
    expect(links.length).toBeGreaterThan(5);
    for (const [, name = '', anchor] of links) {
      const target = await page(name);
      if (anchor !== undefined) expect(target, `${name}#${anchor}`).toContain(`id="${anchor}"`);
    }
  });

  it('contains no raw HTML of its source, and no link out of the manual except to web sites', () => {
    const text =
      '# A `b`\n\n<script>alert(1)</script> a <b>c</b>\n\n[code](../agent/main.ts) [next](b.md#x) [site](https://a.example/) ![image](none.png)\n\n## Same\n\n## Same\n\n```\n<i>\n```';
    const page = pageOf('a.md', text, new Set(['a.md', 'b.md']));
    const main = page.slice(page.indexOf('<main'), page.indexOf('</main>'));
    expect(main).not.toMatch(/<script|<b>|<i>|<img|main\.ts/);
    expect(main).toContain('&lt;script&gt;');
    expect(main).toContain('<a href="b.html#x">next</a>');
    expect(main).toContain('<a href="https://a.example/" target="_blank" rel="noopener noreferrer">site</a>');
    expect(main).toContain('id="same"');
    expect(main).toContain('id="same-1"');
  });
});
