// Activities on their way to the server. What was tracked is in memory at once and in storage a moment later; it leaves
// both when the server has acknowledged it. Sending twice is harmless, since each activity carries its id; so whenever in
// doubt, this sends again. What the server refuses is one activity's fault: it is looked for, and the others go their way.

import Foundation

private let batchSize = 100
private let week: TimeInterval = 7 * 86_400

private struct Batch: Encodable {
  let activities: [Activity]
}

private struct Acknowledgement: Decodable {
  struct Rejected: Decodable {
    let index: Int
    let errors: [String: JSONValue]
  }

  let accepted: Int
  let rejected: [Rejected]?
}

/// What waits at one place, to be written there.
private struct Snapshot {
  let at: String
  let waiting: [Activity]
  let gone: Set<String>
}

final class ActivityQueue: Sendable {
  private struct State {
    var waiting: [Activity] = []

    /// Acknowledged or dropped, and perhaps still in storage.
    var gone: Set<String> = []

    /// With the device's own time: sent anew without it if the server finds that wrong.
    var stamped: Set<String> = []
    var storedAt: String?

    /// Of whom everything that waits is; nil while that is not known.
    var openFor: String?
    var isStoring = false
    var timer: Task<Void, any Error>?
    var sending: Task<Void, any Error>?
    var isSending = false
    var failures = 0
  }

  private let http: HTTP
  private let store: Store
  private let config: Configuration
  private let scope: TaskScope
  private let identity: @Sendable () -> Identity?
  private let path: String
  private let earlyAt: String

  /// What is tracked before the profile is known may be stored, since it can only be this device's next profile's.
  private let keepsEarly: Bool
  private let state: Protected<State>

  /// - Parameter identity: who the fan is now, with the token that speaks for them
  init(
    http: HTTP, store: Store, config: Configuration, scope: TaskScope, identity: @escaping @Sendable () -> Identity?
  ) {
    self.http = http
    self.store = store
    self.config = config
    self.scope = scope
    self.identity = identity
    path = "applications/\(config.clientId)/activities/"
    earlyAt = "grandstand:\(config.clientId)@\(http.root):queue"
    keepsEarly = config.accessToken?.isEmpty ?? true
    state = Protected(State(storedAt: keepsEarly ? earlyAt : nil))
  }

  func track(_ activity: Activity) {
    var noted = activity
    if noted.occurredAt == nil { noted.occurredAt = isoText(config.now()) }
    let delay = state.with { state -> TimeInterval? in
      state.waiting.append(noted)
      if activity.occurredAt == nil { state.stamped.insert(noted.id) }
      if state.failures > 0 { return nil }
      return state.waiting.count >= batchSize ? 0 : config.flushInterval
    }
    bound()
    persistSoon()
    if let delay { schedule(after: delay) }
  }

  func reject(_ activity: Activity, because problem: String) {
    scope.launch { [self] in drop(.rejected, [activity], [problem]) }
  }

  /// Returns when everything tracked so far is acknowledged. What is cancelled is the waiting, not the sending.
  func flush() async throws {
    let earlier = state.with { state in
      state.timer?.cancel()
      return state.sending
    }
    if let earlier {
      _ = try? await outcome(of: earlier)
      try Task.checkCancellation()
    }
    let sending = state.with { state in
      if let sending = state.sending, state.isSending { return sending }
      state.isSending = true
      let sending = scope.launch { [self] in
        defer { self.state.with { $0.isSending = false } }
        try await sendAll()
      }
      state.sending = sending
      return sending
    }
    try await outcome(of: sending)
  }

  /// Sends what waits, without anybody waiting for it.
  func flushSoon() { schedule(after: 0) }

  /// The profile is known: sends what waits and what was left behind earlier, also by profiles that became this one.
  func open(_ profileId: String, former: [String]) async {
    let at = "\(earlyAt):\(profileId)"
    if state.with({ $0.storedAt == at }) { return }
    let others = (keepsEarly ? [earlyAt] : []) + former.map { "\(earlyAt):\($0)" }
    await store.inQueueTurn { [self] in
      var left: [Activity] = []
      for place in [at] + others { left += parse(await store.get(place)) }
      state.with { state in
        let known = state.gone.union(state.waiting.map(\.id))
        state.waiting = left.filter { !known.contains($0.id) } + state.waiting
        state.stamped.formUnion(left.map(\.id))
        state.storedAt = at
        state.openFor = profileId
      }
      await write(capture())
      for place in others { await store.remove(place) }
    }
    bound()
    if state.with({ !$0.waiting.isEmpty }) { schedule(after: 0) }
  }

  /// The profile is not this client's any more. What waits stays stored for its return.
  func leave() async {
    await store.inQueueTurn { [self] in
      let last = state.with { state in
        state.timer?.cancel()
        let last = capture(&state)
        state.waiting = []
        state.openFor = nil
        state.storedAt = keepsEarly ? earlyAt : nil
        return last
      }
      await write(last)
    }
  }

  func persist() async {
    await store.inQueueTurn { [self] in await write(capture()) }
  }

