/** Process that promotes a version of another base and rolls back, repeatedly, until it is killed. */
import { modelSchema } from '../../../config/model-schema.ts';
import { storageSchema } from '../../../config/schema.ts';
import { promoteVersion, rollbackVersion } from '../../../models/versions/promote.ts';
import { openStore } from '../../../models/versions/store.ts';

const [directory = '', base, version = ''] = process.argv.slice(2);
const config = { model: modelSchema.parse({ base }), storage: storageSchema.parse({ directory }) };
const store = await openStore(directory);
if ((await store.active()) === version) await rollbackVersion(config, { by: 'test' });
process.send?.('ready');
for (;;) {
  await promoteVersion(config, version, { by: 'test' });
  await rollbackVersion(config, { by: 'test' });
}
