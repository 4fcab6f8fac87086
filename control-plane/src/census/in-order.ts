import type { KeyValue } from '../store/key-value.ts'
import { idOf } from '../store/keys.ts'
import type { ListOptions, Store } from '../store/store.ts'

/** Everything below a prefix as it was at a revision, in the order of keys; one page of it is held at a time. */
export async function* inOrder(
  store: Pick<Store, 'list'>,
  prefix: string,
  options: Pick<ListOptions, 'keysOnly' | 'signal' | 'limit'> & { readonly revision: bigint },
): AsyncGenerator<KeyValue, void, undefined> {
  let after: KeyValue | undefined
  do {
    const page = await store.list(prefix, { ...options, after })
    yield* page.items
    after = page.more ? page.items.at(-1) : undefined
  } while (after !== undefined)
}

/** Finds items by their ids in one passage, where ids are asked for in the order in which the items come. */
export class Beside {
  readonly #items: AsyncIterator<KeyValue, void>
  #current: KeyValue | undefined
  #isOver = false

  constructor(items: AsyncIterator<KeyValue, void>) {
    this.#items = items
  }

  /** The item with this id, if there is one. What comes before it is left behind. */
  async at(id: string): Promise<KeyValue | undefined> {
    while (!this.#isOver && (this.#current === undefined || idOf(this.#current.key) < id)) {
      const next = await this.#items.next()
      this.#isOver = next.done === true
      this.#current = next.done === true ? undefined : next.value
    }
    return this.#current !== undefined && idOf(this.#current.key) === id ? this.#current : undefined
  }
}
