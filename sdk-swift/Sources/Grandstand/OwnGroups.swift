// The groups that the own profile is in, and word of their changes: one stream of server-sent events for all who listen, a
// question every few seconds where streams do not get through. Both bring the whole list, and what changed is the
// difference to the list before; so nothing is missed by a connection that broke.

import Foundation

/// Seconds between two streams where the server ended the first in good order.
private let pause: TimeInterval = 1

private struct Page: Decodable {
  let next: String?
  let results: [GroupMembership]
}

final class OwnGroups: Sendable {
  /// Somebody who listens; what it is told depends on what it was told before.
  private struct Listener {
    var before: [GroupMembership]?
    let tell: @Sendable (_ before: [GroupMembership]?, _ now: [GroupMembership]) -> Void
    let finish: @Sendable ((any Error)?) -> Void
  }

  private struct State {
    var listeners: [Int: Listener] = [:]
    var next = 0
    var latest: [GroupMembership]?
    var follower: Task<Void, any Error>?
  }

  private let http: HTTP
  private let config: Configuration
  private let scope: TaskScope
  private let identity: Observed<Identity?>
  private let own: @Sendable () async throws -> Own
  private let state = Protected(State())

  init(
    http: HTTP, config: Configuration, scope: TaskScope, identity: Observed<Identity?>,
    own: @escaping @Sendable () async throws -> Own
  ) {
    self.http = http
    self.config = config
    self.scope = scope
    self.identity = identity
    self.own = own
  }

  /// The present groups, then each list that differs from the one before.
  func groups() -> AsyncThrowingStream<[GroupMembership], any Error> { listen { $1 } }

  func changes() -> AsyncThrowingStream<GroupsChange, any Error> {
    listen { before, now in
      let last = before ?? now
      return GroupsChange(groups: now, entered: without(now, last), left: without(last, now))
    }
  }

  func membership(_ group: String) -> AsyncThrowingStream<Bool, any Error> {
    listen { before, now in
      let isMember = includes(now, group)
      return before.map { includes($0, group) } == isMember ? nil : isMember
    }
  }

  func isMember(_ group: String) async throws -> Bool { includes(try await list(), group) }

  func list() async throws -> [GroupMembership] {
    var all: [GroupMembership] = []
    var query: Substring? = "?page_size=100"
    while let asked = query {
      let own = try await own()
      let page: Page = try await http.request(Sent(method: "GET", path: try path(own) + asked, token: own.token))
      all += page.results
      query = page.next.flatMap { next in next.firstIndex(of: "?").map { next[$0...] } }
    }
    return all
  }

  /// No more word to anybody: the client is closed.
  func close() { end(because: nil) }

  private func listen<Word: Sendable>(
    _ word: @escaping @Sendable (_ before: [GroupMembership]?, _ now: [GroupMembership]) -> Word?
  ) -> AsyncThrowingStream<Word, any Error> {
    let (stream, receiver) = AsyncThrowingStream.makeStream(of: Word.self)
    let listener = Listener(
      tell: { before, now in if let word = word(before, now) { receiver.yield(word) } },
      finish: { receiver.finish(throwing: $0) })
    if scope.isClosed {
      receiver.finish(throwing: GrandstandError.misuse("This client was closed."))
      return stream
    }
    let id = state.with { state in
      state.next += 1
      state.listeners[state.next] = listener
      if let latest = state.latest { tell(&state, state.next, latest) }
      if state.follower == nil { state.follower = scope.launch { [self] in try await follow() } }
      return state.next
    }
    receiver.onTermination = { [weak self] _ in self?.leave(id) }
    return stream
  }

  private func leave(_ id: Int) {
    state.with { state in
      state.listeners[id] = nil
      if state.listeners.isEmpty { stop(&state) }
    }
  }

  private func stop(_ state: inout State) {
    state.follower?.cancel()
    state.follower = nil
    state.latest = nil
  }

  private func end(because error: (any Error)?) {
    let listeners = state.with { state in
      stop(&state)
      defer { state.listeners = [:] }
      return Array(state.listeners.values)
    }
    for listener in listeners { listener.finish(error) }
  }

  private func tell(_ state: inout State, _ id: Int, _ now: [GroupMembership]) {
    guard let listener = state.listeners[id] else { return }
    if let before = listener.before, Set(before.map(\.groupId)) == Set(now.map(\.groupId)) { return }
    state.listeners[id]?.before = now
    listener.tell(listener.before, now)
  }

  /// What is learnt after everybody left, or by a follower that was replaced, is told to nobody.
  private func tellAll(_ now: [GroupMembership]) {
    state.with { state in
      if Task.isCancelled { return }
      state.latest = now
      for id in state.listeners.keys { tell(&state, id, now) }
    }
  }

  /// The own groups of whoever is the fan: nobody has none.
  private func follow() async throws {
    var known: String?
    var following: Task<Void, any Error>?
    defer { following?.cancel() }
    for await identity in identity.values() {
      let id = identity?.own.profile.id
      if id == known { continue }
      known = id
      following?.cancel()
      _ = await following?.result
      if id == nil {
        tellAll([])
      } else {
        following = scope.launch { [self] in try await followOne() }
      }
    }
  }

  private func followOne() async throws {
    while true {
      do {
        let own = try await own()
        try await http.stream("\(try path(own))events/", token: own.token) { data in
          tellAll(try JSONDecoder().decode([GroupMembership].self, from: data))
        }
        try await sleep(seconds: pause)
      } catch let error as CancellationError {
        throw error
      } catch GrandstandError.invalidToken(let error) {
        return end(because: GrandstandError.invalidToken(error))
      } catch {
        config.onStreamError(error)
        try await poll()
        try await sleep(seconds: config.pollInterval * Double.random(in: 0.5..<1.5))
      }
    }
  }

  private func poll() async throws {
    do {
      tellAll(try await list())
    } catch let error as CancellationError {
      throw error
    } catch {
      // It is asked again.
    }
  }

  private func path(_ own: Own) throws -> String {
    "applications/\(config.clientId)/profiles/\(try segment(own.profile.id))/profile-groups/"
  }
}

/// Whether a list has a group, named by its id, its custom id, or `custom:` and that.
private func includes(_ groups: [GroupMembership], _ group: String) -> Bool {
  groups.contains { $0.groupId == group || $0.customId == group || $0.customId.map { "custom:\($0)" } == group }
}

private func without(_ list: [GroupMembership], _ other: [GroupMembership]) -> [GroupMembership] {
  let ids = Set(other.map(\.groupId))
  return list.filter { !ids.contains($0.groupId) }
}
