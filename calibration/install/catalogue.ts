/** The catalogue, with what is installed already. */
import { installedBases } from '../../models/hubs/installed.ts';
import { excludesCommerce } from '../../models/hubs/licence.ts';
import { readCatalogue, shownProof } from '../../models/hubs/pull/catalogue.ts';
import type { CatalogueView } from './views.ts';

export async function listCatalogue(storageDirectory: string): Promise<CatalogueView> {
  const installed = new Set((await installedBases(storageDirectory)).map(({ name }) => name));
  return (await readCatalogue()).map((entry) => {
    const { name, address, architecture, input, licence, licenceUrl, megabytes, remarks = null } = entry;
    return {
      name,
      address,
      architecture,
      input,
      licence,
      licenceUrl,
      commercial: !excludesCommerce(licence),
      megabytes,
      checkedBy: shownProof(entry),
      remarks,
      installed: installed.has(name),
    };
  });
}
