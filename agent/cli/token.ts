/** `qc-agent token`: access to the HTTP interface. */
import { type Command, Option } from 'commander';

import { createToken } from '../http/tokens.ts';
import { print } from './shell.ts';

export function addToken(program: Command): void {
  program
    .command('token <name>')
    .description('create an access token for the HTTP interface')
    .addOption(
      new Option('--role <role>', 'role').choices(['viewer', 'operator', 'engineer']).default('viewer'),
    )
    .addHelpText('after', '\nExample:\n  qc-agent token grafana --role viewer')
    .action((name: string, options: { role: 'viewer' | 'operator' | 'engineer' }) => {
      const { token, line } = createToken(name, options.role);
      print(
        `The token (it is not shown again): ${token}\nAdd this line to the file named by http.tokensFile:\n${line}`,
      );
    });
}
