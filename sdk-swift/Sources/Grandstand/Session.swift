// Whose profile this is. Every profile costs, so the one rule here is: never make one where there is one already. Making
// one happens in turn with all clients on the same storage, with a device key that is stored before the request is sent and
// stays beside the token: a fan who comes back after a crash in between, or whose token alone was lost, gets the same
// profile. The key is as good as the token, so it goes where the device is no longer that fan's.

import Foundation

/// A profile and the credential that speaks for it. It never shows its token as text.
struct Own: Codable, Sendable, CustomStringConvertible, CustomReflectable {
  let profile: Profile
  let token: String

  var description: String { profile.id }
  var customMirror: Mirror { Mirror(self, children: ["profile": profile]) }
}

/// Who the fan is at one instant: read together, so that no token is mixed with another profile's activities.
struct Identity: Sendable {
  let own: Own

  /// Ids of anonymous profiles of this device that became this one: what they did may still wait here to be sent.
  let former: [String]
}

/// What the session stores.
private struct Kept: Codable {
  let own: Own

  /// Made by this library on this device, for a fan who is not signed in.
  let isGuest: Bool
  let former: [String]
}

/// A profile that was made just now: the only answer that tells its token.
private struct Made: Decodable {
  let own: Own

  private enum CodingKeys: String, CodingKey {
    case token = "access_token"
  }

  init(from decoder: any Decoder) throws {
    let token = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .token)
    own = Own(profile: try Profile(from: decoder), token: token)
  }
}

private struct Merged: Decodable {
  let profile: Profile
}

