import { type Check, problemWith } from './check.ts'

interface DefinitionSpec {
  readonly group: string
  readonly names: { readonly kind: string }
}

/**
 * No object is of a kind that the same tree defines. kubectl looks up every kind before it applies the first object,
 * so with the definition still missing nothing of the tree is applied at all, however the files are named.
 */
export const ownDefinitions: Check = (index) =>
  index.ofKind('CustomResourceDefinition').flatMap((definition) => {
    const { group, names } = definition['spec'] as DefinitionSpec
    return index.manifests
      .filter(({ apiVersion, kind }) => kind === names.kind && apiVersion.startsWith(`${group}/`))
      .map((instance) =>
        problemWith(index, instance, {
          received: `'kind' (${names.kind}), which '${definition.metadata.name}' of the same environment defines,`,
          expected: 'objects of kinds that the cluster has before the first is applied',
          fix: 'install the definition before and name it among the requirements, or deliver its instances later',
        }),
      )
  })
