/** A reporter for vitest that names every test that passed only after a retry, with its first error. */
import type { Reporter, TestModule } from 'vitest/node';

export default class RetriedTests implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const retries = test.diagnostic()?.retryCount ?? 0;
        if (retries === 0) continue;
        const [error] = test.result().errors ?? [];
        lines.push(
          `  ${test.result().state} after ${retries + 1} attempts: ${module.relativeModuleId} > ${test.fullName}`,
        );
        if (error) lines.push(`    first error: ${error.message.split('\n')[0]}`);
      }
    }
    if (lines.length > 0) console.log(`\nRetried tests:\n${lines.join('\n')}`);
  }
}
