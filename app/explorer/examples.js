import affectedReleases from './examples/affected-releases.graphql?raw'
import binaries from './examples/binaries.graphql?raw'
import binaryImpact from './examples/binary-impact.graphql?raw'
import createProduct from './examples/create-product.graphql?raw'
import deviceUpdates from './examples/device-updates.graphql?raw'
import followEvents from './examples/follow-events.graphql?raw'

/** What the menu shows, in this order; the first one is there from the start. */
export const EXAMPLES = [
  { title: 'List binaries', text: binaries },
  { title: 'What destroying a binary would do', text: binaryImpact },
  { title: 'Why a device gets its update', text: deviceUpdates },
  { title: 'Releases that a binary affects', text: affectedReleases },
  { title: 'Create a product', text: createProduct },
  { title: 'Follow what is done', text: followEvents },
]
