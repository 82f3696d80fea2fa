// The storage as the rest speaks to it: never on the caller's thread, and never failing; memory takes over what it refuses.

/// What all clients on one storage share: their turn, and what the storage refused to keep.
private final class Shared: Sendable {
  let turn = Turn()
  let queueTurn = Turn()
  let memory = Protected<[String: String]>([:])
}

/// Of storages without an identity for as long as they are there, of others for good.
private struct Places {
  struct Anonymous {
    weak var storage: (any KeyValueStorage)?
    let shared: Shared
  }

  var named: [String: Shared] = [:]
  var anonymous: [Anonymous] = []

  mutating func shared(of storage: any KeyValueStorage) -> Shared {
    if let name = storage.identity {
      let shared = named[name] ?? Shared()
      named[name] = shared
      return shared
    }
    anonymous.removeAll { $0.storage == nil }
    if let known = anonymous.first(where: { $0.storage === storage }) { return known.shared }
    let shared = Shared()
    anonymous.append(Anonymous(storage: storage, shared: shared))
    return shared
  }
}

private let places = Protected(Places())

struct Store: Sendable {
  private let storage: any KeyValueStorage
  private let shared: Shared

  init(_ storage: any KeyValueStorage) {
    self.storage = storage
    shared = places.with { $0.shared(of: storage) }
  }

  func get(_ key: String) async -> String? {
    if let value = shared.memory.with({ $0[key] }) { return value }
    return try? await inBackground { [storage] in try storage.get(key) }
  }

  func set(_ key: String, to value: String) async {
    let isKept = (try? await inBackground { [storage] in try storage.set(key, to: value) }) != nil
    shared.memory.with { $0[key] = isKept ? nil : value }
  }

  func remove(_ key: String) async {
    shared.memory.with { $0[key] = nil }
    try? await inBackground { [storage] in try storage.remove(key) }
  }

  /// Begins a turn among all that share the storage, other processes included where it is a folder. Ended by `give`.
  func takeTurn() async -> StoreTurn {
    await shared.turn.take()
    guard let files = storage as? FileStorage else { return StoreTurn(turn: shared.turn, unlock: nil) }
    return StoreTurn(turn: shared.turn, unlock: try? await inBackground { try files.lock() })
  }

  /// The same for the list of what waits: never held over a request.
  func inQueueTurn(_ work: @Sendable () async -> Void) async {
    await shared.queueTurn.take()
    await work()
    await shared.queueTurn.give()
  }
}

struct StoreTurn: Sendable {
  let turn: Turn
  let unlock: (@Sendable () -> Void)?

  func give() async {
    unlock?()
    await turn.give()
  }
}