actor Session {
  /// Nil before the first answer and after signing out.
  nonisolated let current = Observed<Identity?>(nil)

  private let http: HTTP
  private let store: Store
  private let config: Configuration
  private let key: String
  private let guestKey: String
  private let deviceKeyKey: String
  private let path: String

  /// The token that the server was last asked about.
  private var tried: String?

  init(http: HTTP, store: Store, config: Configuration) {
    self.http = http
    self.store = store
    self.config = config
    key = "grandstand:\(config.clientId)@\(http.root)"
    guestKey = "\(key):guest"
    deviceKeyKey = "\(key):device"
    path = "applications/\(config.clientId)/profile/"
  }

  func start() async throws -> Profile {
    do {
      var token = config.accessToken.flatMap { $0.isEmpty ? nil : $0 }
      if token == nil { token = try await readToken() }
      if let token { return try await loadPassed(token).profile }
      return try await findOrMake().profile
    } catch GrandstandError.invalidToken(let error) {
      guard config.onInvalidToken == .create else { throw GrandstandError.invalidToken(error) }
      return try await startAnew(instead: tried).profile
    }
  }

  /// The fan signed in: the profile of the token, into which the anonymous one of this device was merged.
  func identify(_ accessToken: String, formerTokens: FormerTokens) async throws -> Profile {
    try await inTurn {
      let kept = try await readKept()?.own
      let before = kept ?? current.value?.own
      let account = try await load(accessToken)
      let isAnonymous = before != nil && before?.profile.customId == nil && before?.profile.id != account.profile.id
      guard isAnonymous, let before else {
        try await keep(account, isGuest: false)
        return account.profile
      }
      let whole = try await absorb(before, into: account, formerTokens)
      try await keep(Own(profile: whole, token: accessToken), isGuest: false, absorbed: before.profile.id)
      return whole
    }
  }

  /// After the server answered with a newer state of the own profile.
  func refresh(_ profile: Profile, token: String) async throws {
    try await inTurn {
      guard current.value?.own.token == token else { return }
      let isGuest = try await readKept()?.isGuest ?? false
      try await keep(Own(profile: profile, token: token), isGuest: isGuest)
    }
  }

  func forget() async throws {
    try await inTurn {
      let guest = try await readKept(guestKey)
      await store.remove(guestKey)
      // The device's own profile comes back, unless it became the account's that is signed out.
      if let guest, guest.own.profile.id != current.value?.own.profile.id {
        await write(guest, to: key)
      } else {
        await store.remove(deviceKeyKey)  // first: who has the device next must not get this fan's profile by it
        await store.remove(key)
      }
      current.set(nil)
      try await writeToken(nil)
    }
  }

  private func inTurn<Success: Sendable>(_ work: () async throws -> Success) async throws -> Success {
    let turn = await store.takeTurn()
    do {
      let result = try await work()
      await turn.give()
      return result
    } catch {
      await turn.give()
      throw error
    }
  }

  private func readToken() async throws -> String? {
    guard let tokens = config.tokenStorage else { return nil }
    let token = try await inBackground { try tokens.load() }
    return token.flatMap { $0.isEmpty ? nil : $0 }
  }

  private func writeToken(_ token: String?) async throws {
    guard let tokens = config.tokenStorage else { return }
    try await inBackground { try tokens.store(token) }
  }

  private func load(_ token: String) async throws -> Own {
    tried = token
    return Own(profile: try await http.request(Sent(method: "GET", path: path, token: token)), token: token)
  }

  private func readKept(_ from: String? = nil) async throws -> Kept? {
    guard let text = await store.get(from ?? key) else { return nil }
    guard let kept = try? JSONDecoder().decode(Kept.self, from: Data(text.utf8)) else { return nil }
    // Nothing that was left by another application.
    guard (kept.own.profile.clientId ?? config.clientId) == config.clientId else { return nil }
    guard config.tokenStorage != nil else { return kept }
    // The place of the application's own says whose profile there is. Here stands only by which token it was seen.
    guard let token = try await readToken(), fingerprint(token) == kept.own.token else { return nil }
    return Kept(own: Own(profile: kept.own.profile, token: token), isGuest: kept.isGuest, former: kept.former)
  }

  private func write(_ kept: Kept, to key: String) async {
    guard let data = try? JSONEncoder().encode(kept) else { return }
    await store.set(key, to: String(decoding: data, as: UTF8.self))
  }

  @discardableResult
  private func keep(_ own: Own, isGuest: Bool, absorbed: String? = nil) async throws -> Own {
    let before = try await readKept()
    let isSame = before?.own.profile.id == own.profile.id
    let former = (isSame ? before?.former ?? [] : []) + (absorbed.map { [$0] } ?? [])
    current.set(Identity(own: own, former: former))
    let isSecret = config.tokenStorage != nil
    // An account signed in: the device's own profile waits until they sign out, instead of being made again then.
    if let before, before.isGuest, !isSecret, !isGuest, !isSame, before.own.profile.id != absorbed {
      await write(before, to: guestKey)
    }
    let kept = isSecret ? Own(profile: own.profile, token: fingerprint(own.token)) : own
    await write(Kept(own: kept, isGuest: isGuest && own.profile.customId == nil, former: former), to: key)
    try await writeToken(own.token)
    return own
  }

  private func loadPassed(_ token: String) async throws -> Own {
    if let kept = try await readKept(), kept.own.token == token { return try await resume(kept) }
    return try await keep(try await load(token), isGuest: false)
  }

  private func findOrMake() async throws -> Own {
    if let kept = try await readKept() { return try await resume(kept) }
    return try await inTurn {
      if let kept = try await readKept() { return try await resume(kept) }
      return try await make()
    }
  }

  private func resume(_ kept: Kept) async throws -> Own {
    do {
      return try await keep(try await load(kept.own.token), isGuest: kept.isGuest)
    } catch let error as GrandstandError where error.isTemporary {
      // No answer: the fan goes on as who they were, and what they do waits in the queue.
      return try await keep(kept.own, isGuest: kept.isGuest)
    }
  }

  private func make() async throws -> Own {
    var deviceKey = await store.get(deviceKeyKey)
    if deviceKey == nil {
      deviceKey = randomId()
      await store.set(deviceKeyKey, to: deviceKey ?? "")
    }
    let body = ["nickname": config.nickname, "device_key": deviceKey].compactMapValues { $0 }
    let sent = Sent(method: "POST", path: path, body: try encode(body), idempotencyKey: randomId())
    let own = try await keep(try await http.request(sent, as: Made.self).own, isGuest: true)
    // Where a place of the application's own has no token, there is to be no profile.
    if config.tokenStorage != nil { await store.remove(deviceKeyKey) }
    return own
  }

  /// A profile that is not the dead token's: one that is kept, or a new one.
  private func startAnew(instead dead: String?) async throws -> Own {
    try await inTurn {
      guard let kept = try await readKept(), kept.own.token != dead else { return try await make() }
      do {
        return try await resume(kept)
      } catch GrandstandError.invalidToken {
        return try await make()
      }
    }
  }

  /// The account with the anonymous profile in it, or as it is where that can never be: its token is dead.
  private func absorb(_ anonymous: Own, into account: Own, _ tokens: FormerTokens) async throws -> Profile {
    let body = ["access_token": anonymous.token, "tokens": tokens.rawValue]
    let sent = Sent(
      method: "POST", path: "\(path)merge/", body: try encode(body), token: account.token, idempotencyKey: randomId())
    do {
      return try await http.request(sent, as: Merged.self).profile
    } catch GrandstandError.api(let error) {
      if error.fields["access_token"] != nil { return account.profile }
      // After an answer that was lost, or by another client: both tokens are of one profile.
      if error.status == 409, try await load(anonymous.token).profile.id == account.profile.id { return account.profile }
      throw GrandstandError.api(error)
    }
  }
}

func encode(_ value: some Encodable) throws -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.withoutEscapingSlashes]
  encoder.dateEncodingStrategy = .custom { date, encoder in
    var container = encoder.singleValueContainer()
    try container.encode(isoText(date))
  }
  return try encoder.encode(value)
}
