// One application on one server, for one fan: profile, activities and groups put together.

import Foundation

/// A fan of an application. Nothing is asked before `start`; every call may be made from any thread, and none of them works on the
/// caller's.
///
/// Calls fail with a `GrandstandError`. Cancelling the task of a call cancels its request; `start`, `identify` and `flush` go on for
/// the others who wait for them.
public final class GrandstandClient: Sendable {
  private struct Starting {
    var task: Task<Profile, any Error>?
    var isRunning = false
  }

  private let config: Configuration
  private let scope = TaskScope()
  private let http: HTTP
  private let session: Session
  private let queue: ActivityQueue
  private let ownGroups: OwnGroups
  private let starting: Protected<Starting>
  private let background: BackgroundObserver?

  /// - Throws: `GrandstandError.misuse` where the client id or the endpoint is none.
  public init(_ config: Configuration) throws {
    guard !config.clientId.isEmpty, config.clientId.utf8.allSatisfy(isOfClientId) else {
      throw GrandstandError.misuse(
        "The client id '\(config.clientId)' is none: letters, digits, _ and - are allowed.")
    }
    let http = try HTTP(config)
    let store = Store(config.storage)
    let session = Session(http: http, store: store, config: config)
    let starting = Protected(Starting())
    let scope = scope
    let queue = ActivityQueue(http: http, store: store, config: config, scope: scope) { session.current.value }
    self.config = config
    self.http = http
    self.session = session
    self.starting = starting
    self.queue = queue
    ownGroups = OwnGroups(http: http, config: config, scope: scope, identity: session.current) {
      try await ownOnceKnown(session, scope, after: starting.with { $0.task })
    }
    background = config.flushesInBackground ? BackgroundObserver { try await queue.flush() } : nil
  }

  /// - Parameters:
  ///   - clientId: the application
  ///   - endpoint: the server's address, with or without `/api/v1/`
  ///   - storage: where the fan's credential is kept between starts
  ///   - configure: whatever else is to be different
  public convenience init(
    clientId: String, endpoint: String, storage: any KeyValueStorage = FileStorage.standard,
    configure: (inout Configuration) -> Void = { _ in }
  ) throws {
    var config = Configuration(clientId: clientId, endpoint: endpoint, storage: storage)
    configure(&config)
    try self.init(config)
  }

  deinit { close() }

  /// The own profile as it was last seen: nil before `start` and after `signOut`.
  public var profile: Profile? { session.current.value?.own.profile }

  /// The own profile now, then whenever it changed or somebody else is the fan; nil where nobody is.
  public func profiles() -> AsyncStream<Profile?> {
    let identities = session.current.values()
    let (stream, receiver) = AsyncStream.makeStream(of: Profile?.self)
    let telling = Task.detached {
      var last: Profile??
      for await identity in identities {
        let profile = identity?.own.profile
        if last != .some(profile) { receiver.yield(profile) }
        last = .some(profile)
      }
      receiver.finish()
    }
    receiver.onTermination = { _ in telling.cancel() }
    return stream
  }

  /// Speaks for the own profile: keep it as a password. Nil before `start` and after `signOut`.
  public var accessToken: String? { session.current.value?.own.token }

  /// The fan's profile: the one of the passed token, else the stored one, else a new one. Called several times at once, by one client or
  /// by several on one storage, it makes one profile.
  ///
  /// Where nobody answers, a stored profile is answered as it was last seen.
  @discardableResult
  public func start() async throws -> Profile {
    try checkOpen()
    let task = starting.with { starting in
      if let task = starting.task, starting.isRunning { return task }
      starting.isRunning = true
      let task = scope.launch { [session, queue, running = self.starting] in
        defer { running.with { $0.isRunning = false } }
        let profile = try await session.start()
        await queue.open(profile.id, former: session.current.value?.former ?? [])
        return profile
      }
      starting.task = task
      return task
    }
    return try await outcome(of: task)
  }

  /// Asks for the own profile anew.
  @discardableResult
  public func refresh() async throws -> Profile { try await ofOwn("GET", body: nil) }

  /// The public part of another profile.
  public func getProfile(_ id: String) async throws -> PublicProfile {
    try await http.request(Sent(method: "GET", path: "profiles/\(try segment(id))/", token: try await own().token))
  }

  @discardableResult
  public func update(_ changes: ProfileChanges) async throws -> Profile {
    try await ofOwn("PATCH", body: try encode(try changes.json()))
  }

  /// `update { $0.setNickname("Ada"); $0.setAttribute("team", to: "lions") }`
  @discardableResult
  public func update(_ change: (inout ProfileChanges) -> Void) async throws -> Profile {
    var changes = ProfileChanges()
    change(&changes)
    return try await update(changes)
  }

  @discardableResult
  public func setNickname(_ nickname: String) async throws -> Profile {
    try await update { $0.setNickname(nickname) }
  }

  /// Sets some attributes of the own profile and leaves the others as they are, also those that others change meanwhile. A list is several
  /// values of one key; nil removes a key.
  @discardableResult
  public func setAttributes(_ values: [String: (any AttributeValue)?]) async throws -> Profile {
    try await update { $0.setAttributes(values) }
  }

  private func ofOwn(_ method: String, body: Data?) async throws -> Profile {
    let token = try await own().token
    let path = "applications/\(config.clientId)/profile/"
    let profile: Profile = try await http.request(Sent(method: method, path: path, body: body, token: token))
    try await session.refresh(profile, token: token)
    return profile
  }