  private func persistSoon() {
    let isFirst = state.with { state in
      defer { state.isStoring = true }
      return !state.isStoring
    }
    if isFirst { scope.launch { [self] in await persist() } }
  }

  private func capture() -> Snapshot? { state.with { capture(&$0) } }

  private func capture(_ state: inout State) -> Snapshot? {
    state.isStoring = false
    guard let at = state.storedAt else { return nil }
    return Snapshot(at: at, waiting: state.waiting.filter { [gone = state.gone] in !gone.contains($0.id) }, gone: state.gone)
  }

  /// Other clients write the same list: what they added stays.
  private func write(_ snapshot: Snapshot?) async {
    guard let snapshot else { return }
    let mine = snapshot.gone.union(snapshot.waiting.map(\.id))
    let all = parse(await store.get(snapshot.at)).filter { !mine.contains($0.id) } + snapshot.waiting
    let list = Array(all.suffix(config.maxQueue))
    if !list.isEmpty, let text = try? encode(list) {
      await store.set(snapshot.at, to: String(decoding: text, as: UTF8.self))
    } else {
      await store.remove(snapshot.at)
    }
    state.with { $0.gone.subtract(snapshot.gone) }
  }

  private func sendAll() async throws {
    var size = batchSize
    while true {
      let (owner, batch) = state.with { ($0.openFor, Array($0.waiting.prefix(size))) }
      // One fan's activities are never sent by another's token: that of the moment must speak for them.
      guard let now = identity(), !batch.isEmpty, now.own.profile.id == owner else { return }
      defer { persistSoon() }
      do {
        settle(batch, try await send(batch, token: now.own.token))
        state.with { $0.failures = 0 }
        size = min(size * 2, batchSize)
      } catch let error as GrandstandError {
        if error.isTemporary { throw later(error) }
        // A dead token may be replaced; any other refusal would come again for ever.
        guard case .api(let refusal) = error else { throw error }
        // Any but 404, of the whole path, may be of one activity: the server's word, or of a proxy that looks into bodies.
        if batch.count > 1, refusal.status != 404 {
          size = batch.count / 2
        } else {
          forget(batch)
          drop(.rejected, batch, batch.map { _ in refusal.message })
        }
      }
    }
  }

  private func send(_ batch: [Activity], token: String) async throws -> Acknowledgement {
    let body = try encode(Batch(activities: batch))
    return try await http.request(Sent(method: "POST", path: path, body: body, token: token), retries: 0)
  }

  private func later(_ error: GrandstandError) -> GrandstandError {
    let failed = state.with { state in
      state.failures += 1
      return state.failures
    }
    schedule(after: backOff(failed, after: error))
    return error
  }

  private func settle(_ batch: [Activity], _ answer: Acknowledgement) {
    var again: [String: Activity] = [:]
    var dropped: [Activity] = []
    var problems: [String] = []
    for rejected in answer.rejected ?? [] where batch.indices.contains(rejected.index) {
      var activity = batch[rejected.index]
      let isAboutTime = rejected.errors["occurred_at"] != nil
      // By the device's clock it is neither old nor ahead: so that clock is wrong, and the server's has to do.
      if isAboutTime, state.with({ $0.stamped.remove(activity.id) != nil }), isTimely(activity) {
        activity.occurredAt = nil
        again[activity.id] = activity
      } else {
        dropped.append(activity)
        problems.append(sentence(of: rejected.errors.mapValues(messages)))
      }
    }
    state.with { [again] state in state.waiting = state.waiting.map { again[$0.id] ?? $0 } }
    forget(batch.filter { again[$0.id] == nil })
    drop(.rejected, dropped, problems)
  }

  private func isTimely(_ activity: Activity) -> Bool {
    guard let at = activity.occurredAt.flatMap(readISO) else { return false }
    return abs(at.timeIntervalSince(config.now())) < week
  }

  private func bound() {
    let excess = state.with { $0.waiting.dropLast(config.maxQueue) }
    if excess.isEmpty { return }
    forget(excess)
    scope.launch { [self] in drop(.full, Array(excess), []) }  // not on the thread of whoever tracked
  }

  private func forget(_ activities: some Sequence<Activity>) {
    let ids = Set(activities.map(\.id))
    state.with { state in
      state.gone.formUnion(ids)
      state.stamped.subtract(ids)
      state.waiting.removeAll { ids.contains($0.id) }
    }
  }

  private func drop(_ reason: Drop.Reason, _ activities: [Activity], _ problems: [String]) {
    if !activities.isEmpty { config.onDrop(Drop(reason: reason, activities: activities, problems: problems)) }
  }

  private func schedule(after seconds: TimeInterval) {
    state.with { state in
      state.timer?.cancel()
      state.timer = scope.launch { [self] in
        try await sleep(seconds: seconds)
        // Not part of the timer, which the next activity cancels.
        scope.launch { [self] in try await flush() }
      }
    }
  }
}

private func parse(_ text: String?) -> [Activity] {
  text.flatMap { try? JSONDecoder().decode([Activity].self, from: Data($0.utf8)) } ?? []
}