  /// Notes what the fan did and returns at once, with the activity's id. It is sent with others a moment later, again if that fails, and
  /// after a restart if the app ended first.
  ///
  /// - Parameters:
  ///   - type: one that the application has marked as the client's
  ///   - data: at most 4 KiB
  ///   - occurredAt: when it was something else than just now
  ///   - id: the same id again changes nothing
  @discardableResult
  public func track(
    _ type: String, data: [String: any Encodable & Sendable] = [:], value: Int64? = nil, occurredAt: Date? = nil,
    id: String? = nil
  ) -> String {
    let id = id ?? randomId()
    var activity = Activity(id: id, type: type, occurredAt: occurredAt.map(isoText), value: value, data: nil)
    do {
      // Now: what the caller changes afterwards is not meant.
      if !data.isEmpty { activity.data = .object(try data.mapValues(jsonOf)) }
      queue.track(activity)
    } catch {
      queue.reject(activity, because: "data: \(error)")
    }
    return id
  }

  /// Returns when everything tracked so far is acknowledged; fails if it could not be sent, and it is tried again later.
  public func flush() async throws {
    _ = try await own()
    try await queue.flush()
  }

  /// Sends what waits now and returns at once. An app that goes to the background does so by itself.
  public func flushSoon() { queue.flushSoon() }

  /// The groups that the own profile is in.
  public func getGroups() async throws -> [GroupMembership] { try await ownGroups.list() }

  /// Whether the own profile is in a group, named by its id or custom id.
  public func isMember(of group: String) async throws -> Bool { try await ownGroups.isMember(group) }

  /// The own groups now, then whenever they change, for as long as somebody listens; all who listen share one connection. Fails with
  /// `GrandstandError.invalidToken` where the token is dead.
  public func groups() -> AsyncThrowingStream<[GroupMembership], any Error> { ownGroups.groups() }

  /// As `groups`, with who entered and left.
  public func groupChanges() -> AsyncThrowingStream<GroupsChange, any Error> { ownGroups.changes() }

  /// Whether the own profile is in a group, now and whenever that changes.
  public func membership(of group: String) -> AsyncThrowingStream<Bool, any Error> { ownGroups.membership(group) }

  /// The fan signed in: goes on as the profile of this token, for which your back end signed it. The anonymous profile of this device
  /// comes along: it is merged into the account's, with all that it did, and what waits is sent as the account's. From one account to
  /// another, nothing is merged. Repeating it is harmless. If it fails, the fan stays who they were.
  @discardableResult
  public func identify(_ accessToken: String, formerTokens: FormerTokens = .revoke) async throws -> Profile {
    try checkOpen()
    if let task = starting.with({ $0.task }) {
      _ = try? await outcome(of: task)
      try Task.checkCancellation()
    }
    let before = profile?.id
    // Not half: a caller who goes away leaves no fan whose activities are another's.
    let task = scope.launch { [session, queue] in
      let profile = try await session.identify(accessToken, formerTokens: formerTokens)
      let former = session.current.value?.former ?? []
      if let before, before != profile.id, !former.contains(before) { await queue.leave() }
      await queue.open(profile.id, former: former)
      return profile
    }
    return try await outcome(of: task)
  }

  /// Sends what waits, then forgets the profile on this device. The next `start` resolves the device's own or a new one.
  public func signOut() async throws {
    if profile != nil {
      do {
        try await queue.flush()
      } catch is GrandstandError {
        // It waits for this fan's return.
      }
    }
    let task = scope.launch { [session, queue] in
      await queue.leave()
      try await session.forget()
    }
    try await outcome(of: task)
  }

  /// Any other call of the API, with the own profile's token; `.null` where the answer is empty.
  @discardableResult
  public func request(_ method: String, _ path: String, body: JSONValue? = nil) async throws -> JSONValue {
    let token = try await own().token
    let key = method == "POST" ? randomId() : nil
    let path = String(path.drop { $0 == "/" })
    let body = try body.map { try encode($0) }
    return try await http.request(Sent(method: method, path: path, body: body, token: token, idempotencyKey: key))
  }

  /// Ends timers and connections. What waits stays stored. A client that nobody holds any more closes itself.
  public func close() {
    if scope.isClosed { return }
    let queue = queue
    Task.detached { await queue.persist() }
    end()
  }

  /// As `close`; returns when what waits is stored.
  public func closeAndWait() async {
    await queue.persist()
    end()
  }

  private func end() {
    scope.cancel()
    ownGroups.close()
    session.current.finish()
    http.close()
  }

  /// The own profile, waiting for it if it is on its way. Nothing but `start` itself makes one.
  private func own() async throws -> Own {
    try await ownOnceKnown(session, scope, after: starting.with { $0.task })
  }

  private func checkOpen() throws {
    if scope.isClosed { throw GrandstandError.misuse("This client was closed.") }
  }
}

/// Without the token, which is a password.
extension GrandstandClient: CustomReflectable {
  public var customMirror: Mirror { Mirror(self, children: ["config": config]) }
}

private func ownOnceKnown(_ session: Session, _ scope: TaskScope, after starting: Task<Profile, any Error>?) async throws -> Own {
  if scope.isClosed { throw GrandstandError.misuse("This client was closed.") }
  if let own = session.current.value?.own { return own }
  if let starting { _ = try await outcome(of: starting) }
  guard let own = session.current.value?.own else { throw GrandstandError.misuse("Call start first.") }
  return own
}

private func isOfClientId(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
    UInt8(ascii: "_"), UInt8(ascii: "-"):
    return true
  default: return false
  }
}

private func jsonOf(_ value: any Encodable & Sendable) throws -> JSONValue {
  try JSONDecoder().decode(JSONValue.self, from: try encode(value))
}
